#!/usr/bin/env bash
# Installs, trains on embedded scenes, compresses held-back ones and prints the rate-distortion table. Arguments are
# passed on, e.g.: launch/quickstart.sh --workdir=/tmp/quickstart
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/environment.sh
prepare_environment "[train,evaluate,report]"
exec "$venv/bin/python" -m dsslic_jax.main --config=configs/quickstart.py --workdir=runs/quickstart "$@"
