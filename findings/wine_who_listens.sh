#!/bin/bash
# Surprise: GetExtendedTcpTable, which tells on Windows whose a listening port is, lists the port under Wine 8 with the
# process number 0, even to the process that listens itself.
# So: under Wine a stranger on a backend's port is seen, but has no name; the tests there set `foreign_listener`.
# Seen with: wine64 8.0~repack-4 (Debian 12), 2026-11-29.
set -euo pipefail

WINE_VERSION=8.0~repack-4
wine=/usr/lib/wine/wine64
if [ "$(dpkg-query -W -f '${Version}' wine64 2> /dev/null)" != "$WINE_VERSION" ]; then
  apt-get install -y -qq --no-install-recommends "wine64=$WINE_VERSION" "libwine=$WINE_VERSION" > /dev/null
fi
if ! command -v x86_64-w64-mingw32-gcc > /dev/null; then
  apt-get install -y -qq --no-install-recommends gcc-mingw-w64-x86-64-win32=12.2.0-14+deb12u1+25.2+b1 > /dev/null
fi
folder=$(mktemp -d)
export WINEPREFIX=$folder/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
trap '/usr/lib/wine/wineserver64 -k 2> /dev/null || true; /usr/lib/wine/wineserver64 -w 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$wine" wineboot -i > /dev/null 2>&1
"$wine" --version
cat > table.c <<'C'
#include <winsock2.h>
#include <iphlpapi.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  WSADATA data;
  struct sockaddr_in address = {0};
  int length = sizeof address;
  DWORD size = 1 << 20, mine = GetCurrentProcessId();
  MIB_TCPTABLE_OWNER_PID *table = malloc(size);
  WSAStartup(0x202, &data);
  SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener, (struct sockaddr *)&address, sizeof address);
  listen(listener, 5);
  getsockname(listener, (struct sockaddr *)&address, &length);
  if (GetExtendedTcpTable(table, &size, 0, AF_INET, TCP_TABLE_OWNER_PID_LISTENER, 0) != 0) return 2;
  for (DWORD i = 0; i < table->dwNumEntries; i++)
    if ((table->table[i].dwLocalPort & 0xffff) == address.sin_port)
      printf("pid %lu listens; the table says: pid %lu\n", mine, table->table[i].dwOwningPid);
  return 0;
}
C
x86_64-w64-mingw32-gcc -O2 -w -o table.exe table.c -lws2_32 -liphlpapi
"$wine" table.exe | tr -d '\r' | tee said
if grep -q 'the table says: pid 0$' said; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
