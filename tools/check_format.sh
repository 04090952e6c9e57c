#!/usr/bin/env bash
# Every C++ file is as clang-format-19 writes it (.clang-format).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
git ls-files -z --cached --others --exclude-standard -- '*.cc' '*.h' | xargs -0 -r clang-format-19 --dry-run --Werror
