#!/bin/bash
# run.sh: serves ./config.yaml, or the demo when there is none. Called by `make run`.
set -euo pipefail
cd "$(dirname "$0")/.."

# The dashboard is a part of the program; without Node the program is built without it, and says so at /.
if command -v npm > /dev/null; then
  (cd webui && npm install --no-audit --no-fund --loglevel=error && npm run --silent build > /dev/null)
else
  echo "npm isn't installed: the dashboard is left out"
fi
cargo build --release --bin llm-manager
if [ -e config.yaml ]; then
  exec cargo run --quiet --release --bin llm-manager -- --config config.yaml
fi

demo/install.sh .demo
mkdir -p .demo/scripts
cp demo/scripts/*.sh .demo/scripts/
# A configuration that was changed in .demo stays.
[ -e .demo/config.yaml ] || cp demo/config.yaml .demo/config.yaml
port=$(sed -n 's/^  port: *\([0-9]*\).*/\1/p' .demo/config.yaml | head -n 1)
cat << TRY

There is no ./config.yaml: this is the demo, from .demo/config.yaml. When it serves, try in another terminal:

  curl -N http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' -d \\
    '{"model":"chat","stream":true,"messages":[{"role":"user","content":"Why is the sky blue?"}]}'

  curl http://127.0.0.1:$port/v1/embeddings -H 'Content-Type: application/json' -d \\
    '{"model":"embedding","input":"the sky"}'

TRY
exec cargo run --quiet --release --bin llm-manager -- --config .demo/config.yaml
