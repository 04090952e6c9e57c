# Sourced by ./run, ./test and the scripts of tools/; needs $root, the repository. Everything here writes to
# standard error only and reads nothing from standard input, so that ./run can be part of a pipe.

say() { printf 'fathom: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# install_packages STAGE...: installs what tools/packages.txt names for the stages and the system lacks.
install_packages() {
  local stage package status wanted=() missing=()
  while read -r stage package; do
    [[ " $* " == *" $stage "* ]] && wanted+=("$package")
  done < <(grep -v '^#' "$root/tools/packages.txt")
  if ! command -v dpkg-query >/dev/null; then
    command -v cmake >/dev/null || die "this is not Debian: install by hand what ${wanted[*]} hold"
    return 0
  fi
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for package in "${wanted[@]}"; do
    grep -qx "installed $package" <<<"$installed" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
  local log
  log=$(mktemp)
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

# build_preset PRESET [TARGET...]: configures (once) and builds build/PRESET. Progress goes to a terminal as one
# line that is overwritten; what the compiler says is shown if the build fails and stays in build/PRESET.log.
build_preset() {
  local preset=$1 dir="$root/build/$1" log="$root/build/$1.log" started=0 line
  shift
  mkdir -p "$root/build"
  local lock
  exec {lock}>"$root/build/$preset.lock"
  if ! flock -n "$lock"; then
    say "waiting for another build of $preset"
    flock "$lock"
  fi
  if [ ! -f "$dir/build.ninja" ] || [ "$root/CMakePresets.json" -nt "$dir/build.ninja" ]; then
    say "configuring $preset"
    if ! (cd "$root" && cmake --preset "$preset" </dev/null >"$log" 2>&1); then
      cat "$log" >&2
      exec {lock}>&-
      return 1
    fi
    touch "$dir/build.ninja"
  fi
  local targets=()
  [ $# -gt 0 ] && targets=(--target "$@")
  if ! cmake --build "$dir" -j "$(nproc)" "${targets[@]}" </dev/null 2>&1 | tee "$log" | show_progress "$preset"; then
    grep -vE '^(\[[0-9]+/[0-9]+\] |-- )' "$log" | tail -n 60 >&2
    exec {lock}>&-
    return 1
  fi
  exec {lock}>&-
}

# Ninja's lines to one moving line on a terminal, or to one line in all elsewhere.
show_progress() {
  local line told=0
  while IFS= read -r line; do
    [[ $line =~ ^\[[0-9]+/[0-9]+\] && $line != *'Re-checking globbed'* ]] || continue
    if [ -t 2 ]; then
      printf '\r\033[Kfathom: building %s %s' "$1" "${BASH_REMATCH[0]}" >&2
      told=1
    elif [ $told = 0 ]; then
      say "building $1 (what the compiler says: build/$1.log)"
      told=1
    fi
  done
  if [ $told = 1 ] && [ -t 2 ]; then printf '\r\033[K' >&2; fi
}
