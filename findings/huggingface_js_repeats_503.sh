#!/bin/bash
# Surprise: Hugging Face's client for Node answers a 503 by the same request again, at once and without end, whatever
# `Retry-After` says: hundreds of requests a second for as long as a server says that it is busy. `retry_on_error: false` stops it.
# Guess: a few repeats with growing pauses, as the other SDKs do, or none.
# So: a server that sheds load by 503 gets more load from this client; it is the one status that it treats so (429 is raised).
# Seen with: @huggingface/inference 4.13.30, Node 20.20, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @huggingface/inference@4.13.30)
cat > "$folder/try.mjs" <<'NODE'
import http from "node:http";
import { InferenceClient } from "@huggingface/inference";
const BUSY = 200;
let asked = 0, status = 503;
const answer = { id: "1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }] };
const server = http.createServer((request, response) => {
  request.resume().on("end", () => {
    const busy = ++asked <= BUSY;
    response.writeHead(busy ? status : 200, { "content-type": "application/json", "retry-after": "1" });
    response.end(JSON.stringify(busy ? { error: { message: "busy" } } : answer));
  });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const client = new InferenceClient("k", { endpointUrl: `http://127.0.0.1:${server.address().port}/v1` });
async function chat(options) {
  asked = 0;
  const began = Date.now();
  const end = await client.chatCompletion({ model: "m", messages: [{ role: "user", content: "hi" }] }, options).then(() => "an answer", (error) => error.name);
  return { end, asked, seconds: (Date.now() - began) / 1000 };
}
const seen = { default: await chat(), off: await chat({ retry_on_error: false }) };
status = 429;
seen[429] = await chat();
console.log(seen);
server.close();
server.closeAllConnections();
const right = seen.default.asked === BUSY + 1 && seen.default.seconds < 20 && seen.off.asked === 1 && seen[429].asked === 1;
process.exitCode = right ? 0 : 1;
NODE
if node "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
