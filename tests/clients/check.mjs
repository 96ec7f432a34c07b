// check.mjs URL CHAT_MODEL EMBEDDING_MODEL [KEY]: the official package against a running manager.
// The models may be cold: the first request of each starts it. Ends with "all good".
// CLIENTS_DIR says where node_modules lies.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS_DIR ?? process.cwd()}/`);
const OpenAI = require("openai");

const [url, chat, embedding, apiKey = "none"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, timeout: 120_000, maxRetries: 0 });
const messages = [{ role: "user", content: "the people of the world" }];

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert(names.includes(chat) && names.includes(embedding), names.join());

// Cold.
const answer = await client.chat.completions.create({ model: chat, messages, max_tokens: 8 });
assert(answer.choices[0].message.content);
assert.equal(answer.usage.completion_tokens, 8);
console.log("chat", answer.usage.total_tokens);

let chunks = 0;
for await (const chunk of await client.chat.completions.create({ model: chat, messages, max_tokens: 8, stream: true })) {
  assert(chunk.choices.length > 0, "a chunk without choices: the usage chunk isn't hidden");
  chunks += 1;
}
assert(chunks > 1);

let last;
const withUsage = { model: chat, messages, max_tokens: 8, stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create(withUsage)) last = chunk;
assert.equal(last.usage.completion_tokens, 8);
console.log("streams", chunks, "chunks");

// Leaves in the middle.
const long = await client.chat.completions.create({ model: chat, messages, max_tokens: 20_000, stream: true });
for await (const _ of long) {
  long.controller.abort();
  break;
}

const vectors = await client.embeddings.create({
  model: embedding,
  input: ["the people", "first day"],
  encoding_format: "float",
});
assert.equal(vectors.data.length, 2);
assert(vectors.data[0].embedding.length > 0);
console.log("embeddings", vectors.data[0].embedding.length);

await assert.rejects(client.chat.completions.create({ model: "nobody", messages }), (error) => {
  assert(error instanceof OpenAI.NotFoundError, String(error));
  assert.equal(error.code, "model_not_found");
  return true;
});
await assert.rejects(client.chat.completions.create({ model: embedding, messages }), (error) => {
  assert(error instanceof OpenAI.BadRequestError, String(error));
  assert.equal(error.code, "mode_mismatch");
  return true;
});
console.log("errors");
console.log("all good");
