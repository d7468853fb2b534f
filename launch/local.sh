#!/usr/bin/env bash
# Trains on simulated devices of this machine, in one process or in several that work as hosts of a cluster do.
#
#   launch/local.sh [--dry-run] [--processes P] [--restarts R] DEVICES --config=CONFIG --workdir=DIR [--config.key=value ...]
#
# DEVICES CPU devices are divided over P processes (default 1). When a process dies all are started again, at most R times
# (default 3), and go on from the newest checkpoint; not after a mistake in the configuration or the data. SIGTERM
# saves and ends. DSSLIC_VENV names the virtual environment (default .venv). --dry-run prints the commands.
set -euo pipefail
usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
dry_run='' processes=1 restarts=3
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=1 ;;
    --processes) processes=${2:-} && shift ;;
    --restarts) restarts=${2:-} && shift ;;
    *) break ;;
  esac
  shift
done
devices=${1:-}
for number in "$processes" "$devices" "$restarts"; do
  [[ $number =~ ^[0-9]+$ ]] || usage
done
[ "$processes" -ge 1 ] && [ "$devices" -ge 1 ] && [ $# -ge 3 ] || usage
shift
if ((devices % processes)); then
  echo "$devices devices cannot be divided over $processes processes" >&2
  exit 2
fi
cd "$(dirname "$0")/.."
python=${DSSLIC_VENV:-.venv}/bin/python
stopped=75 # the status with which training tells that a signal ended it before its last step
mistake=1 # the status with which training tells of a mistake: starting again would not help
running=()

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts process $1 on port $2 with the arguments that follow.
start() {
  local process=$1 port=$2
  shift 2
  local command=(env "JAX_PLATFORMS=cpu" "JAX_NUM_CPU_DEVICES=$((devices / processes))" "$python" -m dsslic_jax.main "$@")
  if ((processes > 1)); then
    command+=("--coordinator=127.0.0.1:$port" "--num_processes=$processes" "--process_id=$process" --heartbeat_timeout=10)
  fi
  if [ -n "$dry_run" ]; then
    printf '%q ' "${command[@]}"
    echo
    return
  fi
  "${command[@]}" &
  running+=("$!")
  echo "process $process of $processes is $!"
}

# Waits until all have ended well, or one has not: ends the others, for they cannot go on without it, and returns its status.
watch() {
  local left status worst pid outcome=0
  while [ "${#running[@]}" -gt 0 ]; do
    sleep 0.2
    left=() worst=0
    for pid in "${running[@]}"; do
      status=0
      if kill -0 "$pid" 2> /dev/null; then
        left+=("$pid")
      else
        wait "$pid" || status=$?
      fi
      if ((status == stopped)); then
        outcome=$status # the others are ending, too
      elif ((status)) && ((worst != mistake)); then
        worst=$status
      fi
    done
    running=(${left[@]+"${left[@]}"})
    if ((worst)); then
      end KILL
      wait || :
      running=()
      return "$worst"
    fi
  done
  return "$outcome"
}

end() {
  for pid in ${running[@]+"${running[@]}"}; do
    kill "-$1" "$pid" 2> /dev/null || :
  done
}

stopping=''
trap 'stopping=1; end TERM' TERM INT
for ((attempt = 0; ; attempt++)); do
  port=PORT
  [ -n "$dry_run" ] || port=$(free_port)
  for ((process = 0; process < processes; process++)); do
    start "$process" "$port" "$@"
  done
  status=0
  watch || status=$?
  if ((status == 0 || status == stopped || status == mistake || attempt >= restarts)) || [ -n "$stopping" ]; then
    exit "$status"
  fi
  echo "a process ended with status $status: starting again ($((attempt + 1)) of $restarts)" >&2
done
