#!/usr/bin/env bash
# fathom and llama.cpp side by side on one GGUF file of random weights: decode and prefill in tokens/s. llama.cpp comes
# from npm (node-llama-cpp, prebuilt CPU libraries), into NODE_FOLDER (default: build/peers/npm).
#   bench/peers/run_llamacpp.sh [FILE.gguf] [--threads N] [--record FOLDER]
# Without a file: make_gguf.py mini, 6 layers, under build/peers.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$root/build/peers/mini.gguf threads=2 record=
while [ $# -gt 0 ]; do
  case $1 in
    --threads) threads=$2; shift 2 ;;
    --record) record=$2; shift 2 ;;
    -*) echo "run_llamacpp.sh: unknown option $1" >&2; exit 2 ;;
    *) model=$1; shift ;;
  esac
done
fathom=${FATHOM:-$root/build/release/fathom}
[ -x "$fathom" ] || { echo "run_llamacpp.sh: build fathom first, or set FATHOM" >&2; exit 1; }
node_folder=${NODE_FOLDER:-$root/build/peers/npm}
mkdir -p "$root/build/peers" "$node_folder"
[ -d "$node_folder/node_modules/node-llama-cpp" ] || (cd "$node_folder" && npm install --silent node-llama-cpp@3.22.1)
[ -f "$model" ] || python3 "$here/make_gguf.py" mini "$model" --layers 6
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# In turn, so that a busy moment hits both.
for turn in 1 2; do
  node "$here/llamacpp_bench.mjs" "$model" --threads "$threads" --prompt 512 --gen 32 --repeat 3 --from "$node_folder" \
    --json | tail -n 1 >"$out/peer-llama.cpp-$turn.json"
  "$fathom" bench decode prefill -m "$model" --threads "$threads" --numerics fast --json >"$out/fathom-fast-$turn.json"
done
python3 "$here/side_by_side.py" "$out" --name llama.cpp ${record:+--record "$record"}
