#!/usr/bin/env bash
# Builds fathom for aarch64 (plain target alone) and holds it to golden cases under qemu. Not part of ./test: the
# emulator is slow. Installs the cross compiler and qemu; the libraries for arm64 are unpacked under build/aarch64
# and leave the system as it is.
#   tools/aarch64_check.sh [FOLDER...]   default: tests/golden/fp32/a_swa
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$root"
source tools/setup.sh
install_packages run cross
sysroot=$root/build/aarch64/sysroot

if [ ! -e "$sysroot/complete" ]; then
  apt=$root/build/aarch64/apt
  rm -rf "$sysroot" "$apt"
  mkdir -p "$sysroot" "$apt"/{state/lists/partial,cache/archives/partial}
  : >"$apt/status"
  apt_arm64() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$apt/state" -o Dir::Cache="$apt/cache" \
      -o Dir::State::status="$apt/status" -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
  }
  say "fetching arm64 libraries"
  apt_arm64 update
  mapfile -t libraries < <(sed -nE 's|^run (.*-dev)$|\1|p' tools/packages.txt)
  apt_arm64 install -y --download-only --no-install-recommends "${libraries[@]}" >/dev/null
  for package in "$apt"/cache/archives/*.deb; do
    case ${package##*/} in  # the cross compiler brings its own
      libc6* | libgcc* | libstdc++* | gcc-* | linux-libc-dev* | libcrypt*) ;;
      *) dpkg -x "$package" "$sysroot" ;;
    esac
  done
  touch "$sysroot/complete"
fi

cmake -S . -B build/aarch64/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFATHOM_TESTS=OFF \
  -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake >build/aarch64/configure.log || { cat build/aarch64/configure.log >&2; exit 1; }
cmake --build build/aarch64/build --target fathom -j "$(nproc)"

[ $# -gt 0 ] || set -- tests/golden/fp32/a_swa
QEMU_LD_PREFIX=/usr/aarch64-linux-gnu qemu-aarch64 \
  -E LD_LIBRARY_PATH="$sysroot/usr/lib/aarch64-linux-gnu:$sysroot/lib/aarch64-linux-gnu" \
  build/aarch64/build/fathom verify "$@"
