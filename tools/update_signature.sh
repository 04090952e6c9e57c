#!/usr/bin/env bash
# Rewrites tests/signature.txt, of each model under models/: the lines of targets that this CPU offers are measured, the others are kept. The first
# line is the hash of the rest; a commit that changes it ends in "Signature: OLD -> NEW, because ...".
#   tools/update_signature.sh [FATHOM]      FATHOM: the binary (default: build/release/fathom)
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
fathom=${1:-$root/build/release/fathom}
file=$root/tests/signature.txt
old=$(sed -n '1s/^all //p' "$file" 2>/dev/null || true)
lines=
for model in nano v4-10m; do
  found=$("$fathom" bench signature -m "$root/models/$model" | sed "s/^/$model /")
  for target in plain avx2 avx512 avx512_bf16; do
    for mode in exact release fast; do
      line=$(grep "^$model $target $mode " <<<"$found" || grep "^$model $target $mode " "$file" || true)
      [ -n "$line" ] || { echo "update_signature.sh: $target is neither offered here nor listed in $file" >&2; exit 1; }
      lines+=$line$'\n'
    done
  done
done
new=$(printf '%s' "$lines" | sha256sum | cut -c1-16)
printf 'all %s\n%s' "$new" "$lines" >"$file"
if [ "$old" = "$new" ]; then echo "Signature: unchanged"; else echo "Signature: ${old:-none} -> $new"; fi
