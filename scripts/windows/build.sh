#!/bin/bash
# build.sh [CARGO ARGUMENTS]: builds llm-manager.exe on Linux (Debian, or what has mingw-w64 by another name),
# the dashboard inside of it, and packs it into a zip with an example and a README.
#   scripts/windows/build.sh                the program as packages have it, and its zip
#   scripts/windows/build.sh --dev          the program and the fake model server for the tests; no zip
#   scripts/windows/build.sh --check        cargo check only
# What is missing is installed if that needs no question; what can't be had is said, and the exit code is 0, or
# $LEFT_OUT.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/windows/common.sh

mode=release
case ${1-} in
  --dev | --check) mode=${1#--}; shift ;;
esac

if [ "$mode" = check ]; then
  have_std || left_out "not checked: Rust's standard library for $target isn't here (rustup target add $target)"
  command -v x86_64-w64-mingw32-gcc > /dev/null || left_out "not checked: no C compiler for it (apt install gcc-mingw-w64-x86-64)"
  # Clippy sees what is compiled for Windows only.
  exec cargo clippy --quiet --target "$target" --features tray,otel --bins "$@" -- -D warnings
fi

fetch_std || left_out "not built: Rust's standard library for $target can't be had (rustup target add $target)"
install x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64 > /dev/null 2>&1 || true
command -v x86_64-w64-mingw32-gcc > /dev/null || left_out "not built: no C compiler for it (apt install gcc-mingw-w64-x86-64)"

if [ "$mode" = dev ]; then
  # Nobody waits for speed here, but for the compiler and the linker.
  exec cargo build --quiet --target "$target" --features tray --bins --config 'profile.dev.package."*".opt-level=0' \
    --config profile.dev.debug=false "$@"
fi

make --no-print-directory dashboard
cargo build --profile lean --features tray --target "$target" --bin llm-manager "$@"
exe=$CARGO_TARGET_DIR/$target/lean/llm-manager.exe
x86_64-w64-mingw32-strip "$exe"

install zip=zip > /dev/null 2>&1 || true
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
name=llm-manager-$version-windows-x86_64
folder=$CARGO_TARGET_DIR/$name
rm -rf "$folder" "$folder.zip"
mkdir -p "$folder/scripts"
cp "$exe" LICENSE-APACHE LICENSE-MIT "$folder"
# Line ends as older tools of Windows want them; PowerShell and Notepad take a file without a mark for one in the
# system's code page, and cmd takes the mark for a command.
for file in start.bat selftest.ps1 README.txt scripts/qwen.bat; do
  case $file in *.bat) mark='' ;; *) mark='\xEF\xBB\xBF' ;; esac
  { printf "$mark"; sed 's/\r*$/\r/' "scripts/windows/zip/$file"; } > "$folder/$file"
done
sed 's/\r*$/\r/' scripts/windows/zip/config.example.yaml > "$folder/config.example.yaml"
if command -v zip > /dev/null; then
  (cd "$CARGO_TARGET_DIR" && zip -q -r "$name.zip" "$name")
  echo "$folder.zip: $(du -h "$folder.zip" | cut -f1), llm-manager.exe in it: $(du -h "$exe" | cut -f1)"
else
  echo "$folder: llm-manager.exe: $(du -h "$exe" | cut -f1); no zip here, so it isn't packed"
fi
