#!/bin/bash
# test.sh [TESTS]: builds the program and the fake model server for Windows and tests them under Wine.
# What can't be had is said, and nothing is tested then. Wine is not Windows: docs/guide/windows.md lists what stays
# unproven.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/windows/common.sh

wine=${WINE:-/usr/lib/wine/wine64}
LEFT_OUT=9 scripts/windows/build.sh --dev || { [ $? -eq 9 ] && exit 0; exit 1; }
install "$wine=wine64" > /dev/null 2>&1 || true
[ -x "$wine" ] || left_out "not tested: no Wine (apt install wine64)"
command -v python3 > /dev/null || left_out "not tested: no Python"

work=$(mktemp -d)
export WINE=$wine WINEPREFIX=$work/prefix WINEARCH=win64 WINEDEBUG=-all
# Wine's own parts only: nothing is fetched.
export WINEDLLOVERRIDES="mscoree,mshtml="
server=${wine%64}server64
[ -x "$server" ] || server=$(dirname "$wine")/wineserver
screen=
cleanup() {
  "$server" -k 2> /dev/null || true
  "$server" -w 2> /dev/null || true
  [ -z "$screen" ] || kill "$screen" 2> /dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# The tray wants a screen, which nobody sees.
install Xvfb=xvfb > /dev/null 2>&1 || true
if command -v Xvfb > /dev/null; then
  Xvfb -displayfd 3 -screen 0 320x240x24 -nolisten tcp -fbdir "$work" 3> "$work/display" > /dev/null 2>&1 &
  screen=$!
  until [ -s "$work/display" ] || ! kill -0 "$screen" 2> /dev/null; do sleep 0.1; done
  [ -s "$work/display" ] && export DISPLAY=":$(cat "$work/display")" SCREEN=$work/Xvfb_screen0
fi

"$wine" wineboot -i > /dev/null 2>&1
# Until it is down again: what starts meanwhile would find two systems.
"$server" -w
x86_64-w64-mingw32-gcc -shared -s -O2 -o "$work/bcryptprimitives.dll" tests/windows/prng.c -ladvapi32
# Wine 8 lacks it, Wine 10 has it.
[ -e "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" ] ||
  cp "$work/bcryptprimitives.dll" "$WINEPREFIX/drive_c/windows/system32/"
x86_64-w64-mingw32-gcc -shared -s -O2 -w -o "$work/nvml.dll" tests/support/fake_nvml.c
FAKE_NVML_DLL=$work/nvml.dll BIN=$CARGO_TARGET_DIR/$target/debug python3 tests/windows/wine.py "$@"
