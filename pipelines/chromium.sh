#!/usr/bin/env bash
# Prints the path of a working Chromium, for the test of the page for annotators.
# Installs Debian's if there is none and this user may install it. If no Chromium
# works, stdout stays empty and stderr says why.
set -eu

command -v chromium > /dev/null || "$(dirname "$0")/debian.sh" chromium
if ! chromium=$(command -v chromium); then
    echo "chromium cannot be installed here: the page for annotators is not tested" >&2
elif ! timeout 60 "$chromium" --headless --no-sandbox --disable-dev-shm-usage --dump-dom about:blank > /dev/null 2>&1; then
    echo "$chromium does not run here: the page for annotators is not tested" >&2
else
    echo "$chromium"
fi
