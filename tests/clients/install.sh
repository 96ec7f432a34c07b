#!/bin/bash
# install.sh DIR: the official OpenAI packages for Python and for Node, for tests/e2e/real_engine.rs.
# A second run finds what is there and returns at once; without Node only Python's is installed.
set -euo pipefail

PYTHON_OPENAI=3.54.0
NODE_OPENAI=6.49.0

say() { printf 'clients: %s\n' "$*" >&2; }
[ $# -eq 1 ] || { say "usage: $0 DIR"; exit 1; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

if [ "$(cat "$dir/.installed-python" 2> /dev/null)" != "$PYTHON_OPENAI" ]; then
  say "installing openai $PYTHON_OPENAI for Python"
  python3 -c 'import ensurepip, venv' 2> /dev/null ||
    { say "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
  [ -x "$dir/venv/bin/pip" ] || python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" --disable-pip-version-check --quiet install "openai==$PYTHON_OPENAI"
  echo "$PYTHON_OPENAI" > "$dir/.installed-python"
fi
if ! command -v npm > /dev/null; then
  say "no npm: the Node package is left out"
elif [ "$(cat "$dir/.installed-node" 2> /dev/null)" != "$NODE_OPENAI" ]; then
  say "installing openai $NODE_OPENAI for Node"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error "openai@$NODE_OPENAI" >&2
  echo "$NODE_OPENAI" > "$dir/.installed-node"
fi
say "ready: $dir"
