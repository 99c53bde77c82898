#!/bin/sh
# All checks that need no server; says which one failed, and runs the rest all the same.
set -u
unset CDPATH
cd -- "$(dirname -- "$0")/.."
python=.venv/bin/python
checkov=.venv-tools/bin/checkov
tools=$PWD/.venv-tools/bin
failed=

check() {
    name=$1
    shift
    if ! "$@"; then
        failed="$failed $name"
        echo "lint: $name failed" >&2
    fi
}

syntax() {
    for script in scripts/*.sh; do sh -n "$script" || return 1; done
    bash -n .ci/run
}

# A configuration file that the environment names may not exist; formatting needs none.
hcl() {
    if command -v terraform >/dev/null 2>&1; then
        TF_CLI_CONFIG_FILE=/dev/null terraform fmt -check -diff -recursive hcl_template
    else
        echo "lint: there is no terraform here, HCL was not checked"
    fi
}

# Known weak spots of the HCL; what is left as it is says why beside it (checkov:skip=…). It needs
# no network: the platform's guides are not fetched, and no module is from outside.
scan() {
    if ! [ -x "$checkov" ]; then
        echo "lint: there is no checkov here; make tools brings it" >&2
        return 1
    fi
    "$checkov" --directory hcl_template --framework terraform --quiet --compact --skip-download \
        --download-external-modules false
}

# Playbooks and roles of blueprints, by the strictest profile; nothing is fetched for it.
playbooks() {
    if ! [ -x .venv-tools/bin/ansible-lint ]; then
        echo "lint: there is no ansible-lint here; make tools brings it" >&2
        return 1
    fi
    for config in hcl_template/*/.ansible-lint; do
        folder=$(dirname -- "$config")
        (cd -- "$folder" && PATH=$tools:$PATH ansible-lint --offline --nocolor -q ansible) \
            || return 1
    done
}

check ruff "$python" -m ruff check --quiet .
check format "$python" -m ruff format --check --output-format concise .
check templates "$python" -m djlint --quiet --lint templates
check texts "$python" scripts/check_texts.py
check house "$python" scripts/check_house.py
check shell syntax
check hcl hcl
check "hcl docs" "$python" scripts/hcl_docs.py --check
check checkov scan
check playbooks playbooks

if [ -n "$failed" ]; then
    echo "lint: failed:$failed" >&2
    exit 1
fi
echo "lint: all well"
