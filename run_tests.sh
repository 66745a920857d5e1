#!/usr/bin/env bash
# Runs what a review runs: format, lint, strict types, shell scripts, all tests, the coverage floor, and the
# guard that counts work (bench/README.md).
#
# Needs Python 3.11 or later and a package index that pip or uv can reach. Makes its own environments:
# .venv for the package and its tests, and in .venvs one for each old SDK, one for LiteLLM, one for
# schemathesis, and where there is npm, one for Claude Code and one for the TypeScript SDK. The tests of
# other clients are skipped, unless `make clients` has installed them. A second run reuses what is there.
# PYTHON names another interpreter. Arguments go to pytest, and then the coverage floor and the guard are
# left out: ./run_tests.sh -k tool_result
# `./run_tests.sh --environment` makes .venv, and runs nothing.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

main() {
    local started=$SECONDS
    environment .venv requirements/dev.txt
    install .venv --quiet --no-deps --no-build-isolation --editable .
    if [[ ${1:-} == --environment ]]; then return; fi
    environment .venvs/sdk-0.60 requirements/sdk-0.60.txt
    environment .venvs/sdk-1.17 requirements/sdk-1.17.txt
    environment .venvs/schemathesis requirements/schemathesis.txt
    environment .venvs/litellm requirements/litellm.txt
    .venv/bin/python tests/clients/install.py claude-code client-typescript-sdk

    step "format" .venv/bin/python -m ruff format --check .
    step "lint" .venv/bin/python -m ruff check .
    step "types" .venv/bin/python -m mypy
    step "shell scripts" .venv/bin/shellcheck ./*.sh .ci/run
    if (($#)); then
        step "tests" .venv/bin/python -m pytest "$@"
    else
        step "tests" .venv/bin/python -m pytest -n 3 --dist loadfile --cov --cov-report=
        step "coverage" .venv/bin/python .ci/coverage_floor.py
        step "work" .venv/bin/python -m bench.guard
    fi

    printf '\n'
    if ((${#failed[@]})); then
        printf 'failed:%s (%s s)\n' "$(printf ' %s,' "${failed[@]}" | sed 's/,$//')" $((SECONDS - started))
        exit 1
    fi
    printf 'all is well (%s s)\n' $((SECONDS - started))
}

failed=()

# step NAME COMMAND...: runs the command under a heading and remembers a failure; the next steps run all the same.
step() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed+=("$name")
}

# environment DIRECTORY LOCK: a virtual environment that holds what LOCK pins, made only where it is missing or stale.
environment() {
    local directory=$1 lock=$2
    if ! "$directory/bin/python" -c '' 2>/dev/null; then
        printf 'making %s\n' "$directory"
        make_environment "$directory"
    fi
    if ! cmp --silent "$lock" "$directory/installed.txt"; then
        printf 'installing %s into %s\n' "$lock" "$directory"
        install "$directory" --quiet --require-hashes --requirement "$lock"
        cp "$lock" "$directory/installed.txt"
    fi
}

make_environment() {
    local python
    python=$(find_python)
    if "$python" -m venv --clear "$1"; then return; fi
    # Debian leaves pip's installer out of its bare Python.
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --seed --python "$python" "$1"
        return
    fi
    printf 'cannot make a virtual environment: install python3-venv, or uv\n' >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    printf 'Python 3.11 or later is needed; PYTHON may name it\n' >&2
    exit 1
}

# install DIRECTORY ARGUMENT...: uv where there is one (the first environment brings it), else pip. uv does not read
# pip's settings, so where it cannot reach its index pip gets its turn.
install() {
    local directory=$1 uv
    shift
    uv=$(command -v uv || printf '.venv/bin/uv')
    if [[ -x $uv ]]; then
        # Trust whom the machine trusts, as pip does.
        UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} "$uv" pip install --python "$directory/bin/python" "$@" && return
        printf 'uv failed, trying pip\n'
    fi
    "$directory/bin/python" -m pip --disable-pip-version-check install "$@"
}

main "$@"
