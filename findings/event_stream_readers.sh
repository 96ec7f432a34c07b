#!/bin/bash
# Surprise: three readers of event streams hand on different events. `event: ping` without data is an event with empty text for httpx-sse, which then
# isn't JSON, and none for the others. An event whose blank line is missing at the end, as of a stream that broke off, is one for sseclient-py and is dropped by
# the others. Lines that end by a carriage return alone lose the last event for eventsource-parser; a byte order mark costs all three the first one.
# Guess: all do as the standard says: no data, no event; an unfinished event is dropped; the mark is skipped.
# So: a server sends data with each event, ends each by a blank line, `[DONE]` too, and sends no mark.
# Seen with: httpx-sse 0.4.3, sseclient-py 1.9.0 (Python), eventsource-parser 3.1.1 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile httpx-sse==0.4.3 httpx==0.28.1 sseclient-py==1.9.0
npm install --silent --no-fund --no-audit --prefix "$folder" eventsource-parser@3.1.1
cat > "$folder/try.mjs" <<'NODE'
import { createParser } from "eventsource-parser";
const told = [];
for (const text of JSON.parse(process.argv[2])) {
  const events = [], parser = createParser({ onEvent: event => events.push(event.data) });
  parser.feed(text);
  told.push(events);
}
console.log(JSON.stringify(told));
NODE
cat > "$folder/try.py" <<'PYTHON'
import json, subprocess, sys
import httpx, httpx_sse, sseclient

CASES = {
    "as usual": ("data: a\n\ndata: b\n\n", ["a", "b"]),
    "a comment": (": loading\n\ndata: a\n\n", ["a"]),
    "an event without data": ("event: ping\n\ndata: a\n\n", ["a"]),
    "no blank line at the end": ("data: a\n\ndata: b\n", ["a"]),
    "carriage returns": ("data: a\r\rdata: b\r\r", ["a", "b"]),
    "a byte order mark": ("\ufeffdata: a\n\ndata: b\n\n", ["a", "b"]),
}

def by_httpx(text):
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=text.encode())
    return [event.data for event in httpx_sse.EventSource(answer).iter_sse()]

def by_sseclient(text):
    return [event.data for event in sseclient.SSEClient(iter([text.encode()])).events()]

node = json.loads(subprocess.run(["node", sys.argv[1], json.dumps([text for text, _ in CASES.values()])], capture_output=True, text=True, check=True).stdout)
seen = {}
for (name, (text, standard)), third in zip(CASES.items(), node):
    seen[name] = (by_httpx(text), by_sseclient(text), third)
    print(f"{name}: the standard {standard}, httpx-sse {seen[name][0]}, sseclient-py {seen[name][1]}, eventsource-parser {third}")
wanted = {
    "as usual": (["a", "b"],) * 3,
    "a comment": (["a"],) * 3,
    "an event without data": (["", "a"], ["a"], ["a"]),
    "no blank line at the end": (["a"], ["a", "b"], ["a"]),
    "carriage returns": (["a", "b"], ["a", "b"], ["a"]),
    "a byte order mark": (["b"],) * 3,
}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
