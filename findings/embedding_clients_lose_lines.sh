#!/bin/bash
# Surprise: LlamaIndex (Python), mem0 and @langchain/openai replace each line break of a text by a blank before they ask for its vector, for any model and address.
# Code in Python, a table in Markdown, a list, a poem are other texts then; of CR LF the CR stays. Nothing tells it; the same text by LangChain (Python)
# or @llamaindex/openai keeps its lines, so that an index that was made by one and is asked by another compares two different texts.
# Guess: what is given is what is sent.
# So: one library for both, or @langchain/openai with `stripNewLines: false`; the other two have no switch: the server's own log shows what came.
# Seen with: llama-index-embeddings-openai 0.6.0, mem0ai 2.2.1, langchain-openai 1.7.4 (Python), @langchain/openai 1.5.8, @llamaindex/openai 0.4.22 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile uv==0.13.9
# pip takes minutes to choose among their versions.
VIRTUAL_ENV=$folder/venv "$folder/venv/bin/uv" pip install --quiet llama-index-embeddings-openai-like==0.4.0 llama-index-embeddings-openai==0.6.0 mem0ai==2.2.1 \
  langchain-openai==1.7.4
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" @langchain/openai@1.5.8 @langchain/core@1.4.0 @llamaindex/openai@0.4.22
cat > "$folder/try.mjs" <<'NODE'
import { OpenAIEmbeddings } from "@langchain/openai";
import { OpenAIEmbedding } from "@llamaindex/openai";
const [baseURL, library, text] = process.argv.slice(2);
if (library === "@llamaindex/openai") {
  await new OpenAIEmbedding({ model: "m", apiKey: "k", baseURL }).getTextEmbeddings([text]);
} else {
  const more = library.includes("stripNewLines") ? { stripNewLines: false } : {};
  await new OpenAIEmbeddings({ model: "m", apiKey: "k", configuration: { baseURL }, ...more }).embedDocuments([text]);
}
process.exit(0);
NODE
cat > "$folder/try.py" <<'PYTHON'
import base64, http.server, importlib.metadata, json, logging, os, struct, subprocess, sys, threading, warnings

folder, sent = sys.argv[1], []
os.environ.update(HOME=folder, MEM0_TELEMETRY="False")
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
TEXT = "def f(x):\n    return x\r\n"
VECTOR = [0.5, 0.25]

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        sent.extend(texts)
        vector = base64.b64encode(struct.pack("<2f", *VECTOR)).decode() if asked.get("encoding_format") == "base64" else VECTOR
        body = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))],
                "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        answer = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"

def llama_index():
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding
    OpenAILikeEmbedding(model_name="m", api_base=url, api_key="k").get_text_embedding(TEXT)

def mem0():
    from mem0.configs.embeddings.base import BaseEmbedderConfig
    from mem0.embeddings.openai import OpenAIEmbedding
    OpenAIEmbedding(BaseEmbedderConfig(model="m", api_key="k", openai_base_url=url, embedding_dims=2)).embed(TEXT)

def langchain():
    from langchain_openai import OpenAIEmbeddings
    OpenAIEmbeddings(model="m", base_url=url, api_key="k", check_embedding_ctx_length=False).embed_documents([TEXT])

def node(library):
    return lambda: subprocess.run(["node", folder + "/try.mjs", url, library, TEXT], check=True)

PYTHON = {"llama-index-embeddings-openai": llama_index, "mem0ai": mem0, "langchain-openai": langchain}
NODE = ("@langchain/openai", "@langchain/openai, stripNewLines: false", "@llamaindex/openai")
print({name: importlib.metadata.version(name) for name in PYTHON}, {name: json.load(open(f"{folder}/node_modules/{name}/package.json"))["version"] for name in NODE[::2]})
seen = {}
for name, ask in [*PYTHON.items(), *((name, node(name)) for name in NODE)]:
    sent.clear()
    ask()
    seen[name] = set(sent)
    print(f"{name}: {sent}")
changed = {name for name, texts in seen.items() if texts == {"def f(x):     return x\r "}}
kept = {name for name, texts in seen.items() if texts == {TEXT}}
sys.stdout.flush()
# Some of them leave threads behind.
os._exit(0 if changed == {"llama-index-embeddings-openai", "mem0ai", "@langchain/openai"} and kept == set(seen) - changed else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
