#!/usr/bin/env bash
# fathom and transformers side by side on one model, in turn on the same machine: decode and prefill in tokens/s, and
# the ratio of the best rounds. Needs build/release/fathom (or FATHOM=path) and Python with the packages of
# requirements.txt (PYTHON=path; by default a virtual environment under build/peers, made when it is not there).
#   bench/peers/run_transformers.sh [MODEL] [--threads N] [--seconds S] [--record FOLDER]
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$root/models/v4-10m threads=2 seconds=3 record=
while [ $# -gt 0 ]; do
  case $1 in
    --threads) threads=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --record) record=$2; shift 2 ;;
    -*) echo "run_transformers.sh: unknown option $1" >&2; exit 2 ;;
    *) model=$1; shift ;;
  esac
done
source "$here/peer_setup.sh"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# In turn, so that a busy moment hits both: fathom, peer, fathom, peer.
for turn in 1 2; do
  for numerics in fast exact; do
    "$fathom" bench decode prefill -m "$model" --threads "$threads" --numerics $numerics --seconds "$seconds" --json \
      >"$out/fathom-$numerics-$turn.json"
  done
  for dtype in float32 bfloat16; do
    "$python" "$here/transformers_bench.py" "$model" --threads "$threads" --dtype $dtype --seconds "$seconds" --json \
      2>/dev/null | tail -n 1 >"$out/peer-$dtype-$turn.json"
  done
done
"$python" "$here/side_by_side.py" "$out" --name transformers ${record:+--record "$record"}
