#!/bin/bash
# run.sh: serves ./config.yaml, or the demo when there is none. Called by `make run`.
set -euo pipefail
cd "$(dirname "$0")/.."

# The dashboard is a part of the program.
make --no-print-directory dashboard

if [ -e config.yaml ]; then
  config=config.yaml
  profile=release
else
  # What compiles fastest: nobody waits for an optimised program to see what it is. What the demo needs is fetched meanwhile.
  config=.demo/config.yaml
  profile=demo
  set -m
  demo/install.sh .demo &
  install=$!
  trap 'kill -- "-$install" 2> /dev/null || true' EXIT
  set +m
fi
cargo build --profile "$profile" --bin llm-manager
manager() { cargo run --quiet --profile "$profile" --bin llm-manager -- --config "$config" "$@"; }

if [ "$profile" = demo ]; then
  wait "$install"
  trap - EXIT
  mkdir -p .demo/scripts
  cp demo/scripts/*.sh .demo/scripts/
  # A configuration that was changed in .demo stays.
  [ -e "$config" ] || cp demo/config.yaml "$config"
  echo
  echo "There is no ./config.yaml: this is the demo, from $config. Its program is compiled quickly, not for speed: for your"
  echo "own models, \`make build\` makes target/release/llm-manager, and \`make run\` takes that as soon as there is a config.yaml."
fi

# What is wrong with a configuration, the manager says itself below.
if clients=$(manager connect 2> /dev/null); then
  printf '\nFor clients, as soon as it says "serving":\n\n%s\n\nTo try it, in another terminal:\n\n' "$clients"
  manager connect curl 2> /dev/null || echo "  (the configuration has no model yet)"
  echo
fi
exec cargo run --quiet --profile "$profile" --bin llm-manager -- --config "$config"
