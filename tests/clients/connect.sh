#!/bin/bash
# connect.sh PROGRAM FAKE: installs clients (pinned) into a temporary folder and runs each as `llm-manager connect` prints
# it, against a manager with one fake model. Not a part of `make test`: it fetches several hundred MB. Its record is in
# docs/guide/clients.md.
set -euo pipefail

CODEX=0.171.0 CLAUDE=2.1.197 OPENCODE=1.18.33 LANGCHAIN=1.7.4
[ $# -eq 2 ] || { echo "usage: $0 PROGRAM FAKE-MODEL-SERVER" >&2; exit 1; }
program=$(realpath "$1") fake=$(realpath "$2")
dir=$(mktemp -d)
manager=
trap '[ -z "$manager" ] || kill "$manager"; wait 2> /dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm install --no-save --no-audit --no-fund --loglevel=error --prefix "$dir" \
  "@openai/codex@$CODEX" "@anthropic-ai/claude-code@$CLAUDE" "opencode-ai@$OPENCODE" > /dev/null
python3 -m venv venv
venv/bin/pip --disable-pip-version-check --quiet install "langchain-openai==$LANGCHAIN"
export PATH="$dir/node_modules/.bin:$PATH" HOME="$dir/home"
mkdir -p "$HOME/.codex" work

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yaml << CONFIG
program: {port: $port, Disable_GPU_monitoring: true, api_keys: ["k-1"]}
Local-Models:
  chat:
    Default:
      command: ["$fake", "--port", "{port}", "--name", "chat", "--marker", "$dir", "--start-file", "$dir/starts"]
CONFIG
"$program" --config config.yaml serve > log 2>&1 &
manager=$!
until curl -sf -o /dev/null "http://127.0.0.1:$port/health"; do sleep 0.1; done

connect() { "$program" --config "$dir/config.yaml" connect "$1"; }
# The steps of a client: a file with its name on the first line, and what starts the client behind an empty line.
file() { connect "$1" | awk 'NR > 1 && /^[A-Za-z_]+=|^opencode$/ { exit } NR > 1'; }
start() { connect "$1" | awk '/^[A-Z_]+=|^opencode$/ { found = 1 } found'; }

failed=0
try() { # NAME VERSION WANTED COMMAND...: the command says what is wanted.
  local name=$1 version=$2 wanted=$3
  shift 3
  if (cd work && timeout 120 "$@" < /dev/null 2>&1) > "$name.out" && grep -q -- "$wanted" "$name.out"; then
    echo "$name $version: works as printed"
  else
    echo "$name $version: FAILS"; tail -c 2000 "$name.out"; failed=1
  fi
}
try curl "$(curl --version | awk 'NR == 1 { print $2 }')" word0 sh -c "$(connect curl)"
connect langchain > hello.py
try langchain-openai "$LANGCHAIN" word0 ../venv/bin/python ../hello.py
file codex > "$HOME/.codex/config.toml"
try codex "$CODEX" "tokens used" sh -c "$(start codex) exec --skip-git-repo-check 'Say hello.'"
try claude-code "$CLAUDE" word0 sh -c "$(start claude-code) -p 'Say hello.'"
file opencode > work/opencode.json
try opencode "$OPENCODE" word0 sh -c "$(start opencode) run 'Say hello.'"
exit "$failed"
