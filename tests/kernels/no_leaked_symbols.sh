#!/usr/bin/env bash
# usage: no_leaked_symbols.sh LIBRARY NM OBJDUMP
# Kernels are compiled for several instruction sets in one program. A weak function (one that the linker shares with
# other files) built for AVX would run on machines without it, so none may touch a ymm or zmm register.
set -euo pipefail
library=$1 nm=$2 objdump=$3

weak=$("$nm" "$library" 2>/dev/null | awk '$2 ~ /^[WVu]$/ {print $3}' | sort -u)
vector=$("$objdump" -d --no-show-raw-insn "$library" |
  awk '/^[0-9a-f]+ <.*>:$/ {name = substr($2, 2, length($2) - 3)} /%[yz]mm/ {print name}' | sort -u)

if ! grep -q avx512 <<<"$vector"; then
  echo "expected AVX-512 kernels in $library, found none: the test would not see a leak"
  exit 1
fi
leaked=$(comm -12 <(echo "$weak") <(echo "$vector"))
if [ -n "$leaked" ]; then
  echo "expected no weak symbols with AVX code in $library, found:"
  echo "$leaked" | c++filt
  exit 1
fi
echo "$(wc -l <<<"$vector") functions with AVX code, $(wc -l <<<"$weak") weak symbols, none both"
