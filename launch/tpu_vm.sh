#!/usr/bin/env bash
# Trains on a Cloud TPU VM slice: copies this checkout to every worker, installs it and starts the same command on all.
#
#   launch/tpu_vm.sh [--dry-run] NAME ZONE CONFIG WORKDIR [--config.key=value ...]
#
# NAME is an existing TPU VM; WORKDIR a folder all workers see: a shared disk or a mounted bucket. Running it again goes on from the
# newest checkpoint. --dry-run prints the commands. Nothing here deletes anything.
set -euo pipefail
run() { "$@"; }
if [ "${1:-}" = --dry-run ]; then
  run() { printf '%q ' "$@"; echo; }
  shift
fi
if [ $# -lt 4 ]; then
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
name=$1 zone=$2 config=$3 workdir=$4
shift 4
cd "$(dirname "$0")/.."
[ -f "${config%%:*}" ] || { echo "no configuration ${config%%:*}" >&2; exit 2; }

archive=$(mktemp)
trap 'rm -f -- "$archive"' EXIT
git archive --format=tar.gz --output="$archive" HEAD
run gcloud compute tpus tpu-vm scp "$archive" "$name:dsslic_jax.tar.gz" --zone="$zone" --worker=all
printf -v train '%q ' .venv/bin/python -m dsslic_jax.main --distributed --config="$config" --workdir="$workdir" "$@"
remote="set -eu; mkdir -p dsslic_jax; tar -xzf dsslic_jax.tar.gz -C dsslic_jax; cd dsslic_jax"
remote+="; [ -x .venv/bin/python ] || python3 -m venv .venv; .venv/bin/pip install --quiet --editable '.[tpu]'"
run gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$remote; $train"
