#!/usr/bin/env bash
# Makes sure that strace is installed and may trace, for the tests of crashes.
# Installs Debian's if there is none and this user may install it. If strace does
# not work, stderr says why.
set -eu

command -v strace > /dev/null || "$(dirname "$0")/debian.sh" strace
if ! command -v strace > /dev/null; then
    echo "strace cannot be installed here: crashes are not tested" >&2
elif ! strace -f -qq -e trace=none true 2> /dev/null; then
    echo "strace may not trace here: crashes are not tested" >&2
fi
