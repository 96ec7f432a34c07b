#!/bin/bash
# run.sh [ARGUMENTS]: all tests of the workspace, with nextest if it is there, then those of the dashboard in a
# browser; called by `make test`. With arguments: the tests that nextest or cargo finds by them.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
# The gate of a backend, on loom's atomics: every order in which threads can meet at it.
[ $# -gt 0 ] || cargo test -p llm-manager-policy --features loom --lib --quiet gate || status=$?
if cargo nextest --version > /dev/null 2>&1; then
  # Pods come last, where there is an API server for them; `make kubernetes` has more of them.
  cargo nextest run --workspace --exclude llm-manager-kubernetes --features otel --no-fail-fast "$@" || status=$?
  # nextest leaves examples in documentation to cargo.
  [ $# -gt 0 ] || cargo test --workspace --exclude llm-manager-kubernetes --features otel --doc --quiet || status=$?
else
  cargo test --workspace --exclude llm-manager-kubernetes --features otel --no-fail-fast "$@" || status=$?
fi
# The program that they were run with is in target/debug now.
[ $# -gt 0 ] || tests/browser.sh || status=$?
# With Pods it is another program.
[ $# -gt 0 ] || tests/kubernetes.sh --cached || status=$?
exit "$status"
