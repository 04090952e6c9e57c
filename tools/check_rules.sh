#!/usr/bin/env bash
# The rules of src/README.md that a reader can check line by line: which folder may include which, where vector
# intrinsics and heavy third-party headers may stand. The libraries' link order (cmake/) holds them too, but not
# for headers alone. Prints every line that breaks a rule.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
bad=0
report() {  # report RULE LINES: lines that break it, if any
  [ -z "$2" ] && return 0
  printf '%s\n' "$2" | sed "s|^|$1: |"
  bad=1
}

declare -A may=(
  [base]='base'
  [formats]='base formats'
  [kernels]='base formats kernels'
  [parallel]='base formats kernels parallel'
  [checkpoint]='base formats kernels checkpoint'
  [model]='base formats kernels parallel checkpoint model'
  [text]='base text'
  [engine]='base formats kernels parallel checkpoint model text engine'
  [train]='base formats kernels parallel checkpoint model text train'
  [post]='base formats kernels parallel checkpoint model text engine train post'
  [server]='base formats kernels parallel checkpoint model text engine train post server'
  [cli]='base formats kernels parallel checkpoint model text engine train post server cli'
)
for folder in src/*/; do
  name=$(basename "$folder")
  if [ -z "${may[$name]:-}" ]; then
    report 'a folder of src/ that tools/check_rules.sh does not know' "$folder"
    continue
  fi
  report "$name may include only ${may[$name]}" \
    "$(grep -rnE '^ *# *include "' "$folder" --include='*.h' --include='*.cc' |
       grep -vE "include \"(${may[$name]// /|})/" | grep -vE 'include FATHOM_|include "[^/"]*"$' || true)"
  report 'includes are rooted at src/' "$(grep -rnE '^ *# *include "[^/"]*"' "$folder" || true)"
done
report 'intrinsics only in *.simd.h of kernels' \
  "$(grep -rnE 'immintrin\.h|x86intrin\.h|arm_neon\.h|\b_mm[0-9]*_[a-z]|\b__m(128|256|512)' src | grep -vE '^src/kernels/([^:]*\.simd|foreach_target)\.h:' || true)"
report 'heavy headers only in .cc files (json_fwd.hpp is light)' \
  "$(grep -rnE '^ *# *include <(nlohmann/json\.hpp|simdjson|spdlog/|CLI/|boost/|sqlite3|mpi|regex|iostream)' src --include='*.h' | grep -v '^src/server/http/' || true)"
report 'sockets only in server/http' \
  "$(grep -rnE '^ *# *include <boost/' src | grep -v '^src/server/http/' || true)"
report 'spdlog only in cli' "$(grep -rn 'include <spdlog' src | grep -v '^src/cli/' || true)"
report 'threads only in base, engine and cli' \
  "$(grep -rnE '^ *# *include <(thread|future)>' src | grep -vE '^src/(base|engine|server|train|cli)/' || true)"
# (model/weights.cc and train/master_weights.cc make views of what they hold; tid2eid is a table of ids, not of numbers)
report 'only formats, kernels and checkpoint read the bytes of weights' \
  "$(grep -rnE '(\bw\.[a-z0-9_.]+|\bview|\bweight|lease\.weights\.w[123])\.(data|scales)\b' src |
     grep -vE '^src/(formats|kernels|checkpoint)/|^src/(model/weights|train/master_weights)\.cc|tid2eid\.data' || true)"
report 'no using namespace in headers' "$(grep -rnE '^ *using namespace' src --include='*.h' || true)"
report 'headers begin with #pragma once (but X-macros and per-target bodies)' \
  "$(grep -rLE '^#pragma once' src --include='*.h' | grep -vE '\.simd\.h$|_list\.h$|foreach_target\.h$|kernels/simd\.h$' || true)"
report 'files of more than 400 lines' \
  "$(git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' | xargs wc -l | awk '$2 != "total" && $1 > 400')"
exit $bad
