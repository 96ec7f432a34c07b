#!/bin/bash
# Surprise: under Wine 8 an icon in the tray is drawn and gets its clicks, but Shell_NotifyIconGetRect, which tells on Windows
# where it is, answers E_NOTIMPL (0x80004001). Programs that ask for the place before they open their menu, such as all that use
# the crate tray-icon (0.26.1), have an icon with a tooltip and without a menu there. The guess was that a Wine that draws an
# icon knows where.
# So: under Wine the colours of the tray's icon are tested, and not its menu.
# Seen with: wine64 8.0~repack-4 (Debian 12), xvfb 21.1.7, 2026-11-29.
set -euo pipefail

WINE_VERSION=8.0~repack-4
wine=/usr/lib/wine/wine64 server=/usr/lib/wine/wineserver64
if [ "$(dpkg-query -W -f '${Version}' wine64 2> /dev/null)" != "$WINE_VERSION" ]; then
  apt-get install -y -qq --no-install-recommends "wine64=$WINE_VERSION" "libwine=$WINE_VERSION" > /dev/null
fi
if ! command -v x86_64-w64-mingw32-gcc > /dev/null; then
  apt-get install -y -qq --no-install-recommends gcc-mingw-w64-x86-64-win32=12.2.0-14+deb12u1+25.2+b1 > /dev/null
fi
command -v Xvfb > /dev/null || apt-get install -y -qq --no-install-recommends xvfb > /dev/null
folder=$(mktemp -d)
export WINEPREFIX=$folder/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
screen=
trap '"$server" -k 2> /dev/null || true; "$server" -w 2> /dev/null || true; [ -z "$screen" ] || kill "$screen" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
Xvfb -displayfd 3 -screen 0 320x240x24 -nolisten tcp 3> display > /dev/null 2>&1 &
screen=$!
until [ -s display ]; do kill -0 "$screen"; sleep 0.1; done
DISPLAY=:$(cat display)
export DISPLAY
"$wine" wineboot -i > /dev/null 2>&1
"$server" -w
"$wine" --version
cat > icon.c <<'C'
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>

typedef struct { DWORD cbSize; HWND hWnd; UINT uID; GUID guidItem; } IDENTIFIER;

int main(void) {
  RECT place = {0};
  HWND window = CreateWindowA("STATIC", "owner", 0, 0, 0, 0, 0, 0, 0, 0, 0);
  NOTIFYICONDATAA icon = {sizeof icon};
  icon.hWnd = window;
  icon.uID = 1;
  icon.uFlags = NIF_ICON | NIF_TIP | NIF_MESSAGE;
  icon.uCallbackMessage = WM_APP;
  icon.hIcon = LoadIcon(0, IDI_APPLICATION);
  strcpy(icon.szTip, "an icon");
  BOOL shown = Shell_NotifyIconA(NIM_ADD, &icon);
  IDENTIFIER identifier = {sizeof identifier, window, 1};
  HRESULT (WINAPI *get_rect)(const IDENTIFIER *, RECT *) = (void *)GetProcAddress(GetModuleHandleA("shell32"), "Shell_NotifyIconGetRect");
  HRESULT found = get_rect ? get_rect(&identifier, &place) : -1;
  printf("shown: %d; its place: 0x%08lX\n", shown, (unsigned long)found);
  Shell_NotifyIconA(NIM_DELETE, &icon);
  return 0;
}
C
x86_64-w64-mingw32-gcc -O2 -w -o icon.exe icon.c
"$wine" icon.exe | tr -d '\r' | tee said
if grep -qx 'shown: 1; its place: 0x80004001' said; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
