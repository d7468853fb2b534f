#!/usr/bin/env bash
# Installs what tests need and runs them; arguments go to pytest. With npm, the real FLIF and BPG decoders are installed
# too; without it their tests are skipped, or fail where DSSLIC_REQUIRE_PROGRAMS=1.
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/environment.sh
prepare_environment "[test]"
if command -v npm > /dev/null; then
  npm ci --silent --no-audit --no-fund --prefix tests/programs
fi
exec "$venv/bin/python" -m pytest "$@"
