#!/bin/bash
# Surprise: for Wine 8's cmd `a && b` and `a || b` are `a & b`: what follows runs whatever the exit code of a program was, in a batch
# file and on the command line. `if errorlevel 1` is right. The guess was that `check || goto wrong` goes there after a failure only.
# So: `start.bat` of the zip asks by `if errorlevel 1`, which means the same to Windows.
# Seen with: wine64 8.0~repack-4 (Debian 12), 2026-11-29.
set -euo pipefail

WINE_VERSION=8.0~repack-4
wine=/usr/lib/wine/wine64 server=/usr/lib/wine/wineserver64
if [ "$(dpkg-query -W -f '${Version}' wine64 2> /dev/null)" != "$WINE_VERSION" ]; then
  apt-get install -y -qq --no-install-recommends "wine64=$WINE_VERSION" "libwine=$WINE_VERSION" > /dev/null
fi
folder=$(mktemp -d)
export WINEPREFIX=$folder/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
trap '"$server" -k 2> /dev/null || true; "$server" -w 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$wine" wineboot -i > /dev/null 2>&1
"$server" -w
"$wine" --version
sed 's/$/\r/' > ask.bat <<'B'
@echo off
cmd /c exit 0 || echo runs: 0 or
cmd /c exit 3 || echo runs: 3 or
cmd /c exit 0 && echo runs: 0 and
cmd /c exit 3 && echo runs: 3 and
cmd /c exit 0
if errorlevel 1 echo runs: 0 errorlevel
cmd /c exit 3
if errorlevel 1 echo runs: 3 errorlevel
exit /b 0
B
"$wine" cmd /c '.\ask.bat' 2> /dev/null | tr -d '\r' | tee said
if [ "$(cat said)" = "$(printf 'runs: %s\n' '0 or' '3 or' '0 and' '3 and' '3 errorlevel')" ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
