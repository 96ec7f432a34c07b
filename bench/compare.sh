#!/bin/bash
# compare.sh A B: two manager binaries in alternation, to judge a change: JSON at 64 connections (or
# --connections N) and 200 streams. The last column is B against A, round by round (--rounds N, default 9).
#
#   --instructions  counts instructions per request with valgrind instead: exact on a busy machine too, but
#                   blind to the kernel, where 60 % of the time goes
#   BIN_DIR=DIR     takes fake-model-server from there instead of building it
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
  exit 2
fi
a=$(realpath "$1") b=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.."
. bench/tools.sh

bin=$(binaries fake-model-server)
exec python3 bench/bench.py --compare "$a" "$b" --fake "$bin/fake-model-server" "$@"
