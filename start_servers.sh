#!/usr/bin/env bash
# Starts LiteLLM on port 4000 and the proxy on port 3000. Sets them up first, if that was not done.
#
#   ./start_servers.sh
#   MODEL="claude-sonnet-4" ./start_servers.sh
#
# Options are those of `anthropic-proxy up` (--help lists them); variables may also stand in .env.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

if ! cmp -s requirements/setup.txt .venv/installed.txt; then
    ./setup_litellm_copilot.sh
fi
exec .venv/bin/anthropic-proxy up "$@"
