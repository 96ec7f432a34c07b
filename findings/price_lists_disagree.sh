#!/bin/bash
# Surprise: libraries of prices make different sums of the same usage. Of 8000 cached input tokens in 10000, tokencost knows nothing (40% too much for gpt-4o),
# and nothing of the higher price of gemini-2.5-pro above 200000 tokens (half the sum). And a model on one's own machine has a price by its name alone: LiteLLM and pydantic-ai say
# 90 dollars for two million tokens of a `gpt-4` at 127.0.0.1, pydantic-ai also prices a `gpt-oss-20b`, genai-prices a `deepseek-r1:7b` as DeepSeek's largest.
# Guess: the same sum; and no price for an address that isn't the provider's.
# So: the cost that these clients and their traces tell of local models is made up; LLM-Manager's ledger has that of the configured prices.
# Seen with: litellm 1.110.2 (with the prices that it ships), genai-prices 0.2.3, tokencost 0.1.26, pydantic-ai 2.68.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile litellm==1.110.2 genai-prices==0.2.3 tokencost==0.1.26 'pydantic-ai-slim[openai]==2.68.0'
cat > "$folder/try.py" <<'PYTHON'
import http.server, importlib.metadata, json, threading
import genai_prices, litellm
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from tokencost import calculate_cost_by_tokens

def by_genai_prices(model, read, written, cached):
    usage = genai_prices.Usage(input_tokens=read, output_tokens=written, cache_read_tokens=cached)
    return float(genai_prices.calc_price(usage, model_ref=model).total_price)

def by_litellm(model, read, written, cached):
    return sum(litellm.cost_per_token(model=model, prompt_tokens=read, completion_tokens=written, cache_read_input_tokens=cached))

def by_tokencost(model, read, written, cached):
    return float(calculate_cost_by_tokens(read, model, "input") + calculate_cost_by_tokens(written, model, "output"))

class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        message = {"role": "assistant", "content": "hi"}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                           "usage": {"prompt_tokens": 10**6, "completion_tokens": 10**6, "total_tokens": 2 * 10**6}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
url, litellm.suppress_debug_info = f"http://127.0.0.1:{server.server_port}/v1", True

def local_by_litellm(model):
    answer = litellm.completion(model="openai/" + model, api_base=url, api_key="k", messages=[{"role": "user", "content": "hi"}])
    return answer._hidden_params.get("response_cost")

def local_by_pydantic_ai(model):
    answer = Agent(OpenAIChatModel(model, provider=OpenAIProvider(base_url=url, api_key="k"))).run_sync("hi").all_messages()[-1]
    try:
        return float(answer.cost().total_price)
    except LookupError:
        return None

print({name: importlib.metadata.version(name) for name in ("litellm", "genai-prices", "tokencost", "pydantic-ai-slim")})
dollars = lambda sum: None if sum is None else round(sum, 6)
seen = {}
for case in (("gpt-4o", 10000, 1000, 0), ("gpt-4o", 10000, 1000, 8000), ("gemini-2.5-pro", 300000, 1000, 0)):
    seen[case] = [dollars(library(*case)) for library in (by_genai_prices, by_litellm, by_tokencost)]
    print(f"{case[0]}, {case[1]} tokens read ({case[3]} from the cache), {case[2]} written: genai-prices, LiteLLM, tokencost say {seen[case]}")
for model in ("gpt-4", "gpt-oss-20b", "qwen3-32b"):
    seen[model] = [dollars(local_by_litellm(model)), dollars(local_by_pydantic_ai(model))]
    print(f"a local {model}, a million in, a million out: LiteLLM, pydantic-ai say {seen[model]}")
seen["deepseek-r1:7b"] = dollars(by_genai_prices("deepseek-r1:7b", 10**6, 10**6, 0))
print(f"deepseek-r1:7b: genai-prices says {seen['deepseek-r1:7b']}")
wanted = [[0.035] * 3, [0.025, 0.025, 0.035], [0.765, 0.765, 0.385], [90.0, 90.0], [None, 0.169], [None, None], 2.74]
raise SystemExit(0 if list(seen.values()) == wanted else 1)
PYTHON
if LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/venv/bin/python" "$folder/try.py" 2> "$folder/errors"; then
  echo "still so"
else
  tail -n 5 "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
