"""scripted.py PORT: a model that does what agents need: asked to ("please-run-it"), it calls the shell that it is offered, then it says
a sentence. It speaks chat completions, OpenAI's responses and Anthropic's messages, as a stream or whole; the real engines' tiny
models can't choose a tool, and the prompts of agents take them minutes."""
import http.server, json, sys

WORDS = [" the", " people", " of", " the", " world"]
CALL_TOKENS, TITLE = 7, [" a", " title", " only"]
COMMAND = "echo said-by-the-tool > said.txt"


def offered(body):
    """The shell among its tools, with what it wants to know: its name and arguments."""
    for tool in body.get("tools") or []:
        tool = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        known = (tool.get("parameters") or tool.get("input_schema") or {}).get("properties", {})
        for field in ("cmd", "command"):
            if field in known and any(word in tool["name"].lower() for word in ("bash", "shell", "exec")):
                command = ["sh", "-c", COMMAND] if known[field].get("type") == "array" else COMMAND
                arguments = {field: command, "description": "says it", "is_background": False}
                return tool["name"], json.dumps({name: value for name, value in arguments.items() if name in known})


def answer(body):
    """The words to say, or the tool to call. What has no tools is asked for beside the point: a title, say."""
    text = json.dumps(body.get("messages") or body.get("input") or "")
    done = any(mark in text for mark in ('"tool_result"', '"role": "tool"', '"function_call_output"'))
    tool = offered(body)
    if tool and "please-run-it" in text and not done:
        return [], tool, CALL_TOKENS
    words = WORDS if body.get("tools") or "Say hello" in text and "itle" not in text else TITLE
    return words, None, len(words)


def chat(body):
    words, tool, tokens = answer(body)
    about = {"id": "chatcmpl-1", "created": 1, "model": body.get("model")}
    usage = {"prompt_tokens": 40, "completion_tokens": tokens, "total_tokens": 40 + tokens}
    call = tool and {"id": "call_1", "type": "function", "function": {"name": tool[0], "arguments": tool[1]}}
    reason = "tool_calls" if tool else "stop"
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(words) or None, **({"tool_calls": [call]} if tool else {})}
        return {**about, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}
    deltas = [{"role": "assistant", "content": None}, *({"content": word} for word in words)]
    if tool:
        half = len(tool[1]) // 2
        deltas.append({"tool_calls": [{"index": 0, **call, "function": {"name": tool[0], "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in (tool[1][:half], tool[1][half:])]
    about["object"] = "chat.completion.chunk"
    chunks = [{**about, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**about, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**about, "choices": [], "usage": usage})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


def events(made):
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in made]


def messages(body):
    words, tool, tokens = answer(body)
    usage = {"input_tokens": 40, "output_tokens": tokens}
    block = {"type": "tool_use", "id": "toolu_1", "name": tool[0], "input": json.loads(tool[1])} if tool else {"type": "text", "text": "".join(words)}
    reason = "tool_use" if tool else "end_turn"
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model"), "content": [block], "stop_reason": reason, "stop_sequence": None, "usage": usage}
    if not body.get("stream"):
        return message
    start = {**block, "input": {}} if tool else {**block, "text": ""}
    deltas = [{"type": "input_json_delta", "partial_json": tool[1]}] if tool else [{"type": "text_delta", "text": word} for word in words]
    return events([
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 0}}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ])


def responses(body):
    words, tool, tokens = answer(body)
    usage = {"input_tokens": 40, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": tokens, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 40 + tokens}
    part = {"type": "output_text", "text": "".join(words), "annotations": []}
    if tool:
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": tool[0], "arguments": tool[1], "status": "completed"}
        begun, place = {**item, "arguments": "", "status": "in_progress"}, {"item_id": "fc_1", "output_index": 0}
        between = [{"type": "response.function_call_arguments.delta", **place, "delta": tool[1]},
                   {"type": "response.function_call_arguments.done", **place, "arguments": tool[1]}]
    else:
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        begun, place = {**item, "content": [], "status": "in_progress"}, {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        between = [{"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
                   *({"type": "response.output_text.delta", **place, "delta": word} for word in words),
                   {"type": "response.output_text.done", **place, "text": part["text"]}, {"type": "response.content_part.done", **place, "part": part}]
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": body.get("model"), "status": "completed", "output": [item], "usage": usage}
    if not body.get("stream"):
        return whole
    begin = {**whole, "status": "in_progress", "output": [], "usage": None}
    made = [{"type": "response.created", "response": begin}, {"type": "response.in_progress", "response": begin},
            {"type": "response.output_item.added", "output_index": 0, "item": begun}, *between,
            {"type": "response.output_item.done", "output_index": 0, "item": item}, {"type": "response.completed", "response": whole}]
    return events([{**event, "sequence_number": number} for number, event in enumerate(made)])


ENDPOINTS = {"/v1/chat/completions": chat, "/v1/messages": messages, "/v1/responses": responses,
             "/v1/messages/count_tokens": lambda body: {"input_tokens": 40}}


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, said, status=200):
        kind, body = ("text/event-stream", "".join(said)) if isinstance(said, list) else ("application/json", json.dumps(said))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        self.send({"status": "ok", "object": "list", "data": [{"id": "tiny-chat", "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint = ENDPOINTS.get(self.path.split("?")[0])
        self.send(endpoint(body)) if endpoint else self.send({"error": {"message": f"no {self.path}"}}, 404)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
