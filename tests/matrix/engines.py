"""Engines: how each is started, and what works through the manager. Each cell is what its run has shown."""
import json, re, subprocess, time

from manager import Manager, free_port, until

COLUMNS = ("chat", "stream", "usage", "names", "cancel", "stop")
QUESTION = [{"role": "user", "content": "the people of the world"}]


def chat(model, tokens=8, **more):
    return {"model": model, "messages": QUESTION, "max_tokens": tokens, **more}


class Engine:
    """`command` may hold {port}; `served` is the name by which it knows its model."""

    def __init__(self, name, command, version, extra=None, tokens=8, source="backend"):
        self.name, self.command, self.version, self.extra = name, command, version, extra or {}
        self.tokens, self.source = tokens, source


def said(command, fallback=""):
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except OSError:
        return fallback
    return (output.stdout + output.stderr).strip()


def found(engine, venv, scripts):
    """Those that are installed here."""
    server, models = engine / "llama-server", engine / "models"
    if server.exists() and (models / "tiny-chat.gguf").exists():
        commit = re.search(r"commit (\w+)|\((\w+)\)", said([server, "--version"]))
        version = f"commit {commit[1] or commit[2]}" if commit else "?"
        flags = ["--host", "127.0.0.1", "--port", "{port}", "-t", "1", "-c", "2048"]
        yield Engine("llama.cpp", [str(server), "-m", str(models / "tiny-chat.gguf"), "-a", "tiny-chat", "-np", "1", *flags], version)
        yield Engine("llama.cpp router", [str(server), "--models-dir", str(models), "--models-max", "1", *flags], version, {"served_name": "tiny-chat"})
    python = venv / "bin/python"
    if not python.exists():
        return
    installed = {line["name"].lower(): line["version"] for line in json.loads(said([python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"], "[]"))}
    if "litserve" in installed:
        yield Engine("LitServe", [str(python), str(scripts / "litserve_echo.py"), "{port}"], installed["litserve"], source="estimated")  # it reports zeros


def checks(manager, name, engine):
    """Answers (column, cell) one by one: `yes`, another word for what is right, or `no: why`."""
    def attempt(column, check):
        try:
            return column, check() or "yes"
        except Exception as error:
            return column, f"no: {type(error).__name__}: {error}"[:300]

    def whole():
        status, body = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens), headers={"x-request-id": "whole"})
        assert status == 200, f"status {status}: {body[:200]}"
        assert json.loads(body)["choices"][0]["message"]["content"], body

    def stream():
        status, body = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens, stream=True), headers={"x-request-id": "stream"})
        events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
        assert status == 200 and any(choice["delta"].get("content") for event in events for choice in event["choices"]), body[:300]
        # Usage beside the reason of the end is the engine's own doing.
        asked = [event for event in events if event.get("usage") and not any(choice.get("finish_reason") for choice in event["choices"])]
        assert not asked, f"a usage event that nobody asked for: {asked[0]}"
        assert manager.row("stream")["outcome"] == "ok", manager.row("stream")

    def usage():
        for request_id in ("whole", "stream"):
            row = manager.row(request_id)
            assert row["usage_source"] == engine.source, f"{request_id}: {row['usage_source']}"
            assert row["input_tokens"] and row["output_tokens"], row
        if engine.source != "backend":
            return engine.source
        assert manager.row("whole")["output_tokens"] == manager.row("stream")["output_tokens"], "the two differ"

    def names():
        status, body = manager.call("POST", "/v1/chat/completions", chat("another-name", engine.tokens))
        assert status == 200, f"status {status}: {body[:200]}"

    def cancel():
        client, answer = manager.open("POST", "/v1/chat/completions", chat(name, 20000, stream=True), headers={"x-request-id": "left"})
        answer.read1(10)
        answer.close()
        client.close()
        began = time.monotonic()
        status, _ = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens))
        assert status == 200 and time.monotonic() - began < 8, f"free after {time.monotonic() - began:.1f} s"
        assert manager.row("left")["outcome"] == "client_left", manager.row("left")

    def stop():
        port = manager.model(name)["port"]
        status, body = manager.call("POST", f"/api/models/{name}/stop")
        assert status in (200, 202), f"status {status}: {body[:200]}"
        until("it is stopped", 30, lambda: manager.model(name)["state"] == "stopped")
        listening = said(["ss", "-tlnH", f"sport = :{port}"])
        assert not listening, f"somebody still listens: {listening}"

    for column, check in zip(COLUMNS, (whole, stream, usage, names, cancel, stop)):
        yield attempt(column, check)


def run(binary, engine):
    model = {"aliases": ["another-name"], "port": free_port(), "start_timeout": 120, "Default": {"command": engine.command}, **engine.extra}
    manager = Manager(binary, {"qwen": model})
    try:
        return dict(checks(manager, "qwen", engine))
    finally:
        manager.end()
