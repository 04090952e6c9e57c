#!/usr/bin/env bash
# Checks fathom serve with the official clients from npm and PyPI, at the versions of node/package-lock.json and
# python/requirements.txt.
# usage: tests/clients/client_checks.sh FATHOM [NAME...]
#   NAME: openai anthropic ai_sdk langchain (npm); py_openai py_anthropic py_litellm (PyPI);
#   sc_schemathesis (PyPI): the published document against the server; all without one.
# Without node, npm, Python or a registry the checks that need it are left out, and it says which and why.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
fathom=$(readlink -f "$1")
shift
names=("$@")
[ $# -gt 0 ] || names=(openai anthropic ai_sdk langchain py_openai py_anthropic py_litellm sc_schemathesis)
build=$here/../../build
status=0

# What needs installing says in `why` what stands in its way.
prepare_node() {
  why='node and npm are not installed'
  command -v node >/dev/null && command -v npm >/dev/null || return 1
  mkdir -p "$build/clients-node"
  cp "$here"/node/*.mjs "$here"/node/package.json "$here"/node/package-lock.json "$build/clients-node"
  cd "$build/clients-node"
  cmp -s package-lock.json node_modules/.installed && return 0
  why='the npm registry cannot be reached or lacks a version (build/clients-node/npm.log)'
  timeout 300 npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 || return 1
  cp package-lock.json node_modules/.installed
}
prepare_venv() {  # prepare_venv NAME REQUIREMENTS: build/NAME
  local venv=$build/$1 packages=$here/python/$2
  why='python3 with venv is not installed'
  cmp -s "$packages" "$venv/.installed" && return 0
  rm -rf "$venv"
  mkdir -p "$build"
  command -v python3 >/dev/null && python3 -m venv "$venv" >"$build/$1.log" 2>&1 || return 1
  why="PyPI cannot be reached or lacks a version (build/$1.log)"
  timeout 400 "$venv/bin/pip" install --no-deps -r "$packages" >"$build/$1.log" 2>&1 || return 1
  cp "$packages" "$venv/.installed"
}
prepare_python() { prepare_venv clients-python requirements.txt; }
prepare_schemathesis() { prepare_venv clients-schemathesis schemathesis_requirements.txt; }
run() {  # run NAME COMMAND...
  local name=$1 begin=$SECONDS log=$build/client-$1.log
  shift
  timeout 600 "$@" </dev/null >"$log" 2>&1 || { status=1; cat "$log"; }
  echo "$name: $(tail -n 1 "$log") ($((SECONDS - begin)) s)"
}

for kind in node python schemathesis; do
  wanted=()
  for name in "${names[@]}"; do
    case $name in py_*) own=python ;; sc_*) own=schemathesis ;; *) own=node ;; esac
    [ $own = $kind ] && wanted+=("$name")
  done
  [ ${#wanted[@]} -gt 0 ] || continue
  if ! prepare_$kind; then
    echo "left out: ${wanted[*]}: $why"
    continue
  fi
  for name in "${wanted[@]}"; do
    if [ $kind = node ]; then
      run "$name" node "$build/clients-node/${name}_check.mjs" "$fathom"
    else
      run "$name" "$build/clients-$kind/bin/python" -B "$here/python/${name#*_}_check.py" "$fathom"
    fi
  done
done
exit $status
