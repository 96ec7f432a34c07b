#!/bin/bash
# Surprise: two readers of the Prometheus text that engines print change what they read, without a word. prometheus_client (Python) adds `_total` to
# a counter's name, so that `llamacpp:n_tokens_max`, which llama-server declares a counter, isn't found by its name.
# parse-prometheus-text-format (Node) throws the labels of a histogram away, with its sum and count: of two models' times, as vLLM prints
# them, those of the last remain, and nothing says whose.
# Guess: names and labels come back as they are written; what isn't understood is an error.
# So: ask by both names in Python; in Node read a histogram's lines oneself.
# Seen with: prometheus_client 0.26.0 (Python), parse-prometheus-text-format 1.1.1 (Node), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install prometheus-client==0.26.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" parse-prometheus-text-format@1.1.1)
cat > "$folder/try.mjs" <<'NODE'
import parse from "parse-prometheus-text-format";
console.log(JSON.stringify(parse(process.argv[2])));
NODE
cat > "$folder/try.py" <<'PYTHON'
import json, subprocess, sys
from prometheus_client.parser import text_string_to_metric_families

COUNTERS = """# TYPE llamacpp:n_tokens_max counter
llamacpp:n_tokens_max 59
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 32
"""
HISTOGRAM = "# TYPE vllm:e2e_request_latency_seconds histogram\n" + "".join(
    f'vllm:e2e_request_latency_seconds_bucket{{le="1.0",model_name="{model}"}} {few}\n'
    f'vllm:e2e_request_latency_seconds_bucket{{le="+Inf",model_name="{model}"}} {all}\n'
    f'vllm:e2e_request_latency_seconds_sum{{model_name="{model}"}} {seconds}\n'
    f'vllm:e2e_request_latency_seconds_count{{model_name="{model}"}} {all}\n'
    for model, few, all, seconds in (("small", 90, 100, 70.5), ("large", 1, 5, 31.0)))

def samples(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

def by_node(text):
    return json.loads(subprocess.run(["node", sys.argv[1], text], capture_output=True, text=True, check=True).stdout)

names = [sample.name for sample in samples(COUNTERS)]
print(f"Python, the counters: {names}; Node: {[family['name'] for family in by_node(COUNTERS)]}")
python, node = samples(HISTOGRAM), by_node(HISTOGRAM)[0]["metrics"]
print(f"Python, two models' histograms: {len(python)} samples with labels; Node: {json.dumps(node)}")
right = names == ["llamacpp:n_tokens_max_total", "llamacpp:tokens_predicted_total"]
right = right and len(python) == 8 and node == [{"buckets": {"1.0": "1", "+Inf": "5"}}]
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
