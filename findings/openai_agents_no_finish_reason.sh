#!/bin/bash
# Surprise: OpenAI's Agents SDK, with a model of the chat completions API, throws `finish_reason` away: an answer that was cut
# at `max_tokens`, stopped by a content filter, or whose stream just ended is the run's final output like a whole one, in
# Python and in Node, plain and as a stream; a stream that broke off is an answer of zero tokens in Node.
# Guess: an error, a warning, or a field that says so, as the same SDK has for the Responses API (`status: incomplete`).
# So: half a text is handed on as the result; compare the usage with the limit, or ask through the Responses API.
# Seen with: openai-agents 0.24.0 (Python, openai 3.57.0), @openai/agents 0.20.0 (Node, openai 6.49.0), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai-agents==0.24.0 openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @openai/agents@0.20.0 openai@6.49.0 zod@4.6.7)
cat > "$folder/try.mjs" <<'NODE'
import { Agent, OpenAIChatCompletionsModel, run, setTracingDisabled } from "@openai/agents";
import OpenAI from "openai";
setTracingDisabled(true);
const seen = [];
for (const end of JSON.parse(process.argv[3])) {
  const client = new OpenAI({ baseURL: `${process.argv[2]}/${end}`, apiKey: "k", maxRetries: 0 });
  const result = await run(new Agent({ name: "a", model: new OpenAIChatCompletionsModel(client, "m") }), "hi", { stream: true });
  for await (const _ of result);
  seen.push([result.finalOutput, result.error === null || result.error === undefined]);
}
console.log(JSON.stringify(seen));
NODE
cat > "$folder/try.py" <<'PYTHON'
import asyncio, http.server, json, subprocess, sys, threading
import agents, openai

ENDS = ["stop", "length", "content_filter", "none"]
agents.set_tracing_disabled(True)

def text(end, stream):
    head = {"id": "c", "created": 1, "model": "m"}
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": "the sea is"}, "finish_reason": end}
        return json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
    chunks = [({"role": "assistant", "content": "the "}, None), ({"content": "sea is"}, None), ({}, end)][: 2 if end == "none" else 3]
    chunks = [{**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in chunks]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + ("" if end == "none" else "data: [DONE]\n\n")

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        stream = json.loads(self.rfile.read(int(self.headers["content-length"]))).get("stream")
        body = text(self.path.split("/")[1], stream).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if stream else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"

def agent(end):
    client = openai.AsyncOpenAI(base_url=f"{url}/{end}", api_key="k", max_retries=0)
    return agents.Agent(name="a", model=agents.OpenAIChatCompletionsModel("m", client))

async def streamed(end):
    result = agents.Runner.run_streamed(agent(end), "hi")
    async for _ in result.stream_events():
        pass
    return result

def words(result):
    items = [item for response in result.raw_responses for item in response.output]
    return result.final_output, "length" in repr(items) or "incomplete" in repr(items) or "filter" in repr(items)

seen = {}
for end in ENDS:
    seen[end] = [words(asyncio.run(streamed(end)))]
    if end != "none":
        seen[end].append(words(asyncio.run(agents.Runner.run(agent(end), "hi"))))
    print(f"finish_reason {end}: (final output, does anything tell the end?) as a stream and plain: {seen[end]}")
node = json.loads(subprocess.run(["node", sys.argv[1], url, json.dumps(ENDS)], capture_output=True, text=True, check=True).stdout)
print(f"Node, (final output, no error): {node}")
right = all(answer == ("the sea is", False) for answers in seen.values() for answer in answers) and node == [["the sea is", True]] * 4
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
