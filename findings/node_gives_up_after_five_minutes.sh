#!/bin/bash
# Surprise: a client on Node gives up after 300 seconds without a byte, whatever its `timeout` says: fetch has limits of its own for the head of an answer
# and for a pause within it. So do OpenAI's and Anthropic's SDK, LangChain, the AI SDK, ollama and @huggingface/inference; OpenAI's calls it "Request
# timed out.", and by default asks twice more. (This script takes five minutes.)
# Guess: `timeout: 3600_000` is an hour.
# So: ask long questions as a stream, from a server that sends something while it works; or a dispatcher of undici with other limits
# (`setGlobalDispatcher(new Agent({ headersTimeout: 0, bodyTimeout: 0 }))`), with which the same call waits.
# Seen with: openai 6.49.0, @anthropic-ai/sdk 1.14.0, @langchain/openai 1.5.8, ai 6.0.326, ollama 0.6.4, @huggingface/inference 4.13.30 on Node 20, 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0 @anthropic-ai/sdk@1.14.0 @langchain/openai@1.5.8 @langchain/core@1.4.0 \
  ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 ollama@0.6.4 @huggingface/inference@4.13.30 undici@6.21.3)
cat > "$folder/try.mjs" <<'NODE'
import http from "node:http";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { ChatOpenAI } from "@langchain/openai";
import { generateText } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Ollama } from "ollama";
import { InferenceClient } from "@huggingface/inference";
import { Agent, fetch as patient } from "undici";

const SILENCE = 330, HOUR = 3600_000;
const message = { role: "assistant", content: "hi" };
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const stream = JSON.parse(body).stream;
  if (stream) response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
  await new Promise((later) => setTimeout(later, SILENCE * 1000));
  if (stream) return response.end(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", delta: message }] })}\n\ndata: [DONE]\n\n`);
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const address = `http://127.0.0.1:${server.address().port}`, baseURL = `${address}/v1`, apiKey = "none", model = "m", messages = [{ role: "user", content: "hi" }];
const ask = (more = {}, options = {}) => new OpenAI({ baseURL, apiKey, timeout: HOUR, maxRetries: 0, ...options }).chat.completions.create({ model, messages, ...more });
const calls = {
  "openai": () => ask(),
  "openai, stream": async () => { for await (const _ of await ask({ stream: true })); },
  "@anthropic-ai/sdk": () => new Anthropic({ baseURL: address, apiKey, timeout: HOUR, maxRetries: 0 }).messages.create({ model, messages, max_tokens: 9 }),
  "@langchain/openai": () => new ChatOpenAI({ configuration: { baseURL }, apiKey, model, timeout: HOUR, maxRetries: 0 }).invoke("hi"),
  "ai": () => generateText({ model: createOpenAICompatible({ name: "m", baseURL })(model), prompt: "hi", maxRetries: 0, abortSignal: AbortSignal.timeout(HOUR) }),
  "ollama": () => new Ollama({ host: address }).chat({ model, messages }),
  "@huggingface/inference": () => new InferenceClient("hf_none", { endpointUrl: address }).chatCompletion({ model, messages }),
  "openai with undici's own limits off": () => ask({}, { fetch: (url, init) => patient(url, { ...init, dispatcher: new Agent({ headersTimeout: 0, bodyTimeout: 0 }) }) }),
};
const began = Date.now();
const seen = await Promise.all(Object.entries(calls).map(async ([name, call]) => {
  const error = await call().then(() => "answered", (error) => `${error.name}: ${error.message}`);
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(`${name}: after ${seconds} s, ${error}`);
  return error === "answered" ? "answered" : seconds >= 299 && seconds < SILENCE - 5 ? "gave up" : "something else";
}));
process.exit(seen.pop() === "answered" && seen.every((end) => end === "gave up") ? 0 : 1);
NODE
cd "$folder"
node --version
if node try.mjs; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
