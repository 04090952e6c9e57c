#!/usr/bin/env bash
# Builds the web page of fathom serve from web/ with npm's packages at the versions of web/package-lock.json.
#   tools/build_web.sh           types, unit tests, and a new web/dist
#   tools/build_web.sh --check FATHOM   the same, but web/dist stays as it is and must be equal to the new build, and the
#                                page of that program is used in headless Chromium; without node, npm, the registry
#                                or Chromium that is left out, and it says so
# The built page is committed, so that building fathom needs neither npm nor a network.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
check=0
[ "${1:-}" = --check ] && check=1 && fathom=$(readlink -f "$2")
missing() {
  if [ $check = 1 ]; then
    echo "skipped: the page's unit tests and build: $1"
    exit 0
  fi
  echo "build_web: $1" >&2
  exit 1
}
command -v node >/dev/null && command -v npm >/dev/null || missing 'node and npm are not installed'
node -e 'const [a, b] = process.versions.node.split(".").map(Number);
         process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' ||
  missing "node 20.19, 22.12 or newer is needed, $(node --version) is here"
work=$root/build/web
mkdir -p "$work"
find "$work" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
cp -r "$root"/web/{index.html,package.json,package-lock.json,tsconfig.json,vite.config.ts,src,public,test,e2e} "$work"
cd "$work"
if ! cmp -s package-lock.json node_modules/.installed 2>/dev/null; then
  timeout 300 npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 ||
    missing 'the registry cannot be reached or lacks a version (build/web/npm.log)'
  cp package-lock.json node_modules/.installed
fi
timeout 120 npx --no-install tsc --noEmit
timeout 300 npx --no-install vitest run </dev/null
timeout 300 npx --no-install vite build --logLevel warn
if [ $check = 1 ]; then
  diff -rq "$root/web/dist" dist || {
    echo 'web/dist is not what web/ builds: run tools/build_web.sh and commit it' >&2
    exit 1
  }
  echo 'web/dist is what web/ builds'
  chromium=$(command -v chromium || command -v google-chrome || true)
  [ -n "$chromium" ] || missing 'no chromium (the page in a browser)'
  timeout 300 node e2e/page_check.mjs "$fathom" "$chromium" </dev/null
else
  rm -rf "$root/web/dist"
  cp -r dist "$root/web/dist"
fi
