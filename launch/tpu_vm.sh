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
# creates the slice where there is none, installs and runs, again and again until training ends or tells of a mistake.
# Options: --dry-run prints the commands; --spot, --queued and --runtime VERSION say how to create; --setup COMMAND is run
# on every worker after installing, e.g. to mount a bucket; --recreate lets `watch` delete a slice that was taken away, to
# create it anew; --restarts N limits its new starts after crashes (default 5); --confirm NAME answers `delete`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tpu=(gcloud compute tpus)

usage() {
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

run() {
  if [ -z "$dry_run" ]; then
    "$@"
  else
    printf '%q ' "$@"
    echo
  fi
}

check_config() {
  [ -f "$root/${1%%:*}" ] || { echo "no configuration ${1%%:*}" >&2 && exit 2; }
}

create() { # NAME ZONE ACCELERATOR
  local version=$runtime
  if [ -z "$version" ]; then
    case $3 in
      v5litepod-*) version=v2-alpha-tpuv5-lite ;;
      v5p-*) version=v2-alpha-tpuv5 ;;
      v6e-*) version=v2-alpha-tpuv6e ;;
      v4-*) version='tpu-ubuntu2204-base' ;;
      *) echo "no software image is known for accelerator $3: name one with --runtime" >&2 && exit 2 ;;
    esac
  fi
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

on_all() { # NAME ZONE COMMAND
  run "${tpu[@]}" tpu-vm ssh "$1" --zone="$2" --worker=all --command="$3"
}

install() { # NAME ZONE
  git -C "$root" archive --format=tar.gz --output="$scratch/dsslic_jax.tar.gz" HEAD &&
    run "${tpu[@]}" tpu-vm scp "$scratch/dsslic_jax.tar.gz" "$1:dsslic_jax.tar.gz" --zone="$2" --worker=all &&
    on_all "$1" "$2" "set -eu; mkdir -p dsslic_jax; tar -xzf dsslic_jax.tar.gz -C dsslic_jax; cd dsslic_jax; \
python3 -m pip install --quiet --user uv; PATH=\$HOME/.local/bin:\$PATH; \
[ -x .venv/bin/python ] || uv venv --quiet --python 3.12 .venv; \
uv pip install --quiet --python .venv/bin/python --editable '.[tpu,train]'" && # the images' own Python may be too old
    if [ -n "$setup" ]; then on_all "$1" "$2" "$setup"; fi
}

train() { # NAME ZONE CONFIG WORKDIR [ARGUMENT ...]
  local command
  printf -v command '%q ' .venv/bin/python -m dsslic_jax.main --distributed --config="$3" --workdir="$4" "${@:5}"
  # The lock waits for an earlier run whose connection broke: that ends as it writes its next line.
  on_all "$1" "$2" "cd dsslic_jax && { status=0; flock --wait 900 --conflict-exit-code 75 .lock $command|| status=\$?; \
echo \"training ended with status \$status\"; exit \$status; }"
}

state() { # NAME ZONE: READY or ACTIVE, PREEMPTED, …; nothing where there is no such slice
  local kind=tpu-vm field=state
  [ -z "$queued" ] || { kind=queued-resources field=state.state; }
  "${tpu[@]}" "$kind" list --zone="$2" --filter="name~/$1\$" --format="value($field)"
}

# Whether the run whose output is in $log ended for good; its status is then in $status.
ended() {
  if grep -q 'training ended with status 1$' "$log"; then
    status=1 # a mistake in the configuration or the data
  elif grep -q 'training ended with status 0$' "$log" && ! grep -q 'training ended with status [^0]' "$log"; then
    status=0
  else
    return 1
  fi
}

watch() { # NAME ZONE ACCELERATOR CONFIG WORKDIR [ARGUMENT ...]
  local log=$scratch/log crashes=0 found status
  if [ -n "$dry_run" ]; then
    create "$1" "$2" "$3"
    install "$1" "$2"
    train "$1" "$2" "${@:4}"
    return
  fi
  while found=$(state "$1" "$2"); do
    case $found in
      '') create "$1" "$2" "$3" || echo "not created; asking again" >&2 ;;
      READY | ACTIVE)
        { install "$1" "$2" && train "$1" "$2" "${@:4}"; } 2>&1 | tee -- "$log" || :
        if ended; then
          return "$status"
        elif [ "$(state "$1" "$2")" = "$found" ] && ((++crashes > restarts)); then
          echo "ended $crashes times though the slice was there: giving up" >&2
          return 1
        fi
        ;;
      PREEMPTED | TERMINATED | STOPPED | SUSPENDED | FAILED)
        if [ -z "$recreate" ]; then
          echo "$1 is $found; --recreate would delete it and create it anew" >&2
          return 1
        fi
        delete "$1" "$2"
        ;;
    esac
    sleep "${DSSLIC_POLL_SECONDS:-60}"
  done
}

dry_run='' spot='' queued='' runtime='' setup='' recreate='' restarts=5 confirmed=''
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=1 ;;
    --spot) spot=1 ;;
    --queued) queued=1 ;;
    --recreate) recreate=1 ;;
    --runtime | --setup | --restarts | --confirm)
      [ $# -ge 2 ] || usage
      case $1 in
        --setup) setup=$2 ;;
        --runtime) runtime=$2 ;;
        --restarts) restarts=$2 ;;
        --confirm) confirmed=$2 ;;
      esac
      shift
      ;;
    -*) usage ;;
    *) break ;;
  esac
  shift
done
[[ $restarts =~ ^[0-9]+$ ]] || usage
case ${1:-} in
  create | install | run | watch | fetch | delete) command=$1 && shift ;;
  *) command=both ;;
esac
case $command:$# in
  create:3 | install:2 | fetch:4 | delete:2) ;;
  run:[0-3] | both:[0-3] | watch:[0-4]) usage ;;
  run:* | both:*) check_config "$3" ;;
  watch:*) check_config "$4" ;;
  *) usage ;;
esac
for word; do
  case $word in
    *gs://* | *s3://*) echo "$word: name a folder of the workers; mount a bucket there with --setup" >&2 && exit 1 ;;
  esac
done
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
case $command in
  create) create "$@" ;;
  install) install "$@" ;;
  run) train "$@" ;;
  both) install "$1" "$2" && train "$@" ;;
  watch) watch "$@" ;;
  fetch) run "${tpu[@]}" tpu-vm scp --recurse "$1:$3" "$4" --zone="$2" --worker=0 ;;
  delete)
    [ -n "$confirmed" ] || read -r -p "delete $1 and all that is on it? Its name again: " confirmed
    [ "$confirmed" = "$1" ] || { echo "not deleted" >&2 && exit 1; }
    delete "$@"
    ;;
esac
