#!/bin/bash
# Surprise: `timeout` of OpenAI's client for Node, and of LangChain on it, is over as soon as the head of the answer is there: with three seconds it waits
# for a body that takes ten, a stream that stands still as well as a plain answer. OpenAI's client for Python counts from byte to byte, so comments in
# a stream, which servers send while they work, prolong it without end. Where a limit does fire, in the AI SDK's streamText (`timeout` or an
# AbortSignal), the text simply ends after three seconds: no error comes out of textStream, nor to onError.
# Guess: after three seconds an error, wherever the answer stands.
# So: a limit of one's own around the whole call; with the AI SDK `onAbort`, or await `finishReason`, which is rejected.
# Seen with: openai 6.49.0, @langchain/openai 1.5.8, ai 6.0.326 (Node), openai 3.57.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0 @langchain/openai@1.5.8 @langchain/core@1.4.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92)
cat > "$folder/try.mjs" <<'NODE'
import OpenAI from "openai";
import { ChatOpenAI } from "@langchain/openai";
import { streamText } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const baseURL = process.argv[2], apiKey = "none", timeout = 3000, messages = [{ role: "user", content: "hi" }];
const ask = (model, stream) => new OpenAI({ baseURL, apiKey, timeout, maxRetries: 0 }).chat.completions.create({ model, messages, stream });
const all = async (stream) => { for await (const _ of await stream); };
const texts = async (options) => {
  let text = "", errors = 0;
  const answer = streamText({ model: createOpenAICompatible({ name: "m", baseURL })("texts"), prompt: "hi", maxRetries: 0, onError: () => { errors += 1; }, ...options });
  for await (const part of answer.textStream) text += part;
  const reason = await answer.finishReason.catch((error) => error.name);
  return `${text.length < 20 ? "part of the text" : "all of the text"}, ${errors} errors, finishReason ${reason}`;
};
const calls = {
  "openai (Node), plain": () => ask("silent", false),
  "openai (Node), stream": async () => all(ask("silent", true)),
  "@langchain/openai, plain": () => new ChatOpenAI({ configuration: { baseURL }, apiKey, model: "silent", timeout, maxRetries: 0 }).invoke("hi"),
  "@langchain/openai, stream": async () => all(new ChatOpenAI({ configuration: { baseURL }, apiKey, model: "silent", timeout, maxRetries: 0 }).stream("hi")),
  "ai, timeout": () => texts({ timeout }),
  "ai, AbortSignal": () => texts({ abortSignal: AbortSignal.timeout(timeout) }),
};
console.log(JSON.stringify(await Promise.all(Object.entries(calls).map(async ([name, call]) => {
  const began = Date.now();
  const end = await call().then((value) => (typeof value === "string" ? value : "answered"), (error) => error.name);
  return [name, end, (Date.now() - began) / 1000];
}))));
process.exit(0);
NODE
cat > "$folder/try.py" <<'PYTHON'
import concurrent.futures, http.server, json, subprocess, sys, threading, time
import openai

SECONDS = 10
MESSAGE = {"role": "assistant", "content": "hi"}
ONE = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
PART = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": None, "delta": MESSAGE}]}

class Engine(http.server.BaseHTTPRequestHandler):
    """The head at once, and the end of the body ten seconds later; meanwhile nothing, comments, or texts, as the model's name says."""

    def log_message(self, *_): pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stream = asked.get("stream")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.end_headers()
        try:
            for _ in range(2 * SECONDS):
                if stream and asked["model"] != "silent":
                    self.wfile.write(b": still at it\n\n" if asked["model"] == "comments" else f"data: {json.dumps(PART)}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.5)
            last = {**PART, "choices": [{**PART["choices"][0], "finish_reason": "stop"}]}
            self.wfile.write((f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n" if stream else json.dumps(ONE)).encode())
        except OSError:
            pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_address[1]}/v1"

def python(model, stream):
    began = time.monotonic()
    try:
        with openai.OpenAI(base_url=address, api_key="none", timeout=3, max_retries=0) as client:
            answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], stream=stream)
            for _ in answer if stream else ():
                pass
        end = "answered"
    except openai.APITimeoutError as error:
        end = type(error).__name__
    return [f"openai (Python), {model}, {'stream' if stream else 'plain'}", end, time.monotonic() - began]

with concurrent.futures.ThreadPoolExecutor() as pool:
    node = pool.submit(subprocess.run, ["node", sys.argv[1] + "/try.mjs", address], capture_output=True, text=True, check=True)
    seen = list(pool.map(python, ("comments", "silent", "silent"), (True, True, False)))
    seen += json.loads(node.result().stdout)
ends = []
for name, end, seconds in seen:
    print(f"{name}, timeout of 3 s: after {seconds:.0f} s, {end}")
    ends.append((end, seconds > SECONDS - 1))
cut = ("part of the text, 0 errors, finishReason TimeoutError", False)
raise SystemExit(0 if ends == [("answered", True), ("APITimeoutError", False), ("APITimeoutError", False)] + [("answered", True)] * 4 + [cut] * 2 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
