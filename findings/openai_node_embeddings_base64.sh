#!/bin/bash
# Surprise: OpenAI's Node client asks for embeddings in base64 unless it is told otherwise, and decodes whatever comes: numbers from a
# server that doesn't know `encoding_format` become one number near zero for each four, without an error. A vector of 384 has 96
# dimensions then, and all texts are equally near. The Python client asks the same, but leaves numbers alone.
# Guess: a list of numbers is taken as it is.
# So: with engines that don't know base64, `encoding_format: "float"` in each call; the number of dimensions shows the mistake.
# Seen with: openai 6.49.0 for Node, openai 3.57.0 for Python, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0)
cat > "$folder/try.mjs" <<'NODE'
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k" });
const vectors = [];
for (const more of [{}, { encoding_format: "float" }]) {
  vectors.push((await client.embeddings.create({ model: "m", input: "hi", ...more })).data[0].embedding);
}
console.log(JSON.stringify(vectors));
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, subprocess, sys, threading
import openai

VECTOR = [0.5, -0.25, 1.0, 0.125]
asked = []

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))).get("encoding_format"))
        body = json.dumps({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}],
                           "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
python = openai.OpenAI(base_url=url, api_key="k").embeddings.create(model="m", input="hi").data[0].embedding
default, told = json.loads(subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout)
print(f"the server answers {VECTOR}; asked by encoding_format {asked}")
print(f"Python: {python}; Node: {default}, with encoding_format float: {told}")
right = asked == ["base64", "base64", "float"] and python == told == VECTOR and len(default) == 1 and abs(default[0]) < 1e-30
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
