#!/usr/bin/env bash
# tools/fuzz.sh SECONDS [NAME...]: runs each fuzz target of build/fuzz (or those named) for so long, two at a time,
# from fuzz/corpus/NAME and what earlier runs found (build/fuzz/corpus/NAME). A finding is kept as
# build/fuzz/found/NAME-...; mended, it goes into fuzz/corpus/NAME under a name that says what it was.
# tools/fuzz.sh SECONDS http runs the whole server, which is built by name only:
# cmake --preset fuzz && cmake --build --preset fuzz --target http_fuzz
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
seconds=${1:?seconds}
shift
[ $# -gt 0 ] || set -- $(cd fuzz && ls ./*_fuzz.cc | sed 's|^\./||; s|_fuzz\.cc$||')
mkdir -p build/fuzz/found
export seconds

fuzz_one() {
  local name=$1 log=build/fuzz/$1.log leaks=1 timeout=10
  # The first input of http opens a model. Leaks looked for after each input take half its time; ./test has them looked for.
  [ "$name" = http ] && leaks=0 timeout=60
  mkdir -p "build/fuzz/corpus/$name"
  if ASAN_OPTIONS=allocator_may_return_null=0 "build/fuzz/fuzz/${name}_fuzz" \
    -max_total_time="$seconds" -timeout="$timeout" -rss_limit_mb=2048 -malloc_limit_mb=256 -max_len=16384 -print_final_stats=1 \
    -detect_leaks=$leaks \
    -verbosity=0 -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1; then
    echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
    sed -n 's/^http: /  /p' "$log"  # requests by status
  else
    echo "fuzz $name: FOUND (build/fuzz/$name.log)"
    grep -vE '^(INFO|stat::)' "$log" | tail -n 40
    return 1
  fi
}
export -f fuzz_one
printf '%s\n' "$@" | xargs -n 1 -P 2 bash -c 'fuzz_one "$1" || exit 1' fuzz
