#!/bin/bash
# Surprise: three tracers measure durations in seconds, as the conventions for generative AI want it, into OpenTelemetry's default buckets, whose bounds
# (5, 10, 25, ... 10000) are meant for milliseconds. Whatever takes less than 5 s lies in one bucket: for requests of 0.3 s `histogram_quantile(0.95, ...)` says 4.75 s,
# and it says the same for 3 s. Prompts of more than 10000 tokens all lie beyond the last bound. pydantic-ai has bounds of its own for tokens.
# Guess: the bounds that stand beside these metrics in the conventions (0.01 to 81.92 s; 1 to 67108864 tokens), which an instrument can bring along.
# So: alerts on such a quantile are on or off for ever; give the MeterProvider Views with bounds of your own, or ask the manager's /metrics.
# Seen with: opentelemetry-instrumentation-openai 0.62.4, opentelemetry-instrumentation-anthropic 0.62.4, litellm 1.110.2, pydantic-ai-slim 2.68.0,
# opentelemetry-sdk 1.45.2, openai 3.57.0, anthropic 2.14.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile openai==3.57.0 anthropic==2.14.0 opentelemetry-sdk==1.45.2 \
  opentelemetry-instrumentation-openai==0.62.4 opentelemetry-instrumentation-anthropic==0.62.4
python3 -m venv "$folder/others"
"$folder/others/bin/pip" --disable-pip-version-check --quiet install --no-compile litellm==1.110.2 'pydantic-ai-slim[openai]==2.68.0' opentelemetry-sdk==1.45.2
cat > "$folder/try.py" <<'PYTHON'
import http.server, json, os, sys, threading, time

CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 30000, "completion_tokens": 7, "total_tokens": 30007}}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
           "stop_sequence": None, "usage": {"input_tokens": 30000, "output_tokens": 7}}

class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(MESSAGE if self.path.endswith("/messages") else CHAT).encode()
        time.sleep(0.3)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}"
words = [{"role": "user", "content": "hi"}]
os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_OTEL_INTEGRATION_ENABLE_METRICS="true")
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
meters = MeterProvider(metric_readers=[reader])
who = sys.argv[1]
if who == "traceloop, openai":
    import openai
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument(meter_provider=meters)
    openai.OpenAI(base_url=url + "/v1", api_key="none").chat.completions.create(model="m", messages=words)
elif who == "traceloop, anthropic":
    import anthropic
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    AnthropicInstrumentor().instrument(meter_provider=meters)
    anthropic.Anthropic(base_url=url, api_key="none").messages.create(model="m", max_tokens=9, messages=words)
elif who == "litellm":
    metrics.set_meter_provider(meters)
    import litellm
    litellm.callbacks = ["otel"]
    litellm.completion(model="openai/m", api_base=url + "/v1", api_key="none", messages=words)
else:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.capabilities import Instrumentation
    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url + "/v1", api_key="none"))
    Agent(model, capabilities=[Instrumentation(settings=InstrumentationSettings(meter_provider=meters))]).run_sync("hi")

def points():
    data = reader.get_metrics_data()
    of = lambda scope: ((metric.name, metric.unit, point) for metric in scope.metrics for point in metric.data.data_points if hasattr(point, "explicit_bounds"))
    return [point for resource in (data.resource_metrics if data else []) for scope in resource.scope_metrics for point in of(scope)]

wanted = {"gen_ai.client.operation.duration"} if "anthropic" in who else {"gen_ai.client.token.usage"} if who == "pydantic-ai" else {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}
deadline = time.monotonic() + 20
found = []
while not wanted <= {name for name, *_ in found} and time.monotonic() < deadline:
    found = points()
    time.sleep(0.2)
DEFAULT = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000]
right = wanted <= {name for name, *_ in found}
for name, unit, point in found:
    if name not in wanted:
        continue
    bounds, counts = [*point.explicit_bounds], [*point.bucket_counts]
    at = counts.index(1)
    print(f"{who}: {name} ({unit}): {point.sum:.4g} lies between {([float('-inf')] + bounds)[at]:g} and {(bounds + [float('inf')])[at]:g}")
    right &= (bounds == DEFAULT) == (who != "pydantic-ai")
    if name.endswith("duration"):
        right &= unit == "s" and 0.3 <= point.sum < 5 and at == 1
    elif point.sum == 30000:
        right &= (at == len(bounds)) == (who != "pydantic-ai")
os._exit(0 if right else 1)
PYTHON
try() {
  "$folder/$1/bin/python" "$folder/try.py" "$2" 2> "$folder/errors" || { tail -n 5 "$folder/errors"; echo "it has changed: adapt what relies on it"; exit 1; }
}
try venv "traceloop, openai"
try venv "traceloop, anthropic"
try others litellm
try others pydantic-ai
echo "still so"
