#!/bin/bash
# run.sh: serves ./config.yaml, or the demo when there is none. Called by `make run`.
set -euo pipefail
cd "$(dirname "$0")/.."

# The dashboard is a part of the program.
make --no-print-directory dashboard
cargo build --release --bin llm-manager
manager() { cargo run --quiet --release --bin llm-manager -- --config "$config" "$@"; }

if [ -e config.yaml ]; then
  config=config.yaml
else
  config=.demo/config.yaml
  demo/install.sh .demo
  mkdir -p .demo/scripts
  cp demo/scripts/*.sh .demo/scripts/
  # A configuration that was changed in .demo stays.
  [ -e "$config" ] || cp demo/config.yaml "$config"
  echo
  echo "There is no ./config.yaml: this is the demo, from $config."
fi

# What is wrong with a configuration, the manager says itself below.
if clients=$(manager connect 2> /dev/null); then
  printf '\nFor clients, as soon as it says "serving":\n\n%s\n\nTo try it, in another terminal:\n\n' "$clients"
  manager connect curl 2> /dev/null || echo "  (the configuration has no model yet)"
  echo
fi
exec cargo run --quiet --release --bin llm-manager -- --config "$config"
