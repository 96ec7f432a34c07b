#!/bin/bash
# Surprise: no program of today's Rust starts in Debian 12's Wine. Rust's library takes its random numbers from ProcessPrng of
# bcryptprimitives.dll, which Windows has had since 7 and Wine 8 has not: the exit code is 53, and nothing is printed.
# So: the tests under Wine put a DLL of five lines there. Wine 10 has it.
# Seen with: wine64 8.0~repack-4 (Debian 12), ruff 0.17.5 for Windows, 2026-11-29.
set -euo pipefail

WINE_VERSION=8.0~repack-4
RUFF_VERSION=0.17.5
wine=/usr/lib/wine/wine64
if [ "$(dpkg-query -W -f '${Version}' wine64 2> /dev/null)" != "$WINE_VERSION" ]; then
  apt-get install -y -qq --no-install-recommends "wine64=$WINE_VERSION" "libwine=$WINE_VERSION" > /dev/null
fi
folder=$(mktemp -d)
export WINEPREFIX=$folder/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
trap '/usr/lib/wine/wineserver64 -k 2> /dev/null || true; /usr/lib/wine/wineserver64 -w 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$wine" wineboot -i > /dev/null 2>&1
"$wine" --version
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet download --no-deps --platform win_amd64 --only-binary=:all: "ruff==$RUFF_VERSION"
venv/bin/python -c 'import glob, zipfile
wheel = zipfile.ZipFile(glob.glob("ruff-*.whl")[0])
program = next(name for name in wheel.namelist() if name.endswith("ruff.exe"))
open("ruff.exe", "wb").write(wheel.read(program))'
code=0
WINEDEBUG=err+module "$wine" ruff.exe --version > said 2>&1 || code=$?
grep bcryptprimitives said || cat said
echo "exit code $code"
if [ "$code" -eq 53 ] && grep -q "bcryptprimitives.dll.*not found" said; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
