#!/bin/bash
# ledger.sh: measures the ledger: rows per second, reports over ten million rows, and what recording costs a request.
#
#   bench/ledger.sh                  about ten minutes; the report goes to stdout and bench/results/ledger.md
#   bench/ledger.sh --readme         puts the report into bench/README.md as well
#   bench/ledger.sh --only speed     one section: speed, reports, cost; may be repeated
#   MILLIONS=1 bench/ledger.sh       fewer rows
#   LEDGER=FILE bench/ledger.sh      keeps the filled ledger there, and takes it if it is there
#   BIN_DIR=DIR bench/ledger.sh      takes llm-manager, fake-model-server and ledger_speed from there
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/tools.sh

sections=() readme=
while [ $# -gt 0 ]; do
  case $1 in
    --only) sections+=("$2"); shift 2 ;;
    --readme) readme=1; shift ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
[ ${#sections[@]} -gt 0 ] || sections=(speed reports cost)

bin=$(binaries llm-manager fake-model-server)
if [ -n "${BIN_DIR:-}" ]; then
  speed=$bin/ledger_speed
else
  cargo build --release -p llm-manager-actors --example ledger_speed >&2
  speed=$bin/examples/ledger_speed
fi
folder=$(mktemp -d -t llm-manager-ledger-XXXXXX)
trap 'rm -rf "$folder"' EXIT
millions=${MILLIONS:-10}

# One core for all threads, where that can be had: the maker of the rows, the actor and the writer.
pinned=()
! command -v taskset > /dev/null || pinned=(taskset -c 0)

run_speed() {
  echo "### Rows per second"
  echo
  echo "Rows through the handle, the actor and the writer into a new SQLite ledger, all threads on one core;"
  echo "*kinds* are combinations of model, variant and key: each has sums of its own in every batch."
  echo
  echo "| rows | kinds | rows/s | rows per second of CPU | target |"
  echo "| --- | --- | --- | --- | --- |"
  local kinds
  for kinds in 1 1 1 8 8 8 96 96 96; do
    rm -rf "$folder/speed"
    mkdir "$folder/speed"
    "${pinned[@]}" "$speed" "$folder/speed/ledger.db" record 1000000 "$kinds"
  done
  rm -rf "$folder/speed"
  echo
}

run_reports() {
  local ledger=${LEDGER:-$folder/reports.db}
  if [ ! -e "$ledger" ]; then
    echo "bench: fills $ledger with $millions million rows" >&2
    "$speed" "$ledger" fill "$millions"
  fi
  echo "### Reports, $millions million rows of 40 days, 96 kinds, $(($(stat -c %s "$ledger") >> 20)) MiB"
  echo
  echo "Each asked for 21 times; milliseconds. *first* has a cold connection, the file is in the system's cache."
  echo
  echo "| report | first | min | median | max | target | reached |"
  echo "| --- | --- | --- | --- | --- | --- | --- |"
  "$speed" "$ledger" report 21
  python3 bench/ledger_http.py --manager "$bin/llm-manager" --fake "$bin/fake-model-server" --ledger "$ledger"
  echo
}

run_cost() {
  echo "### What recording costs a request"
  echo
  python3 bench/recording.py --manager "$bin/llm-manager" --fake "$bin/fake-model-server"
  echo
}

output=bench/results/ledger.md
mkdir -p bench/results
{
  echo "$(date -u '+%Y-%m-%d %H:%M') UTC, commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown)," \
    "$(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)," \
    "$(($(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) >> 20)) GiB, Linux $(uname -r)."
  echo "Load when it began: $(cut -d' ' -f1-3 /proc/loadavg)."
  echo
  for section in "${sections[@]}"; do
    "run_$section"
  done
  echo "Load when it ended: $(cut -d' ' -f1-3 /proc/loadavg)."
} > "$output.new"
mv "$output.new" "$output"
cat "$output"
if [ -n "$readme" ]; then
  python3 - "$output" <<'PY'
import sys
from pathlib import Path
readme = Path("bench/README.md")
before, mark, rest = readme.read_text().partition("<!-- ledger -->\n")
_, end, after = rest.partition("<!-- end of ledger -->\n")
readme.write_text(before + mark + Path(sys.argv[1]).read_text() + end + after)
PY
fi
echo "bench: written to $output" >&2
