#!/bin/bash
# Surprise: Ctrl-Break can't be sent from outside under Wine 8. A helper enters the hidden console of another program
# (AttachConsole succeeds, GetConsoleProcessList lists both), and GenerateConsoleCtrlEvent fails all the same, with
# ERROR_INVALID_HANDLE (6); on Windows this is the way to ask a program without a window to end.
# So: under Wine backends are ended by the force of their job only, and Ctrl-Break is for `selftest.ps1` on real Windows.
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
cat > ask.c <<'C'
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static BOOL WINAPI survive(DWORD event) { return TRUE; }

static PROCESS_INFORMATION start(char *words, DWORD flags) {
  STARTUPINFOA info = {sizeof info};
  PROCESS_INFORMATION process = {0};
  if (!CreateProcessA(0, words, 0, 0, FALSE, flags, 0, 0, &info, &process)) exit(2);
  return process;
}

int main(int count, char **words) {
  if (count == 2) {  // the program that is to end
    Sleep(INFINITE);
  } else if (count == 3) {  // the helper
    DWORD pids[8];
    FILE *said = fopen("said", "w");
    FreeConsole();
    SetConsoleCtrlHandler(survive, TRUE);
    BOOL attached = AttachConsole(atoi(words[2]));
    DWORD listed = GetConsoleProcessList(pids, 8);
    BOOL sent = GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0);
    fprintf(said, "attached %d, listed %lu, sent %d, error %lu\n", attached, listed, sent, sent ? 0 : GetLastError());
    fclose(said);
  } else {
    char helper[64];
    PROCESS_INFORMATION backend = start("ask.exe backend", CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
    Sleep(1500);
    sprintf(helper, "ask.exe helper %lu", backend.dwProcessId);
    WaitForSingleObject(start(helper, DETACHED_PROCESS).hProcess, 10000);
    printf("the backend %s\n", WaitForSingleObject(backend.hProcess, 2000) == WAIT_TIMEOUT ? "runs on" : "has ended");
    TerminateProcess(backend.hProcess, 9);
  }
  return 0;
}
C
x86_64-w64-mingw32-gcc -O2 -w -o ask.exe ask.c
"$wine" ask.exe | tr -d '\r' | tee outcome
cat said
if grep -q 'attached 1, listed 2, sent 0, error 6' said && grep -q 'runs on' outcome; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
