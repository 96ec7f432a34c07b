"""Clients that are programs: each is run as its users run it, in a folder and a home of its own, and told where the manager is."""
import collections, contextlib, http.client, json, os, pathlib, re, shutil, signal, subprocess, tempfile

import engines
from manager import free_port, until

COLUMNS = ("chat", "stream", "tools", "usage", "outcome")
AGENT, TINY = "agent", "tiny-chat"  # models: scripted.py, llama.cpp
HELLO, RUN = "Say hello.", "Use the shell: please-run-it."
SENTENCE = "the people of the world"
TITLE_TOKENS = 3  # what scripted.py says to requests beside the point

# What a program has shown: `told`: tokens of the answers, None if it doesn't say; `tool`: whether its tool was run, None if it has none.
Shown = collections.namedtuple("Shown", "text told tool", defaults=(None, None))


class Run:
    """One program's folder, environment, and manager."""

    def __init__(self, url, path, tokenizer):
        self.url, self.path, self.tokenizer = url, path, tokenizer
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="llm-manager-matrix-program-"))
        self.work = self.home / "work"
        self.work.mkdir()

    def env(self, more):
        return {"HOME": str(self.home), "PATH": f"{self.path}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "200", **more}

    def start(self, *command, **env):
        program = shutil.which(command[0], path=self.path)
        return subprocess.Popen([program, *command[1:]], cwd=self.work, env=self.env(env), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def __call__(self, *command, **env):
        """What it printed."""
        process = self.start(*command, **env)
        try:
            output = process.communicate(timeout=240)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 0, f"exit code {process.returncode}: {output.strip()[-300:]}"
        return output

    def file(self, name, text):
        file = self.home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def tool_ran(self):
        said = self.work / "said.txt"
        return said.exists() and said.read_text() == "said-by-the-tool\n"

    def end(self):
        shutil.rmtree(self.home, ignore_errors=True)


def lines(output):
    """Those that are JSON."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def codex(run):
    run.file(".codex/config.toml", f'model = "{AGENT}"\nmodel_provider = "x"\n[model_providers.x]\nname = "x"\nbase_url = "{run.url}/v1"\nwire_api = "responses"\nenv_key = "KEY"\n')
    asked = ("codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    events = lines(run(*asked, HELLO, KEY="none")) + lines(run(*asked, RUN, KEY="none"))
    texts = [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]
    return Shown(texts, sum(event["usage"]["output_tokens"] for event in events if event["type"] == "turn.completed"), run.tool_ran())


def claude_code(run):
    env = {"ANTHROPIC_BASE_URL": run.url, "ANTHROPIC_AUTH_TOKEN": "none", "ANTHROPIC_MODEL": AGENT, "ANTHROPIC_DEFAULT_HAIKU_MODEL": AGENT,
           "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    said = [lines(run("claude", "-p", "--output-format", "json", "--allowedTools", "Bash", "--", prompt, **env))[-1] for prompt in (HELLO, RUN)]
    told = sum(use["outputTokens"] for one in said for use in one["modelUsage"].values())
    return Shown([one["result"] for one in said], told, run.tool_ran())


def opencode(run):
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "x", "options": {"baseURL": f"{run.url}/v1", "apiKey": "none"}, "models": {AGENT: {}}}
    run.file("work/opencode.json", json.dumps({"model": f"x/{AGENT}", "provider": {"x": provider}}))
    events = [event for prompt in (HELLO, RUN) for event in lines(run("opencode", "run", "--format", "json", prompt))]
    texts = [event["part"]["text"] for event in events if event["type"] == "text"]
    return Shown(texts, sum(event["part"]["tokens"]["output"] for event in events if event["type"] == "step_finish"), run.tool_ran())


def qwen_code(run):
    # Else it asks once more behind each answer, for what is worth remembering, and counts that only if it is done in time.
    run.file(".qwen/settings.json", json.dumps({"memory": {"enableManagedAutoMemory": False}}))
    env = {"OPENAI_BASE_URL": f"{run.url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": AGENT}
    ends = []
    for prompt in (HELLO, RUN):
        output = run("qwen", "--auth-type", "openai", "--yolo", "-o", "json", prompt, **env)
        ends.append(json.loads(output[output.index("[{"):].splitlines()[0])[-1])
    return Shown([end["result"] for end in ends], sum(end["usage"]["output_tokens"] for end in ends), run.tool_ran())


def aider(run):
    env = {"OPENAI_API_BASE": f"{run.url}/v1", "OPENAI_API_KEY": "none"}
    asked = ("aider", "--model", f"openai/{AGENT}", "--yes-always", "--no-git", "--no-show-model-warnings", "--analytics-disable", "--no-check-update", "--no-show-release-notes")
    outputs = [run(*asked, way, "--message", HELLO, **env) for way in ("--no-stream", "--stream")]
    texts = [next((line for line in output.splitlines() if SENTENCE in line), "") for output in outputs]
    # Of a stream it tells its own estimate, which is another matter.
    return Shown(texts, 2 * int(re.search(r"([\d.]+) received", outputs[0])[1]))


def continue_dev(run):
    model = {"name": AGENT, "provider": "openai", "model": AGENT, "apiBase": f"{run.url}/v1", "apiKey": "none", "roles": ["chat"]}
    config = run.file(".continue/config.yaml", json.dumps({"name": "x", "version": "1.0.0", "schema": "v1", "models": [model]}))
    env = {"CONTINUE_TELEMETRY_ENABLED": "0"}
    return Shown([run("cn", "--config", str(config), "--allow", "Bash", "-p", prompt, **env) for prompt in (HELLO, RUN)], None, run.tool_ran())


def promptfoo(run):
    provider = {"id": f"openai:chat:{TINY}", "config": {"apiBaseUrl": f"{run.url}/v1", "apiKey": "none", "max_tokens": 8}}
    config = run.file("work/promptfooconfig.yaml", json.dumps({"prompts": [HELLO], "providers": [provider], "tests": [{"vars": {}}]}))
    run("promptfoo", "eval", "-c", str(config), "--no-cache", "-o", "said.json", PROMPTFOO_DISABLE_TELEMETRY="1", PROMPTFOO_DISABLE_UPDATE="1")
    said = json.loads((run.work / "said.json").read_text())["results"]
    return Shown([one["response"]["output"] for one in said["results"]], said["stats"]["tokenUsage"]["completion"])


def guidellm(run):
    run("guidellm", "run", "--backend", f"kind=openai_http,target={run.url},model={TINY}", "--profile", "kind=synchronous", "--constraint", "kind=max_requests,count=2",
        "--data", "kind=synthetic_text,prompt_tokens=16,output_tokens=8", "--tokenizer", f"kind=huggingface_auto,model={run.tokenizer}",
        "--output", "kind=json,path=said.json", "--disable-console-interactive", HF_HUB_OFFLINE="1")
    done = json.loads((run.work / "said.json").read_text())["benchmarks"][0]["requests"]["successful"]
    return Shown([one["output"] for one in done], sum(one["output_metrics"]["total_tokens"] for one in done))


def aiperf(run):
    # With HF_HUB_OFFLINE it doesn't take a folder for its tokenizer.
    run("aiperf", "profile", "-m", TINY, "--endpoint-type", "chat", "--streaming", "-u", run.url, "--tokenizer", str(run.tokenizer), "--request-count", "2",
        "--concurrency", "1", "--synthetic-input-tokens-mean", "16", "--output-tokens-mean", "8", "--output-artifact-dir", "said", "--ui", "none",
        "--use-server-token-count", "--export-outputs-json")
    said = json.loads((run.work / "said/profile_export_aiperf.json").read_text())
    outputs = (run.work / "said/outputs.json").read_text()
    return Shown([outputs] * int(said["request_count"]["avg"]), int(said["total_usage_completion_tokens"]["avg"]))


def open_webui(run, **connection):
    port = free_port()
    env = {"DATA_DIR": str(run.home / "data"), "HF_HUB_OFFLINE": "1", "ENABLE_OLLAMA_API": "false", "ENABLE_OPENAI_API": "false", **connection}
    log = run.home / "log"
    with log.open("w") as output:
        command = [shutil.which("open-webui", path=run.path), "serve", "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, cwd=run.work, env=run.env(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    headers = {"Content-Type": "application/json"}

    def call(method, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        with contextlib.closing(client):
            client.request(method, path, body and json.dumps(body), headers)
            answer = client.getresponse()
            said = answer.read().decode()
            assert answer.status == 200, f"{path}: {answer.status} {said[:200]}"
            return said

    def serves():
        assert server.poll() is None, log.read_text()[-300:]
        with contextlib.suppress(OSError, AssertionError):
            return call("GET", "/health")

    try:
        until("Open WebUI serves", 240, serves)
        account = {"name": "a", "email": "a@example.com", "password": "Word-of-the-matrix-1"}
        headers["Authorization"] = "Bearer " + json.loads(call("POST", "/api/v1/auths/signup", account))["token"]
        name = next(model["id"] for model in json.loads(call("GET", "/api/models"))["data"] if model["id"].split(":")[0] == TINY)
        asked = {"model": name, "messages": [{"role": "user", "content": HELLO}], "max_tokens": 8}
        whole = json.loads(call("POST", "/api/chat/completions", asked))
        chunks = lines(call("POST", "/api/chat/completions", {**asked, "stream": True}).replace("data: {", "{"))
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", []))
        return Shown([whole["choices"][0]["message"]["content"], text], 2 * whole["usage"]["completion_tokens"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def open_webui_openai(run):
    return open_webui(run, ENABLE_OPENAI_API="true", OPENAI_API_BASE_URL=f"{run.url}/v1", OPENAI_API_KEY="none")


def open_webui_ollama(run):
    return open_webui(run, ENABLE_OLLAMA_API="true", OLLAMA_BASE_URL=run.url)


# Row: program, package of Python or of Node, how it is used, model.
PROGRAMS = {
    "Codex": ("codex", "@openai/codex", codex, AGENT), "Claude Code": ("claude", "@anthropic-ai/claude-code", claude_code, AGENT),
    "opencode": ("opencode", "opencode-ai", opencode, AGENT), "qwen-code": ("qwen", "@qwen-code/qwen-code", qwen_code, AGENT),
    "aider": ("aider", "aider-chat", aider, AGENT), "Continue (cn)": ("cn", "@continuedev/cli", continue_dev, AGENT),
    "promptfoo": ("promptfoo", "promptfoo", promptfoo, TINY), "guidellm": ("guidellm", "guidellm", guidellm, TINY), "aiperf": ("aiperf", "aiperf", aiperf, TINY),
    "Open WebUI": ("open-webui", "open-webui", open_webui_openai, TINY), "Open WebUI, Ollama's API": ("open-webui", "open-webui", open_webui_ollama, TINY),
}


def found(venvs, nodes):
    """Name, version, folders of programs."""
    for name, (program, package, _, _) in PROGRAMS.items():
        for venv in venvs:
            if (venv / "bin" / program).exists() and (version := engines.installed(venv / "bin/python").get(package)):
                yield name, version, str(venv / "bin")
                break
        else:
            for folder in nodes:
                modules = folder / "node_modules"
                if (modules / ".bin" / program).exists():
                    # Many want a newer Node than Debian's: the package `node` has one.
                    path = ":".join(str(other / "node_modules/.bin") for other in (folder, *nodes))
                    node = pathlib.Path(shutil.which("node", path=f"{path}:{os.environ['PATH']}")).parent
                    yield name, json.loads((modules / package / "package.json").read_text())["version"], f"{path}:{node}"
                    break


def tried(manager, name, path, tokenizer):
    """Its cells."""
    _, _, use, model = PROGRAMS[name]
    before = {row["id"] for row in manager.rows()}
    run = Run(manager.url, path, tokenizer)
    try:
        shown = use(run)
    except Exception as error:
        return {column: f"no: {type(error).__name__}: {error}"[:300].replace("\n", " ") for column in COLUMNS}
    finally:
        run.end()
    paths = ("/chat/completions", "/responses", "/messages", "/api/chat")

    def written():
        rows = [row for row in manager.rows() if row["id"] not in before and row["model"] == model and row["endpoint"].endswith(paths)]
        return [row for row in rows if model != AGENT or row["output_tokens"] != TITLE_TOKENS]

    with contextlib.suppress(AssertionError):
        until("its rows", 20, lambda: sum(row["output_tokens"] or 0 for row in written()) >= (shown.told or 1))
    rows = written()
    good = len(shown.text) > 0 and all(SENTENCE in text if model == AGENT else text for text in shown.text)
    cell = lambda good, why: "yes" if good else f"no: {why}"
    asked = {row["stream"] for row in rows}
    text = lambda stream: cell(good, f"it got {shown.text}"[:300]) if stream in asked else "-"
    recorded = sum(row["output_tokens"] or 0 for row in rows)
    return {
        "chat": text(False), "stream": text(True),
        "tools": "-" if shown.tool is None else cell(shown.tool, "its tool wasn't run"),
        "usage": "-" if shown.told is None else cell(shown.told == recorded, f"told {shown.told}, recorded {recorded}"),
        "outcome": cell(rows and all(row["outcome"] == "ok" for row in rows), [row["outcome"] for row in rows]),
    }
