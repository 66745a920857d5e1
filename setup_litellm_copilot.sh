#!/usr/bin/env bash
# Sets up the proxy and LiteLLM in .venv, once. Safe to run again: what is there already is kept.
#
#   ./setup_litellm_copilot.sh            set up
#   ./setup_litellm_copilot.sh --debug    and have LiteLLM log all it does, to see what goes to Copilot and back
#
# PYTHON names the interpreter, if not python3. uv installs if it is there, else pip.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

readonly LOCK=requirements/setup.txt
readonly NEEDED_MB=1500 # what is installed, and while that is unpacked, its archives
readonly LOG=.venv/setup.log

main() {
    local debug=false
    case "${1-}" in
        '') ;;
        --debug) debug=true ;;
        -h | --help)
            sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
            return
            ;;
        *) give_up "unknown option $1; there is --debug" ;;
    esac

    if is_complete; then
        printf 'The proxy and LiteLLM are set up already, in .venv.\n'
    else
        enough_room
        environment
        install_all
    fi
    if $debug; then switch_debug_on; fi
    next_steps
}

is_complete() {
    cmp -s "$LOCK" .venv/installed.txt && .venv/bin/python -c 'import anthropic_proxy' 2>/dev/null
}

enough_room() {
    local free
    free=$(df -Pm . | awk 'NR == 2 { print $4 }')
    if ((free < NEEDED_MB)); then
        give_up "not enough room on the disk: about $NEEDED_MB MB are needed here, $free MB are free"
    fi
}

# A virtual environment that works. One that was left half-made is made anew.
environment() {
    local python
    if .venv/bin/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 16))' 2>/dev/null; then
        return
    fi
    if [[ -e .venv || -L .venv ]]; then
        if [[ ! -d .venv || (! -e .venv/pyvenv.cfg && -n $(ls -A .venv)) ]]; then
            give_up "$PWD/.venv is in the way and is no virtual environment; move it away"
        fi
        printf 'The .venv that is there does not work or is too old; making it anew.\n'
        rm -rf .venv
    fi
    python=$(find_python)
    printf 'Making .venv with %s ...\n' "$("$python" --version)"
    if "$python" -m venv .venv >/dev/null 2>&1; then return; fi
    # Debian leaves pip's installer out of its bare Python.
    rm -rf .venv
    if ! has_uv || ! uv venv --quiet --seed --python "$python" .venv; then
        give_up "$python cannot make virtual environments; install python3-venv (Debian, Ubuntu) or uv"
    fi
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14 python3.15; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 16))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    give_up "Python 3.11 to 3.15 is needed$(found_instead); install one, and PYTHON may name it: PYTHON=python3.12 $0"
}

found_instead() {
    local version
    version=$("${PYTHON:-python3}" --version 2>/dev/null) && printf ', and %s is %s' "${PYTHON:-python3}" "$version"
}

has_uv() {
    command -v uv >/dev/null
}

install_all() {
    local started=$SECONDS
    rm -f .venv/installed.txt
    : >"$LOG"
    run_installer "packages" --require-hashes --requirement "$LOCK"
    # Without dependencies, which are there, and without a build environment, which would be fetched.
    run_installer "the proxy" --no-deps --no-build-isolation --editable .
    cp "$LOCK" .venv/installed.txt
    printf 'Installed in %s s: %s MB in .venv.\n' $((SECONDS - started)) "$(du -sm .venv | cut -f1)"
}

# run_installer WHAT ARGUMENT...: runs the installer, and shows how far it is.
run_installer() {
    local what=$1
    shift
    if has_uv; then
        # uv trusts whom the machine trusts only if told to.
        export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
        if shown "$what" uv pip install --python .venv/bin/python "$@"; then return; fi
        # It does not read pip's settings, which may name the only index that can be reached.
        printf 'uv could not install %s; trying pip.\n' "$what"
    fi
    shown "$what" .venv/bin/python -m pip --disable-pip-version-check install --retries 2 "$@" || explain_failure
}

# shown WHAT COMMAND...: runs the command with its output in the log, for a failure is told in one line and not in a
# hundred, and shows how far it is.
shown() {
    local what=$1 pid
    shift
    "$@" >>"$LOG" 2>&1 &
    pid=$!
    # shellcheck disable=SC2064 # The process is known now.
    trap "kill $pid 2>/dev/null; exit 130" INT TERM
    show_progress "$what" "$pid"
    trap - INT TERM
    wait "$pid"
}

# show_progress WHAT PID: while the process runs, a line that is written over on a terminal, else one now and then.
show_progress() {
    local what=$1 pid=$2 started=$SECONDS total told=-15 text seconds
    total=$(grep -c '^[a-z].*==' "$LOCK")
    while kill -0 "$pid" 2>/dev/null; do
        seconds=$((SECONDS - started))
        text="Installing $what"
        if [[ $what == packages ]]; then
            text+=", $(distributions) of $total there"
            text+=$(awk '/^Collecting/ { n++ } END { if (n) printf ", %d fetched", n }' "$LOG")
        fi
        if [[ -t 1 ]]; then
            printf '\r\033[K%s ... %s s' "$text" "$seconds"
        elif ((seconds - told >= 15)); then
            printf '%s ... %s s\n' "$text" "$seconds"
            told=$seconds
        fi
        sleep 0.5
    done
    if [[ -t 1 ]]; then printf '\r\033[K'; fi
}

distributions() {
    find .venv/lib -maxdepth 3 -name '*.dist-info' 2>/dev/null | wc -l | tr -d ' '
}

explain_failure() {
    local why
    if grep -qi 'no space left' "$LOG"; then
        why='the disk is full'
    elif grep -qi 'hashes.*do not match\|hash mismatch' "$LOG"; then
        why='a package is not the one that was locked (wrong hash); it was not installed'
    elif grep -qiE "$NETWORK" "$LOG"; then
        why='the package index cannot be reached; is the network up? A proxy or a mirror goes into HTTPS_PROXY,'
        why+=' PIP_INDEX_URL or UV_DEFAULT_INDEX'
    else
        why="the installation failed; its last line: $(tail -n 1 "$LOG")"
    fi
    give_up "$why (all of it is in $PWD/$LOG). Run this again to go on"
}

readonly NETWORK='name resolution|name or service not known|nodename nor servname|network is unreachable|timed out|connection refused|failed to establish|failed to fetch|dns error|error sending request|cannot connect to proxy|tunnel'

switch_debug_on() {
    if ! grep -q '^LITELLM_LOG=' .env 2>/dev/null; then
        (
            umask 077
            printf 'LITELLM_LOG=DEBUG\n' >>.env
        )
    fi
    printf 'LiteLLM will log all it does: .env says %s. Take the line out to switch it off.\n' \
        "$(grep '^LITELLM_LOG=' .env)"
    printf 'That log holds prompts and replies.\n'
}

next_steps() {
    cat <<'TEXT'

Next:
  1. Look into config.yaml: it lists the models for LiteLLM. Without changes there are GitHub Copilot's,
     and `demo`, which needs no account.
  2. Keys of other backends go into the file .env here, a line each: OPENAI_API_KEY=sk-...
     OPENAI_API_BASE is not needed for LiteLLM, which is started on port 4000; it is for `serve` with another backend.
  3. For Copilot, sign in:   .venv/bin/anthropic-proxy login copilot
  4. Start both servers:     ./start_servers.sh
     with another model:     MODEL="claude-sonnet-4" ./start_servers.sh
     with Claude Code on it: .venv/bin/anthropic-proxy claude
TEXT
}

give_up() {
    printf 'setup: %s.\n' "$1" >&2
    exit 1
}

main "$@"
