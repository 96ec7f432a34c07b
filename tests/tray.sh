#!/bin/bash
# tray.sh: builds the program with its tray icon and clicks through the menu, as a tray host on a D-Bus of its own.
# What can't be had is said, and nothing is tested then.
set -euo pipefail
cd "$(dirname "$0")/.."
left_out() { echo "tray: not tested: $*"; exit 0; }

command -v dbus-run-session > /dev/null || left_out "no dbus-run-session (apt install dbus-daemon)"
python=
for candidate in /usr/bin/python3 python3; do
  if "$candidate" -c 'from gi.repository import Gio' 2> /dev/null; then python=$candidate; break; fi
done
[ -n "$python" ] || left_out "no Python with GLib (apt install python3-gi)"

cargo build --quiet --features tray --bins
exec dbus-run-session -- "$python" tests/tray.py "${CARGO_TARGET_DIR:-target}/debug"
