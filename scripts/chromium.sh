#!/bin/sh
# Print the path of a Chromium for tests, measurements and pictures; nothing when there is none.
# It is the one that CHROMIUM names (empty: none is wanted), else one of this machine, else the
# distribution's, which is installed where that is allowed (as root, with apt-get).
set -eu
if [ -n "${CHROMIUM+given}" ]; then
    printf '%s\n' "$CHROMIUM"
    exit 0
fi

find_chromium() {
    for name in chromium chromium-browser google-chrome google-chrome-stable \
        /Applications/Chromium.app/Contents/MacOS/Chromium \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    do
        command -v "$name" && return
    done
    return 1
}

if find_chromium; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    exit 0
fi
printf 'Installing Chromium from the distribution\n' >&2
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
{
    apt-get update -q && apt-get install -qy --no-install-recommends chromium
} >/dev/null || printf 'Chromium could not be installed.\n' >&2
find_chromium || true
