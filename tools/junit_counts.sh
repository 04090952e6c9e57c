#!/usr/bin/env bash
# tools/junit_counts.sh FILE: "RAN NOT_PASSED" of a CTest JUnit report. A test that did not run has not passed.
set -euo pipefail
ran=$(grep -c '<testcase ' "$1") || true
passed=$(grep -c '<testcase .*status="run"' "$1") || true
[ "$ran" -gt 0 ] || exit 1
echo "$ran $((ran - passed))"
