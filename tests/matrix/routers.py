"""Routers in front of a manager: how each is started. What works is what OpenAI's client for Python gets through it."""
import contextlib, http.client, os, subprocess

import engines
from manager import free_port, until


def smg(programs, manager, port):
    return [str(programs / "smg"), "launch", "--host", "127.0.0.1", "--port", str(port), "--worker-urls", manager.url, "--backend", "openai"]


def vllm_router(programs, manager, port):
    return [str(programs / "vllm-router"), "--host", "127.0.0.1", "--port", str(port), "--worker-urls", manager.url, "--prometheus-port", str(free_port())]


def litellm_proxy(programs, manager, port):
    config = manager.folder / "litellm.json"
    config.write_text(engines.litellm_config("tiny-chat", f"{manager.url}/v1"))
    return [str(programs / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]


# Row: package, program, how to start it.
ROUTERS = {"LiteLLM proxy, in front": ("litellm", "litellm", litellm_proxy), "smg, in front": ("smg", "smg", smg),
           "vllm-router, in front": ("vllm-router", "vllm-router", vllm_router)}


def found(venvs):
    """Name, version, folder of programs."""
    for name, (package, program, _) in ROUTERS.items():
        for venv in venvs:
            version = engines.installed(venv / "bin/python").get(package) if (venv / "bin" / program).exists() else None
            if version and (package != "litellm" or (venv / "bin/uvicorn").exists()):
                yield name, version, venv / "bin"
                break


@contextlib.contextmanager
def running(name, programs, manager):
    """Its address, once it lists models."""
    port = free_port()
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": f"{programs}:{os.environ['PATH']}"}
    command = ROUTERS[name][2](programs, manager, port)
    router = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

    def lists():
        with contextlib.suppress(OSError):
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            client.request("GET", "/v1/models", headers={"Authorization": f"Bearer {engines.LITELLM_KEY}"})
            answer = client.getresponse()
            return answer.status == 200 and b"tiny-chat" in answer.read()

    try:
        until(f"{name} lists the model", 90, lists)
        yield f"http://127.0.0.1:{port}"
    finally:
        router.terminate()
        try:
            router.wait(20)
        except subprocess.TimeoutExpired:
            router.kill()
