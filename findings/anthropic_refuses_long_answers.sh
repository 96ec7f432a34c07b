#!/bin/bash
# Surprise: Anthropic's clients refuse a plain request with `max_tokens` above 21333 before anything is sent, whatever server they talk to: they reckon by the
# speed of Anthropic's own models that it would take more than ten minutes. In Python it is a ValueError, no error of the API, so what catches those
# doesn't see it; in Node it is thrown by `create` itself, so a `.catch()` behind it doesn't see it either. With a timeout of one's own, any, it is sent.
# Guess: the server decides what it takes.
# So: for local models, `timeout=` in the client, or a stream.
# Seen with: anthropic 2.14.0 (Python), @anthropic-ai/sdk 1.14.0 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install anthropic==2.14.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @anthropic-ai/sdk@1.14.0)
cat > "$folder/try.mjs" <<'NODE'
import Anthropic from "@anthropic-ai/sdk";
const [baseURL, asked] = [process.argv[2], JSON.parse(process.argv[3])];
const seen = [];
for (const [max_tokens, timeout] of asked) {
  const client = new Anthropic({ baseURL, apiKey: "none", maxRetries: 0, ...(timeout ? { timeout: timeout * 1000 } : {}) });
  let end, thrown = true;
  try {
    const answer = client.messages.create({ model: "qwen", max_tokens, messages: [{ role: "user", content: "hi" }] });
    thrown = false;
    end = await answer.then(() => "answered");
  } catch (error) {
    end = `${error.constructor.name}, ${thrown ? "thrown" : "rejected"}`;
  }
  seen.push(end);
}
console.log(JSON.stringify(seen));
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, subprocess, sys, threading
import anthropic

ONE = {"id": "m", "type": "message", "role": "assistant", "model": "qwen", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}
asked = []

class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["max_tokens"])
        body = json.dumps(ONE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_address[1]}"
CALLS = [(21333, None), (21334, None), (32000, 60)]
python = []
for tokens, timeout in CALLS:
    client = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0, **({"timeout": timeout} if timeout else {}))
    try:
        client.messages.create(model="qwen", max_tokens=tokens, messages=[{"role": "user", "content": "hi"}])
        python.append("answered")
    except Exception as error:
        python.append(f"{type(error).__name__}, {'an' if isinstance(error, anthropic.AnthropicError) else 'no'} AnthropicError")
        print(f"{tokens}: {str(error)[:90]}")
node = json.loads(subprocess.run(["node", sys.argv[1] + "/try.mjs", address, json.dumps(CALLS)], capture_output=True, text=True, check=True).stdout)
print(f"max_tokens and timeout {CALLS}: Python {python}, Node {node}; the server was asked for {asked}")
raise SystemExit(0 if python == ["answered", "ValueError, no AnthropicError", "answered"] and node == ["answered", "AnthropicError, thrown", "answered"] and asked == [21333, 32000] * 2 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
