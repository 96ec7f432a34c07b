#!/bin/bash
# Surprise: OpenAI's realtime client for Node speaks TLS to a server whose `baseURL` is http://: it makes wss:// of it, whatever stood there, and ends with
# `wrong version number`, which names no address. All its other calls go to the same base URL in plain HTTP. The client for Python takes ws:// for http://.
# Guess: http becomes ws, https becomes wss, in both.
# So: for realtime from Node the manager needs `program.tls` (or a proxy with TLS), or a WebSocket of one's own to ws://HOST:PORT/v1/realtime?model=NAME.
# Seen with: openai 6.49.0 (Node), ws 8.18.3, openai 3.57.0 (Python), Node 20, 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile 'openai[realtime]==3.57.0'
(cd "$folder" && npm init -y > /dev/null && npm install --silent --no-audit --no-fund openai@6.49.0 ws@8.18.3)
cat > "$folder/try.js" <<'NODE'
const { OpenAI } = require("openai");
const { OpenAIRealtimeWS } = require("openai/realtime/ws");
const client = new OpenAI({ apiKey: "none", baseURL: process.argv[2], maxRetries: 0 });
const plain = client.models.list().catch(() => {});
plain.then(() => {
  const realtime = new OpenAIRealtimeWS({ model: "m" }, client);
  console.log(String(realtime.url));
  realtime.on("error", (error) => { console.log(error.message); process.exit(); });
});
NODE
cat > "$folder/try.py" <<'PYTHON'
import asyncio, os, socket, subprocess, sys, threading
import openai

firsts = []
server = socket.create_server(("127.0.0.1", 0))

def serve():
    while True:
        client, _ = server.accept()
        firsts.append(client.recv(4096)[:4])
        client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.close()

threading.Thread(target=serve, daemon=True).start()
base = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
node = subprocess.run(["node", "try.js", base], cwd=sys.argv[1], capture_output=True, text=True, timeout=60)
url, said, *_ = node.stdout.splitlines() + ["", ""]
print(f"Node: {url}: {said[:90]}; the connections began with {firsts}")
right = firsts[:1] == [b"GET "] and firsts[-1][:1] == b"\x16" and url.startswith("wss://127.0.0.1") and "wrong version number" in said
firsts.clear()

async def connect():
    async with openai.AsyncOpenAI(api_key="none", base_url=base).realtime.connect(model="m"):
        pass

try:
    asyncio.run(connect())
except Exception as error:
    print(f"Python: {error}; the connection began with {firsts}")
right &= firsts == [b"GET "]
os._exit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
