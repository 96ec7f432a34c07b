#!/bin/bash
# run.sh [ARGUMENTS]: all tests of the workspace, with nextest if it is there; called by `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
if cargo nextest --version > /dev/null 2>&1; then
  status=0
  cargo nextest run --workspace --no-fail-fast "$@" || status=$?
  # nextest leaves examples in documentation to cargo.
  [ $# -gt 0 ] || cargo test --workspace --doc --quiet || status=$?
  exit "$status"
fi
exec cargo test --workspace --no-fail-fast "$@"
