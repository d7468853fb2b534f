#!/usr/bin/env bash
# A run on a Cloud TPU VM slice, from renting it to giving it back. Walk-through: launch/README.md.
#
#   launch/tpu_vm.sh [OPTIONS] create  NAME ZONE ACCELERATOR     e.g. v5litepod-16
#   launch/tpu_vm.sh [OPTIONS] install NAME ZONE                 this commit and what it needs, on every worker
#   launch/tpu_vm.sh [OPTIONS] run     NAME ZONE CONFIG WORKDIR [--config.key=value ...]
#   launch/tpu_vm.sh [OPTIONS] watch   NAME ZONE ACCELERATOR CONFIG WORKDIR [--config.key=value ...]
#   launch/tpu_vm.sh [OPTIONS] fetch   NAME ZONE REMOTE LOCAL    a folder of worker 0, e.g. WORKDIR/model
#   launch/tpu_vm.sh [OPTIONS] delete  NAME ZONE                 asks for NAME again
#   launch/tpu_vm.sh [OPTIONS] NAME ZONE CONFIG WORKDIR [...]    install and run
#
# WORKDIR is a folder all workers see: a shared disk or a mounted bucket. Runs go on from the newest checkpoint. `watch`
# creates the slice where there is none, installs, runs, and does so again until training ends or tells of a mistake.
# Options: --dry-run prints the commands; --spot, --queued and --runtime VERSION say how to create; --recreate lets
# `watch` delete a slice that was taken away, to create it anew; --restarts N limits its new starts after crashes (default
# 5); --confirm NAME answers `delete`.
set -euo pipefail
usage() {
  sed -n '2,18s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
run() { "$@"; }
dry_run='' spot='' queued='' runtime='' recreate='' restarts=5 confirmed=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run)
      dry_run=1
      run() { printf '%q ' "$@" && echo; }
      ;;
    --spot) spot=1 ;;
    --queued) queued=1 ;;
    --recreate) recreate=1 ;;
    --runtime) runtime=${2:-} && shift ;;
    --restarts) restarts=${2:-} && shift ;;
    --confirm) confirmed=${2:-} && shift ;;
    *) break ;;
  esac
  shift || usage
done
[[ $restarts =~ ^[0-9]+$ ]] || usage
tpu=(gcloud compute tpus)

need() { [ "$1" -ge "$2" ] || usage; }

runtime_of() { # the software image for accelerator $1
  case $1 in
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    v4-*) echo tpu-ubuntu2204-base ;;
    *)
      echo "no software image is known for accelerator $1: name one with --runtime" >&2
      exit 2
      ;;
  esac
}

create() { # NAME ZONE ACCELERATOR
  local version=$runtime
  [ -n "$version" ] || version=$(runtime_of "$3")
  if [ -n "$queued" ]; then
    run "${tpu[@]}" queued-resources create "$1" --node-id="$1" --zone="$2" --accelerator-type="$3" \
      --runtime-version="$version" ${spot:+--spot}
  else
    run "${tpu[@]}" tpu-vm create "$1" --zone="$2" --accelerator-type="$3" --version="$version" ${spot:+--spot}
  fi
}

delete() { # NAME ZONE
  if [ -n "$queued" ]; then
    run "${tpu[@]}" queued-resources delete "$1" --zone="$2" --force --quiet
  else
    run "${tpu[@]}" tpu-vm delete "$1" --zone="$2" --quiet
  fi
}

install() { # NAME ZONE
  local archive remote
  archive=$(mktemp)
  # shellcheck disable=SC2064 # now: the variable is gone by then
  trap "rm -f -- '$archive'" EXIT
  git archive --format=tar.gz --output="$archive" HEAD
  run "${tpu[@]}" tpu-vm scp "$archive" "$1:dsslic_jax.tar.gz" --zone="$2" --worker=all
  # The images' own Python may be too old; uv fetches one.
  remote='set -eu; mkdir -p dsslic_jax; tar -xzf dsslic_jax.tar.gz -C dsslic_jax; cd dsslic_jax'
  remote+='; python3 -m pip install --quiet --user uv; PATH=$HOME/.local/bin:$PATH'
  remote+='; [ -x .venv/bin/python ] || uv venv --quiet --python 3.12 .venv'
  remote+="; uv pip install --quiet --python .venv/bin/python --editable '.[tpu]'"
  run "${tpu[@]}" tpu-vm ssh "$1" --zone="$2" --worker=all --command="$remote"
}

train() { # NAME ZONE CONFIG WORKDIR [ARGUMENT ...]
  local name=$1 zone=$2 command
  [ -f "${3%%:*}" ] || { echo "no configuration ${3%%:*}" >&2; exit 2; }
  printf -v command '%q ' .venv/bin/python -m dsslic_jax.main --distributed --config="$3" --workdir="$4" "${@:5}"
  # The lock waits for an earlier run whose connection broke; it ends with its next line of output.
  command="cd dsslic_jax && flock --wait 900 --conflict-exit-code 75 .lock $command"
  run "${tpu[@]}" tpu-vm ssh "$name" --zone="$zone" --worker=all \
    --command="status=0; $command || status=\$?; echo \"training ended with status \$status\"; exit \$status"
}

state() { # NAME ZONE: READY, CREATING, PREEMPTED, …; nothing where there is no such slice
  "${tpu[@]}" tpu-vm list --zone="$2" --filter="name~/$1\$" --format='value(state)'
}

watch() { # NAME ZONE ACCELERATOR CONFIG WORKDIR [ARGUMENT ...]
  local found log crashes=0 wait_s=${DSSLIC_POLL_SECONDS:-60}
  log=$(mktemp)
  while true; do
    found=$([ -n "$dry_run" ] && echo READY || state "$1" "$2")
    case $found in
      '') create "$1" "$2" "$3" || echo "not created; asking again" >&2 ;;
      READY)
        install "$1" "$2" && train "$1" "$2" "${@:4}" 2>&1 | tee -- "$log" || :
        [ -z "$dry_run" ] || return 0
        if grep -q 'training ended with status 1$' "$log"; then
          echo "training told of a mistake: not started again" >&2
          return 1
        elif grep -q 'training ended with status 0$' "$log" && ! grep -q 'stopped at step' "$log"; then
          return 0
        elif [ "$(state "$1" "$2")" = READY ] && ((++crashes > restarts)); then
          echo "ended $crashes times on a slice that was there: giving up" >&2
          return 1
        fi
        ;;
      PREEMPTED | TERMINATED | STOPPED)
        [ -n "$recreate" ] || { echo "$1 is $found: --recreate would delete and create it" >&2; return 1; }
        delete "$1" "$2"
        ;;
    esac
    sleep "$wait_s"
  done
}

cd "$(dirname "$0")/.."
command=${1:-}
case $command in
  create) need $# 4 && create "${@:2}" ;;
  install) need $# 3 && install "${@:2}" ;;
  run) need $# 5 && train "${@:2}" ;;
  watch) need $# 6 && watch "${@:2}" ;;
  fetch)
    need $# 5
    run "${tpu[@]}" tpu-vm scp --recurse "$2:$4" "$5" --zone="$3" --worker=0
    ;;
  delete)
    need $# 3
    [ -n "$confirmed" ] || read -r -p "delete $2 and all that is on it? Its name again: " confirmed
    [ "$confirmed" = "$2" ] || { echo "not deleted" >&2; exit 1; }
    delete "$2" "$3"
    ;;
  *)
    need $# 4
    [ -f "${3%%:*}" ] || { echo "no configuration ${3%%:*}" >&2; exit 2; }
    install "$1" "$2"
    train "$@"
    ;;
esac
