#!/bin/bash
# audit.sh: `cargo audit` over all that Cargo.lock names, if it is installed and its database can be had. What deny.toml
# leaves out, with its reason, is left out here.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo audit --version > /dev/null 2>&1; then
  echo "cargo-audit isn't installed (cargo install --locked cargo-audit): Cargo.lock is not checked for known vulnerabilities"
  exit
fi
# It fails in the same way for a database that can't be fetched as for a vulnerability; nothing has none.
if ! printf 'version = 3\n\n[[package]]\nname = "nothing"\nversion = "0.0.0"\n' | cargo audit --file - > /dev/null 2>&1; then
  echo "Cargo.lock is not checked for known vulnerabilities: their database can't be fetched"
  exit
fi
mapfile -t ignored < <(sed -n 's/.*id = "\(RUSTSEC-[0-9-]*\)".*/--ignore=\1/p' deny.toml)
cargo audit --no-fetch "${ignored[@]}"
