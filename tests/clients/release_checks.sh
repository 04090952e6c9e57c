#!/usr/bin/env bash
# Holds what fathom releases against numpy and the PyPI package transformers (release_check.py), in a virtual
# environment under build/. usage: tests/clients/release_checks.sh FATHOM. What cannot be had here (Python, the
# registry, memory for PyTorch) is left out, and it says so.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
fathom=$(readlink -f "$1")
skip() {
  echo "skipped: releases in other programs: $1"
  exit 0
}
python=$(command -v python3.12 || command -v python3.11 || command -v python3) || skip 'python3 is not installed'
work=$here/../../build/clients-release
requirements=$here/release_requirements.txt
mkdir -p "$work"
[ -x "$work/venv/bin/python" ] || timeout 120 "$python" -m venv "$work/venv" >"$work/pip.log" 2>&1 ||
  skip 'python3 has no venv (build/clients-release/pip.log)'
install() {  # install NAME ARGS...: once for this version of the requirements
  local name=$1
  shift
  cmp -s "$requirements" "$work/$name.installed" 2>/dev/null && return
  timeout 900 "$work/venv/bin/pip" install --quiet --disable-pip-version-check "$@" >>"$work/pip.log" 2>&1 || return 1
  cp "$requirements" "$work/$name.installed"
}
install numpy "$(grep '^numpy==' "$requirements")" || skip 'PyPI cannot be reached (build/clients-release/pip.log)'
arguments=()
torch=$(grep '^torch==' "$requirements")  # the CPU build: PyPI's own brings gigabytes of CUDA
available=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
if [ "$available" -lt 3000 ]; then
  echo "skipped: transformers: 3,000 MB of memory are needed, $available are free"
  arguments+=(--without-transformers)
elif ! { install torch "$torch+cpu" || install torch --index-url https://download.pytorch.org/whl/cpu "$torch"; } ||
  ! install transformers -r "$requirements"; then
  echo 'skipped: transformers: PyPI lacks a version, or the disk has no room (build/clients-release/pip.log)'
  arguments+=(--without-transformers)
fi
timeout 600 "$work/venv/bin/python" "$here/release_check.py" "$fathom" ${arguments[@]+"${arguments[@]}"}
