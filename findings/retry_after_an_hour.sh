#!/bin/bash
# Surprise: `Retry-After: 3600` beside 429 makes clients do four different things. anthropic (Python, Node) and, for Node, openai and groq-sdk sleep the whole hour
# inside of the call, twice, though their `timeout` is five seconds; openai for Python raises at once (it obeys up to two minutes); groq for Python
# and the AI SDK ask twice more within seconds; Cohere's take it for 60 s. `x-should-retry: false` stops the first three kinds, and not the last two.
# Guess: all raise, as it is longer than anybody waits; at least the `timeout` ends it.
# So: a server that knows of a long wait says `x-should-retry: false` too, as LLM-Manager does, and keeps `Retry-After` at a minute without it.
# Seen with: openai 3.57.0, anthropic 2.14.0, groq 1.7.0, cohere 7.3.1 (Python), openai 6.49.0, @anthropic-ai/sdk 1.14.0, groq-sdk 1.6.0,
# ai 6.0.326 with @ai-sdk/openai-compatible 2.0.92, cohere-ai 8.1.0 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile openai==3.57.0 anthropic==2.14.0 groq==1.7.0 cohere==7.3.1
npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0 @anthropic-ai/sdk@1.14.0 groq-sdk@1.6.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 cohere-ai@8.1.0
cat > "$folder/try.mjs" <<'NODE'
// Long timers are noted, and fire at once; not those of Node for a connection that is kept, and of the clients for their timeouts.
const noted = [], timer = globalThis.setTimeout, others = [3000, 5000, 300000];
globalThis.setTimeout = (done, after, ...rest) => {
  const wait = after >= 300 && !others.includes(after);
  if (wait) noted.push(after / 1000);
  return timer(done, wait ? 5 : after, ...rest);
};
const { default: OpenAI } = await import("openai");
const { default: Anthropic } = await import("@anthropic-ai/sdk");
const { default: Groq } = await import("groq-sdk");
const { generateText } = await import("ai");
const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
const { CohereClientV2 } = await import("cohere-ai");
const [at] = process.argv.slice(2), chat = { model: "m", messages: [{ role: "user", content: "hi" }] }, common = { apiKey: "k", timeout: 5000 };
const calls = {
  openai: url => new OpenAI({ ...common, baseURL: url }).chat.completions.create(chat),
  anthropic: url => new Anthropic({ ...common, baseURL: url }).messages.create({ ...chat, max_tokens: 9 }),
  groq: url => new Groq({ ...common, baseURL: url }).chat.completions.create(chat),
  "AI SDK": url => generateText({ model: createOpenAICompatible({ name: "e", baseURL: url })("m"), prompt: "hi" }),
  cohere: url => new CohereClientV2({ token: "k", environment: url }).chat(chat),
};
const told = {};
for (const [name, call] of Object.entries(calls)) for (const kind of ["plain", "never"]) {
  noted.length = 0;
  await call(`${at}/${kind}/node-${name.replace(" ", "")}`).catch(() => 0);
  told[`${name} (Node), ${kind}`] = Math.round(Math.max(0, ...noted));
}
console.log(JSON.stringify(told));
process.exit(0);
NODE
cat > "$folder/try.py" <<'PYTHON'
import collections, http.server, json, subprocess, sys, threading, time
import anthropic, cohere, groq, openai

asked, slept, sleep = collections.Counter(), [], time.sleep

def note(seconds):
    slept.append(seconds)
    sleep(min(seconds, 0.01))

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        kind, who = self.path.split("/")[1:3]
        asked[who, kind] += 1
        body = b'{"error": {"message": "later", "type": "budget"}}'
        self.send_response(429)
        self.send_header("retry-after", "3600")
        if kind == "never":
            self.send_header("x-should-retry", "false")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
at, chat = f"http://127.0.0.1:{server.server_port}", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
calls = {
    "openai": lambda url: openai.OpenAI(base_url=url, api_key="k", timeout=5).chat.completions.create(**chat),
    "anthropic": lambda url: anthropic.Anthropic(base_url=url, api_key="k", timeout=5).messages.create(**chat, max_tokens=9),
    "groq": lambda url: groq.Groq(base_url=url, api_key="k", timeout=5).chat.completions.create(**chat),
    "cohere": lambda url: cohere.ClientV2(base_url=url, api_key="k", timeout=5).chat(**chat),
}
time.sleep = note
seen = {}
for name, call in calls.items():
    for kind in ("plain", "never"):
        slept.clear()
        try:
            call(f"{at}/{kind}/{name}")
        except Exception:
            seen[f"{name} (Python), {kind}"] = (asked[name, kind], round(max(slept, default=0)))
time.sleep = sleep
node = json.loads(subprocess.run(["node", sys.argv[1], at], capture_output=True, text=True, check=True).stdout)
for words, longest in node.items():
    name, kind = words.split(" (Node), ")
    seen[words] = (asked["node-" + name.replace(" ", ""), kind], longest)
for words, (requests, longest) in seen.items():
    print(f"{words}: {requests} requests, the longest wait {longest} s")
patient, short, once = (3, 3600), (3, 60), (1, 0)
right = all(seen[f"{name}, plain"] == patient and seen[f"{name}, never"] == once for name in ("anthropic (Python)", "anthropic (Node)", "openai (Node)", "groq (Node)"))
right &= seen["openai (Python), plain"] == seen["openai (Python), never"] == once and seen["groq (Python), never"] == once
right &= all(seen[f"{name}, {kind}"] == short for name in ("cohere (Python)", "cohere (Node)") for kind in ("plain", "never"))
right &= all(seen[words][0] == 3 and seen[words][1] < 9 for words in ("groq (Python), plain", "AI SDK (Node), plain", "AI SDK (Node), never"))
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
