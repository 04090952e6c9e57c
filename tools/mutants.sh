#!/usr/bin/env bash
# tools/mutants.sh [NAME...]: for each tests/mutants/NAME.patch (default all), shows that the golden tests notice.
# A patch makes one mistake that ports of the model make; its head names the mistake and the test
# case that must fail. Works on a copy of the tree in build/mutants; each patch takes a minute or two.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
copy=$root/build/mutants
[ $# -gt 0 ] || set -- $(cd tests/mutants && ls *.patch | sed 's/\.patch$//')

mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - |
  tar -xmf - -C "$copy"  # -m: as new, so that nothing an interrupted run built from a mistake is kept
cd "$copy"
export CCACHE_BASEDIR=$copy CCACHE_NOHASHDIR=1
[ -f build/test/build.ninja ] || cmake --preset test -DFATHOM_WERROR=OFF >/dev/null
build() { cmake --build build/test --target engine_test >build/mutant.log 2>&1; }
run() { timeout 1200 build/test/engine_test --test-case="$1" >build/mutant.out 2>&1; }

build || { tail -n 30 build/mutant.log; exit 1; }
for test in 'fp32 cases in double precision' 'quantised cases on every target'; do
  run "$test" || { echo "mutants: \"$test\" fails without a mistake"; exit 1; }
done

survived=0
for name; do
  patch=$root/tests/mutants/$name.patch
  mistake=$(sed -n 's/^mistake: //p' "$patch") test=$(sed -n 's/^test: //p' "$patch")
  patch --quiet --fuzz=0 -p1 <"$patch" || { echo "$name: the patch does not apply"; exit 1; }
  if ! build; then
    echo "$name: does not compile"; tail -n 20 build/mutant.log; survived=$((survived + 1))
  elif run "$test"; then
    echo "SURVIVED $name ($mistake): \"$test\" passes"; survived=$((survived + 1))
  elif grep -q '^\[doctest\] test cases:' build/mutant.out; then
    folders=$(sed -n 's/.*folder [^ ]*golden\/\([^,]*\),.*/\1/p' build/mutant.out | sort -u | tr '\n' ' ')
    echo "caught $name ($mistake): \"$test\" fails on ${folders% }"
  else
    echo "caught $name ($mistake): \"$test\" does not run to its end"
  fi
  patch --quiet -R -p1 <"$patch"
done
echo "$(($# - survived)) of $# mistakes caught"
[ $survived -eq 0 ]
