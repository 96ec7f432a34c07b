#!/bin/bash
# connect.sh PROGRAM FAKE: installs clients (pinned) into a temporary folder and runs each as `llm-manager connect` prints
# it, against a manager with one fake model. Not a part of `make test`: it fetches several GB (Open WebUI brings torch), wants
# Python 3.11 or 3.12, and port 3000, which the snippet for Open WebUI names. Its record is in docs/guide/clients.md.
set -euo pipefail

CODEX=0.171.0 CLAUDE=2.1.332 OPENCODE=1.18.33 LANGCHAIN=1.7.4 AIDER=0.86.2 CONTINUE=1.5.47 OPEN_WEBUI=0.12.4
NODE=22.23.3 # newer than Debian's, as Claude Code wants it
[ $# -eq 2 ] || { echo "usage: $0 PROGRAM FAKE-MODEL-SERVER" >&2; exit 1; }
program=$(realpath "$1") fake=$(realpath "$2")
dir=$(mktemp -d)
manager= webui=
trap '[ -z "$webui" ] || kill -- "-$webui"; [ -z "$manager" ] || kill "$manager"; wait 2> /dev/null; rm -rf "$dir"' EXIT
cd "$dir"
npm install --no-save --no-audit --no-fund --loglevel=error --prefix "$dir" \
  "node@$NODE" "@openai/codex@$CODEX" "@anthropic-ai/claude-code@$CLAUDE" "opencode-ai@$OPENCODE" "@continuedev/cli@$CONTINUE" > /dev/null
# Each has a venv of its own: they want different versions of the same packages.
for package in "langchain-openai==$LANGCHAIN" "aider-chat==$AIDER" "open-webui==$OPEN_WEBUI"; do
  python3 -m venv "${package%%==*}"
  "${package%%==*}/bin/pip" --disable-pip-version-check --quiet install "$package"
done
export PATH="$dir/node_modules/.bin:$dir/aider-chat/bin:$dir/open-webui/bin:$PATH" HOME="$dir/home"
mkdir -p "$HOME/.codex" "$HOME/.continue" work

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
  if (cd work && timeout 240 "$@" < /dev/null 2>&1) > "$name.out" && grep -q -- "$wanted" "$name.out"; then
    echo "$name $version: works as printed"
  else
    echo "$name $version: FAILS"; tail -c 2000 "$name.out"; failed=1
  fi
}
try curl "$(curl --version | awk 'NR == 1 { print $2 }')" word0 sh -c "$(connect curl)"
connect langchain > hello.py
try langchain-openai "$LANGCHAIN" word0 ../langchain-openai/bin/python ../hello.py
file codex > "$HOME/.codex/config.toml"
try codex "$CODEX" "tokens used" sh -c "$(start codex) exec --skip-git-repo-check 'Say hello.'"
try claude-code "$CLAUDE" word0 sh -c "$(start claude-code) -p 'Say hello.'"
file opencode > work/opencode.json
try opencode "$OPENCODE" word0 sh -c "$(start opencode) run 'Say hello.'"
try aider "$AIDER" word0 sh -c "$(start aider) --message 'Say hello.' --yes-always"
file continue > "$HOME/.continue/config.yaml"
try continue "$CONTINUE" word0 cn -p 'Say hello.'

# Asks Open WebUI what its page does: an account, the models, an answer.
cat > open_webui.py << 'PYTHON'
import json, time, urllib.request
headers = {"Content-Type": "application/json"}

def call(path, body=None):
    request = urllib.request.Request("http://127.0.0.1:3000" + path, body and json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request, timeout=60))

while True:
    try:
        call("/health")
        break
    except OSError:
        time.sleep(0.2)
headers["Authorization"] = "Bearer " + call("/api/v1/auths/signup", {"name": "a", "email": "a@example.com", "password": "pass-Word-1"})["token"]
model = call("/api/models")["data"][0]["id"]
print(model, call("/api/chat/completions", {"model": model, "messages": [{"role": "user", "content": "Say hello."}]})["choices"])
PYTHON
DATA_DIR="$dir/data" HF_HUB_OFFLINE=1 setsid sh -c "cd work; $(start open-webui)" > webui.log 2>&1 < /dev/null &
webui=$!
try open-webui "$OPEN_WEBUI" word0 python3 ../open_webui.py
[ "$failed" = 0 ] || tail -c 2000 webui.log log
exit "$failed"
