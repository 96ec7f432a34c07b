#!/bin/bash
# Surprise: `wineboot` returns while its Wine is still on its way down, and a program that starts then brings a second
# services.exe up beside the first. A service may be created by one and be unknown to the other: `sc create` says that it
# has worked, and `sc query` that there is no such service (in three of four tries). The guess was one service manager for each
# prefix, as there is one wineserver.
# So: the tests under Wine wait with `wineserver -w` before they start anything, and keep one program running throughout.
# Seen with: wine64 8.0~repack-4 (Debian 12), 2026-11-29.
set -euo pipefail

WINE_VERSION=8.0~repack-4
wine=/usr/lib/wine/wine64 server=/usr/lib/wine/wineserver64
if [ "$(dpkg-query -W -f '${Version}' wine64 2> /dev/null)" != "$WINE_VERSION" ]; then
  apt-get install -y -qq --no-install-recommends "wine64=$WINE_VERSION" "libwine=$WINE_VERSION" > /dev/null
fi
folder=$(mktemp -d)
export WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
trap 'for prefix in "$folder"/*/; do WINEPREFIX=$prefix "$server" -k 2> /dev/null || true; WINEPREFIX=$prefix "$server" -w || true; done; rm -rf "$folder"' EXIT
"$wine" --version

managers() {
  local pid count=0
  for pid in $(pgrep -f 'services\.exe'); do
    if tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qxF "WINEPREFIX=$WINEPREFIX"; then count=$((count + 1)); fi
  done
  echo "$count"
}

# try NAME COMMAND...: a new prefix, the command, then a program that stays, and a service.
try() {
  local name=$1
  shift
  export WINEPREFIX=$folder/$name
  "$wine" wineboot -i > /dev/null 2>&1
  "$@"
  coproc stays { "$wine" cmd 2> /dev/null; }
  local created=no known=no
  "$wine" sc create mine 'binPath=' 'C:\windows\system32\svchost.exe' > /dev/null 2>&1 && created=yes
  "$wine" sc query mine > /dev/null 2>&1 && known=yes
  managers=$(managers)
  echo "$name: service managers: $managers; service created: $created, known a moment later: $known"
  kill "$stays_PID" 2> /dev/null || true
  "$server" -k 2> /dev/null || true
  "$server" -w || true
  wait 2> /dev/null || true
}

try at_once true
at_once=$managers
try after_its_end "$server" -w
if [ "$at_once" -eq 2 ] && [ "$managers" -eq 1 ]; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
