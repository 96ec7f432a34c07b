#!/bin/bash
# Surprise: `generateObject` of the AI SDK, through @ai-sdk/openai-compatible, keeps the schema to itself: the request has `response_format: json_object`, and
# neither there nor in the messages is a word of the schema. So a server that obeys `json_object` brings some JSON, one that doesn't prose, and either
# ends as "No object generated". The only word of it is a warning on the console, once in a process; the error has none.
# Guess: the schema goes along, as `json_schema` or in the prompt.
# So: `supportsStructuredOutputs: true` in `createOpenAICompatible`, with which it goes as `json_schema`.
# Seen with: ai 6.0.326, @ai-sdk/openai-compatible 2.0.92, zod 4.6.7 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 zod@4.6.7)
cat > "$folder/try.mjs" <<'NODE'
import http from "node:http";
import { generateObject } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { z } from "zod";

const asked = [];
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  asked.push(body);
  const message = { role: "assistant", content: '{"answer": "some JSON"}' };
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const schema = z.object({ harbour: z.string().describe("where the ship lies") });
const ends = [];
for (const more of [{}, { supportsStructuredOutputs: true }]) {
  const model = createOpenAICompatible({ name: "local", baseURL, ...more })("m");
  ends.push(await generateObject({ model, schema, prompt: "Where is the ship?", maxRetries: 0 }).then(() => "an object", (error) => `${error.message} ${"warnings" in error ? "with" : "without"} warnings`));
  console.log(`${JSON.stringify(more)}: asked ${asked.at(-1)}\n  end: ${ends.at(-1)}`);
}
const told = asked.map((body) => [JSON.parse(body).response_format.type, body.includes("harbour")]);
process.exit(JSON.stringify(told) === '[["json_object",false],["json_schema",true]]' && ends.every((end) => end.startsWith("No object generated") && end.endsWith("without warnings")) ? 0 : 1);
NODE
cd "$folder"
if node try.mjs; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
