#!/usr/bin/env bash
# The commit habit (CONTRIBUTING.md): since this check exists, every commit that touches src/ or tests/signature.txt says
# what became of the signature, and says the truth: "Signature: unchanged", or "Signature: OLD -> NEW, because ..." with
# the first lines of tests/signature.txt before and after. Checks what of the history is there.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
git rev-parse --git-dir >/dev/null 2>&1 || { echo "signature: no history here, nothing to check"; exit 0; }
begin=$(git log --diff-filter=A --format=%H -- tools/check_signature.sh | tail -n 1)
[ -n "$begin" ] || exit 0  # not committed yet

hash_at() { git show "$1:tests/signature.txt" 2>/dev/null | sed -n '1s/^all //p'; }
bad=0
for commit in $(git rev-list --no-merges "$begin..HEAD" -- src tests/signature.txt); do
  git rev-parse --quiet --verify "$commit^" >/dev/null || continue  # the end of a shallow clone
  old=$(hash_at "$commit^") new=$(hash_at "$commit")
  said=$(git log -1 --format=%B "$commit" | sed '/^[[:space:]]*$/d' | tail -n 1)
  if [ "$old" = "$new" ]; then expected="Signature: unchanged"; else expected="Signature: $old -> $new, because "; fi
  if [ "$old" = "$new" ] && [ "$said" != "$expected" ] || [[ $said != "$expected"* ]]; then
    echo "commit $(git log -1 --format='%h %s' "$commit"): expected its last line to be '$expected', found '$said'"
    bad=1
  fi
done
exit $bad
