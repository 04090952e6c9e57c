#!/usr/bin/env bash
# Checks fathom serve with the official clients from npm, at the versions of node/package-lock.json.
# usage: tests/clients/node_checks.sh FATHOM. Without node, npm or the registry nothing is checked, and it says so.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
fathom=$(readlink -f "$1")
skip() {
  echo "skipped: clients from npm: $1"
  exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || skip 'node and npm are not installed'
work=$here/../../build/clients-node
mkdir -p "$work"
cp "$here"/node/*.mjs "$here"/node/package.json "$here"/node/package-lock.json "$work"
cd "$work"
if ! cmp -s package-lock.json node_modules/.installed 2>/dev/null; then
  timeout 300 npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 ||
    skip "the registry cannot be reached or lacks a version (build/clients-node/npm.log)"
  cp package-lock.json node_modules/.installed
fi
status=0
for check in openai anthropic; do
  echo "$check:"
  timeout 600 node "${check}_check.mjs" "$fathom" </dev/null || status=1
done
exit $status
