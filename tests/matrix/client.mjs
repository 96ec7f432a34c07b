// client.mjs CLIENT URL MODEL: one client for Node against a manager; prints the same as client.py. Run in the folder of its
// node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [name, url, model] = process.argv.slice(2);
const folder = process.cwd();
const require = createRequire(join(folder, "package.json"));
const load = async (wanted) => import(pathToFileURL(require.resolve(wanted)).href);
const version = (wanted) => JSON.parse(readFileSync(join(folder, "node_modules", wanted, "package.json"))).version;
const messages = [{ role: "user", content: "the people of the world" }];

async function openai() {
  const { default: OpenAI } = await load("openai");
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const answer = await client.chat.completions.create({ model, messages, max_tokens: 8 });
  const stream = client.chat.completions.stream({ model, messages, max_tokens: 8 });
  const whole = await stream.finalChatCompletion();
  return ["openai", answer.choices[0].message.content, whole.choices[0].message.content, answer.usage.completion_tokens];
}

async function anthropic() {
  const { default: Anthropic } = await load("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const answer = await client.messages.create({ model, messages, max_tokens: 8 });
  const stream = await client.messages.stream({ model, messages, max_tokens: 8 }).finalMessage();
  return ["@anthropic-ai/sdk", answer.content[0].text, stream.content[0].text, answer.usage.output_tokens];
}

async function ollama() {
  const { Ollama } = await load("ollama");
  const client = new Ollama({ host: url });
  const options = { num_predict: 8 };
  const answer = await client.chat({ model, messages, options });
  let text = "";
  for await (const piece of await client.chat({ model, messages, options, stream: true })) text += piece.message.content;
  return ["ollama", answer.message.content, text, answer.eval_count];
}

async function aiSdk() {
  const { generateText, streamText } = await load("ai");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const provider = createOpenAICompatible({ name: "manager", baseURL: `${url}/v1`, apiKey: "none" });
  const asked = { model: provider(model), messages, maxOutputTokens: 8, maxRetries: 0 };
  const answer = await generateText(asked);
  const stream = streamText(asked);
  const text = await stream.text;
  if (!["length", "stop"].includes(await stream.finishReason)) throw new Error(`it ended by ${await stream.finishReason}`);
  return ["ai", answer.text, text, answer.usage.outputTokens];
}

const known = { "openai-node": openai, "anthropic-node": anthropic, "ollama-js": ollama, "AI SDK": aiSdk };
const [wanted, chat, stream, output_tokens] = await known[name]();
console.log(JSON.stringify({ version: version(wanted), chat, stream, output_tokens }));
