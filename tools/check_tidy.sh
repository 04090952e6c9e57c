#!/usr/bin/env bash
# clang-tidy-19 over the .cc files of src/ and tests/, with the checks of .clang-tidy and the flags of build/test.
# The FATHOM_TIDY_FILES (16) files changed last are checked, however fast the machine is, since two slow cores need
# half an hour for all of them (FATHOM_TIDY_FILES=1000). A file that was clean is skipped until it, a header of ours
# or .clang-tidy changes (build/tidy/).
# tools/check_tidy.sh FILE... checks these alone.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
[ -f build/test/compile_commands.json ] || { echo "tidy: build the preset test first (./test build)" >&2; exit 1; }
mkdir -p build/tidy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
headers=$(git ls-files -z --cached --others --exclude-standard -- '*.h' .clang-tidy | xargs -0 sha256sum | sha256sum)
export work headers

tidy_one() {
  local stamp
  stamp=build/tidy/$( (echo "$headers $1"; cat "$1") | sha256sum | cut -c1-32)
  [ -e "$stamp" ] && return 0
  # The two macros: Boost 1.74 does not know that clang has had the coroutines of C++20 since 16.
  if clang-tidy-19 -p build/test --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-gch \
    --extra-arg=-Wno-deprecated-declarations --extra-arg=-DBOOST_ASIO_HAS_CO_AWAIT \
    --extra-arg=-DBOOST_ASIO_HAS_STD_COROUTINE "$1" >"$work/${1//\//_}" 2>/dev/null; then
    touch "$stamp"
  else
    cat "$work/${1//\//_}"
    echo "$1" >>"$work/bad"
  fi
}
export -f tidy_one

# Files in the order of their last commit, uncommitted ones first.
in_order() {
  { git ls-files --others --modified --exclude-standard -- 'src/*.cc' 'tests/*.cc'
    git log --format= --name-only -- 'src/*.cc' 'tests/*.cc'
    git ls-files -- 'src/*.cc' 'tests/*.cc'; } | awk '!seen[$0]++' | while read -r file; do [ -f "$file" ] && echo "$file"; done
}
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else in_order | head -n "${FATHOM_TIDY_FILES:-16}"; fi |
  xargs -d '\n' -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy

[ ! -e "$work/bad" ]
