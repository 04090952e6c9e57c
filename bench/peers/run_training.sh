#!/usr/bin/env bash
# A training step of fathom and of transformers side by side on one recipe's geometry, in turn on the same machine, in
# tokens/s, and the ratio of the best rounds. Needs build/release/fathom (or FATHOM=path) and Python with the packages of
# requirements.txt (PYTHON=path; by default a virtual environment under build/peers, made when it is not there).
#   bench/peers/run_training.sh [RECIPE] [--threads N] [--batch TOKENS] [--seconds S] [--turns 2] [--record FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
recipe=$root/recipes/nano.json threads=2 batch=() seconds=10 turns=2 record=
while [ $# -gt 0 ]; do
  case $1 in
    --threads) threads=$2; shift 2 ;;
    --batch) batch=(--batch "$2"); shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --turns) turns=$2; shift 2 ;;
    --record) record=$2; shift 2 ;;
    -*) echo "run_training.sh: unknown option $1" >&2; exit 2 ;;
    *) recipe=$1; shift ;;
  esac
done
source "$here/peer_setup.sh"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# In turn, so that a busy moment hits both.
for turn in $(seq "$turns"); do
  "$fathom" bench training --recipe "$recipe" --threads "$threads" "${batch[@]}" --seconds "$seconds" --json \
    >"$out/fathom-bf16-$turn.json"
  for dtype in float32 bfloat16; do
    "$python" "$here/train_transformers.py" "$recipe" --threads "$threads" "${batch[@]}" --dtype $dtype \
      --seconds "$seconds" --json 2>/dev/null | tail -n 1 >"$out/peer-$dtype-$turn.json"
  done
done
"$python" "$here/side_by_side.py" "$out" --name transformers-training ${record:+--record "$record"}
