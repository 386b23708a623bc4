#!/usr/bin/env bash
# Installs Debian's packages $@ quietly, where this user may. Whether they are there, the
# caller looks: what cannot be installed is no error here.
[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || exit 0
{ apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } > /dev/null 2>&1 \
    || true
