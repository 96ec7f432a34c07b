# What build.sh and test.sh share; read by them, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=x86_64-pc-windows-gnu
# Not in target/: the folder of Linux would be locked by the longer build. WINDOWS_TARGET_DIR names another.
export CARGO_TARGET_DIR=${WINDOWS_TARGET_DIR:-$root/target/windows}
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
# libpq calls localtime_r, which mingw declares only then.
export CFLAGS_x86_64_pc_windows_gnu=-D_POSIX_C_SOURCE=200809L

left_out() {
  echo "windows: $*"
  exit "${LEFT_OUT:-0}"
}

# The standard library for Windows: with the toolchain, or fetched by rustup.
have_std() {
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]
}

fetch_std() {
  have_std && return
  command -v rustup > /dev/null && rustup target add "$target" > /dev/null 2>&1 && have_std
}

# Debian's packages that are missing; only where they can be installed without a question.
install() {
  local missing=() command package
  for pair in "$@"; do
    command=${pair%%=*} package=${pair#*=}
    [ -e "$command" ] || command -v "$command" > /dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get > /dev/null || return
  local sudo=
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
