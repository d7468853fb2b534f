# shellcheck shell=bash
# Sourced by the scripts beside it: prepare_environment EXTRAS makes a virtual environment with the package in it.
# DSSLIC_VENV names its folder (default .venv), PYTHON the interpreter to make it with (default python3).

prepare_environment() {
  local extras=$1 python=${PYTHON:-python3}
  venv=${DSSLIC_VENV:-.venv}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version)" >&2
    return 1
  }
  if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" || {
      echo "no virtual environment could be made; on Debian and Ubuntu: sudo apt install python3-venv" >&2
      rm -rf -- "$venv"
      return 1
    }
  fi
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".$extras"
}
