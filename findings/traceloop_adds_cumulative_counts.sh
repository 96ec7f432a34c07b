#!/bin/bash
# Surprise: traceloop's tracer adds up the counts of a stream of /v1/messages, which are cumulative: 3 and then 7 tokens, after the 1 that a stream begins
# with, are 11 in the trace. And the input of `message_start` is all that it knows: where the end corrects a first guess of 1000 to 600 (Ollama), or splits it
# into 200 and 800 from the cache (SGLang), the trace keeps 1000, and nothing from the cache. Anthropic's own client and OpenInference let the later count
# replace the earlier one.
# Guess: Anthropic's documentation of message_delta, "The token counts shown in the usage field of the message_delta event are cumulative": the last one counts.
# So: with local engines, traces of one agent show other tokens than those of another; compare with the ledger, not with each other.
# Seen with: opentelemetry-instrumentation-anthropic 0.62.4, openinference-instrumentation-anthropic 3.1.0, anthropic 2.14.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile anthropic==2.14.0 opentelemetry-sdk==1.45.2 \
  opentelemetry-instrumentation-anthropic==0.62.4 openinference-instrumentation-anthropic==3.1.0
cat > "$folder/try.py" <<'PYTHON'
import http.server, importlib, json, sys, threading
import anthropic
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

# The usage of message_start, and of each message_delta.
STREAMS = {
    "steps": ({"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 1}, {"output_tokens": 3}, {"output_tokens": 7}),
    "guess": ({"input_tokens": 1000, "output_tokens": 0}, {"input_tokens": 600, "output_tokens": 7}),
    "split": ({"input_tokens": 1000, "output_tokens": 0}, {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 7}),
}

def events(start, *later):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None, "usage": start}
    yield {"type": "message_start", "message": message}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
    yield {"type": "content_block_stop", "index": 0}
    for usage in later:
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}

class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def do_POST(self):
        usages = STREAMS[json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events(*usages):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
kept, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
tracer, names = {
    "traceloop": ("opentelemetry.instrumentation.anthropic", ("gen_ai.usage.input_tokens", "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.output_tokens")),
    "openinference": ("openinference.instrumentation.anthropic", ("llm.token_count.prompt", "llm.token_count.prompt_details.cache_read", "llm.token_count.completion")),
}[sys.argv[1]]
importlib.import_module(tracer).AnthropicInstrumentor().instrument(tracer_provider=provider)
client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.server_address[1]}", api_key="none", max_retries=0)
seen = {}
for model in STREAMS:
    with client.messages.stream(model=model, max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        usage = stream.get_final_message().usage
    cached = usage.cache_read_input_tokens or 0
    (span,) = kept.get_finished_spans()
    kept.clear()
    # All of the input, the cached part of it, the output: of the client, and of the trace.
    seen[model] = ((usage.input_tokens + cached, cached, usage.output_tokens), tuple(span.attributes.get(name) or 0 for name in names))
print(f"{sys.argv[1]}: {seen}")
right = {"steps": (1000, 800, 7), "guess": (600, 0, 7), "split": (1000, 800, 7)}
traced = {"traceloop": {"steps": (1000, 800, 11), "guess": (1000, 0, 7), "split": (1000, 0, 7)}, "openinference": right}[sys.argv[1]]
raise SystemExit(0 if seen == {model: (right[model], traced[model]) for model in STREAMS} else 1)
PYTHON
for tracer in traceloop openinference; do
  "$folder/venv/bin/python" "$folder/try.py" "$tracer" 2> "$folder/errors" || { tail -n 5 "$folder/errors"; echo "it has changed: adapt what relies on it"; exit 1; }
done
echo "still so"
