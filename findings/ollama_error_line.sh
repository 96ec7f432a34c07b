#!/bin/bash
# Surprise: what Ollama sends when it fails in the middle of a stream, a line {"error": "..."}, is no error for ollama-ai-provider-v2 (AI
# SDK): half the text, finish reason "other", `onError` isn't called. LiteLLM makes a BadRequestError (400) of it, the client's
# own mistake, which isn't retried. A stream that ends without its `done` is an answer like any other for ollama-python and
# the AI SDK, an error for ollama's own client for Node and for LiteLLM.
# Guess: each raises an error of the server for the first, and some error for the second.
# So: half an answer looks whole; look for `done_reason: stop`, and don't trust the status that LiteLLM gives.
# Seen with: ollama 0.6.3 (Python and Node), litellm 1.110.2 (Python), ai 6.0.326 with ollama-ai-provider-v2 3.6.0 (Node), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install ollama==0.6.3 litellm==1.110.2
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" ollama@0.6.3 ai@6.0.326 ollama-ai-provider-v2@3.6.0 zod@4.6.7)
cat > "$folder/try.mjs" <<'NODE'
import { streamText } from "ai";
import { Ollama } from "ollama";
import { createOllama } from "ollama-ai-provider-v2";
console.error = () => {};
globalThis.AI_SDK_LOG_WARNINGS = false;
const said = [];
for (const way of ["error", "end"]) {
  const url = `${process.argv[2]}/${way}`;
  let text = "";
  try {
    const chat = { model: "m", messages: [{ role: "user", content: "hi" }], stream: true };
    for await (const part of await new Ollama({ host: url }).chat(chat)) text += part.message.content;
    said.push(text);
  } catch (error) {
    said.push(`Error: ${error.message}`);
  }
  let failed = null;
  const onError = ({ error }) => { failed = String(error); };
  const answer = streamText({ model: createOllama({ baseURL: `${url}/api` })("m"), prompt: "hi", maxRetries: 0, onError });
  said.push([await answer.text, await answer.finishReason, failed]);
}
console.log(JSON.stringify(said));
NODE
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, logging, subprocess, sys, threading
import litellm, ollama

litellm.suppress_debug_info = True
logging.disable(logging.CRITICAL)

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        head = {"model": "m", "created_at": "2026-11-29T00:00:00Z", "done": False}
        lines = [{**head, "message": {"role": "assistant", "content": word}} for word in ("one ", "two ")]
        if self.path.startswith("/error"):
            lines.append({"error": "the engine broke"})
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
asked = {"messages": [{"role": "user", "content": "hi"}], "stream": True}

def outcome(texts):
    try:
        return "".join(texts)
    except Exception as error:
        return type(error).__name__, getattr(error, "status_code", None)

def by_ollama(way):
    return (part.message.content for part in ollama.Client(host=f"{url}/{way}").chat("m", **asked))

def by_litellm(way):
    chunks = litellm.completion(model="ollama_chat/m", api_base=f"{url}/{way}", num_retries=0, max_retries=0, **asked)
    return (chunk.choices[0].delta.content or "" for chunk in chunks)

node = json.loads(subprocess.run(["node", sys.argv[1], url], capture_output=True, text=True, check=True).stdout)
seen = {}
for way, (theirs, sdk) in {"error": node[:2], "end": node[2:]}.items():
    seen[way] = {"ollama-python": outcome(by_ollama(way)), "litellm": outcome(by_litellm(way)), "ollama for Node": theirs, "AI SDK": sdk}
    print({"error": 'a line {"error": ...}:', "end": "the end without done:"}[way], seen[way])
broken, ended = seen["error"], seen["end"]
right = broken["ollama-python"] == ("ResponseError", -1) and broken["litellm"] == ("BadRequestError", 400)
right = right and broken["ollama for Node"] == "Error: the engine broke" and broken["AI SDK"] == ended["AI SDK"] == ["one two ", "other", None]
right = right and ended["ollama-python"] == "one two " and ended["litellm"][0] == "MidStreamFallbackError" and ended["ollama for Node"].startswith("Error: Did not receive done")
raise SystemExit(0 if right else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
