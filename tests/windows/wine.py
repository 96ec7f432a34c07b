"""The program for Windows and the fake model server, under Wine: what only Windows does otherwise.

Called by scripts/windows/test.sh, which sets WINE, WINEPREFIX, BIN (the folder of the programs) and FAKE_NVML_DLL, and
where there is a screen DISPLAY and SCREEN (the file with its pixels).
Each test has a manager in a folder of its own. Nothing sleeps to make something happen: tests wait for conditions.
"""

import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

WINE = os.environ["WINE"]
BIN = os.environ["BIN"]
PATIENCE = 60


def windows_path(path):
    return "Z:" + path.replace("/", "\\")


def wait_until(what, condition, limit=PATIENCE):
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit} s in vain: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes(marker):
    """Living processes with the marker in their command line or environment, as Linux sees them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and marker.encode() in command + environment and int(pid) != os.getpid():
            found.append((int(pid), command.replace(b"\0", b" ").decode(errors="replace")))
    return found


class Postgres:
    """A PostgreSQL of its own on loopback, which the .exe reaches as it would on another machine."""

    def __init__(self, test):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            test.skipTest("no PostgreSQL here (apt install postgresql)")
        self.bin = os.path.dirname(found[-1])
        self.base = tempfile.mkdtemp(prefix="llm-manager-wine-pg-")
        test.addCleanup(shutil.rmtree, self.base, ignore_errors=True)
        os.chmod(self.base, 0o711)
        data = os.path.join(self.base, "data")
        os.mkdir(data)
        prefix = []
        if os.getuid() == 0:
            # It refuses to run as root.
            shutil.chown(data, "postgres")
            prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        made = [f"{self.bin}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"]
        subprocess.run([*prefix, *made], check=True, **quiet)
        port = free_port()
        self.address = f"postgres://postgres@127.0.0.1:{port}/postgres"
        options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        words = [word for option in options for word in ("-c", option)]
        server = subprocess.Popen([*prefix, f"{self.bin}/postgres", "-D", data, *words], **quiet)
        test.addCleanup(server.wait)
        test.addCleanup(server.kill)
        wait_until("PostgreSQL answers", lambda: self.ask("SELECT 1") == "1")

    def ask(self, statement):
        words = [f"{self.bin}/psql", "-qAt", "-d", self.address, "-c", statement]
        return subprocess.run(words, capture_output=True, text=True, cwd="/").stdout.strip()


class Manager:
    def __init__(self, test, models, folder="m", program="", env=None, top=""):
        self.base = tempfile.mkdtemp(prefix="llm-manager-wine-")
        self.dir = os.path.join(self.base, folder)
        os.mkdir(self.dir)
        for name in ("llm-manager.exe", "fake-model-server.exe"):
            os.symlink(os.path.join(BIN, name), os.path.join(self.dir, name))
        self.port = free_port()
        self.env = {"RUST_LOG": "", **(env or {})}
        self.process = None
        self.log = os.path.join(self.base, "manager.log")
        self.config = (
            f"program:\n  host: 127.0.0.1\n  port: {self.port}\n  alive_time: 0\n  log_level: DEBUG\n"
            # Wine 8 keeps sockets in its server and can't tell whose they are: what listens is taken for ours.
            f"  stop_timeout: 2\n{program}{top}Local-Models:\n"
            + models.replace("    mode: Chat\n", "    mode: Chat\n    foreign_listener: true\n")
        )
        if "Disable_GPU_monitoring" not in program:
            self.config = self.config.replace("  alive_time", "  Disable_GPU_monitoring: true\n  alive_time", 1)
        self.write("config.yaml", self.config)
        test.addCleanup(self.close)

    def write(self, name, text, encoding="utf-8"):
        with open(os.path.join(self.dir, name), "wb") as file:
            file.write(text.encode(encoding))

    def read(self, name):
        try:
            with open(os.path.join(self.dir, name), "rb") as file:
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def run(self, *arguments):
        """A command of the command line: exit code, and all that it says."""
        # Not a pipe: what Wine starts beside it would hold that open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [WINE, "llm-manager.exe", *arguments],
                cwd=self.dir,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=PATIENCE,
            )
            said.seek(0)
            return done.returncode, said.read().decode(errors="replace").replace("\r\n", "\n")

    def start(self, command=("llm-manager.exe",)):
        environment = {**os.environ, **self.env, "LLM_MANAGER_TEST": self.base}
        environment = {key: value for key, value in environment.items() if value != ""}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [WINE, *command], cwd=self.dir, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until("the manager serves", self.is_up)
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the manager ended at its start: {self.process.returncode}\n{self.said()}")
        try:
            return self.call("GET", "/health")[0] == 200
        except OSError:
            return False

    def said(self):
        with open(self.log, "rb") as log:
            return log.read().decode(errors="replace")

    def call(self, method, path, body=None, limit=PATIENCE):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def chat(self, model="m", **more):
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
        return self.call("POST", "/v1/chat/completions", body)

    def api(self, path):
        status, text = self.call("GET", path)
        assert status == 200, f"GET {path}: {status} {text}"
        return json.loads(text)

    def model(self, name="m"):
        return self.api(f"/api/models/{name}")

    def wait_state(self, state, name="m"):
        wait_until(f"{name} is {state}", lambda: self.model(name)["state"] == state)

    def starts(self):
        return [line.split() for line in self.read("starts").splitlines()]

    def backends(self):
        return [line for _, line in self.processes() if "fake-model-server" in line]

    def processes(self):
        # The name of the folder alone: a command line of Windows has other slashes before it.
        return processes(os.path.basename(self.base))

    def stop(self):
        """Ctrl-C, as Wine makes it of SIGINT; the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None

    def close(self):
        if self.process is not None:
            self.kill()
        left = []
        try:
            wait_until("nothing is left", lambda: not self.processes(), 20)
        except AssertionError:
            left = self.processes()
            for pid, _ in left:
                os.kill(pid, signal.SIGKILL)
        if left or os.environ.get("SHOW"):
            print(self.said(), file=sys.stderr)
        shutil.rmtree(self.base, ignore_errors=True)
        assert not left, f"processes are left: {left}"


FAKE = "command: [./fake-model-server.exe, --port, '{port}', --start-file, starts"


def fake(*flags):
    """A model `m` whose backend is the fake server."""
    more = "".join(f", {flag}" for flag in flags)
    return f"  m:\n    mode: Chat\n    V:\n      {FAKE}{more}]\n"


class Tests(unittest.TestCase):
    def test_starts_on_demand_streams_and_stops_when_idle(self):
        manager = Manager(self, fake().replace("    V:", "    alive_time: 0.02\n    V:")).start()
        self.assertEqual(manager.model()["state"], "stopped")
        status, text = manager.chat()
        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text)["object"], "chat.completion")
        status, text = manager.chat(stream=True)
        self.assertEqual((status, text.rstrip().splitlines()[-1]), (200, "data: [DONE]"))
        manager.wait_state("stopped")
        wait_until("the backend is gone", lambda: not manager.backends())
        run = wait_until("its run is told", lambda: manager.model()["runs"])[-1]
        self.assertEqual(run["cause"], "idle")
        # Ctrl-Break, that is; Wine 8 refuses it to a helper, says so, and the force of the job is what is left.
        self.assertIn("Ctrl-Break did not reach pid", manager.said())
        rows = wait_until("rows", lambda: [r for r in manager.api("/api/requests")["rows"] if r["status"] == 200])
        self.assertEqual({row["outcome"] for row in rows}, {"ok"})
        self.assertEqual(manager.stop(), 0)

    def test_a_batch_file_whose_child_is_the_server(self):
        models = "  m:\n    mode: Chat\n    V: {script_path: {windows: 'scripts\\run it.bat', linux: no.sh}}\n"
        manager = Manager(self, models, folder="模型 a&b")
        os.mkdir(os.path.join(manager.dir, "scripts"))
        manager.write("scripts/run it.bat", "@echo off\r\nfake-model-server.exe --start-file starts\r\n")
        manager.start()
        self.assertEqual(manager.chat()[0], 200, manager.said())
        self.assertEqual(len(manager.backends()), 1)
        self.assertEqual(manager.call("POST", "/api/models/m/stop")[0], 200)
        wait_until("the server behind the batch file is gone", lambda: not manager.backends())
        self.assertEqual(manager.stop(), 0)

    def test_start_bat_of_the_zip(self):
        folder = os.path.join(os.path.dirname(__file__), "../../scripts/windows/zip")
        manager = Manager(self, fake(), folder="模型 a b")
        # No browser.
        manager.env["WINEDLLOVERRIDES"] = os.environ.get("WINEDLLOVERRIDES", "") + ";winebrowser.exe="
        with open(os.path.join(folder, "start.bat")) as file:
            manager.write("start.bat", file.read().replace("\n", "\r\n"))
        manager.start(("cmd", "/c", ".\\start.bat"))
        self.assertEqual(manager.chat()[0], 200, manager.said())
        self.assertEqual(manager.call("POST", "/api/shutdown")[0], 202)
        self.assertEqual(manager.process.wait(PATIENCE), 0, manager.said())
        manager.process = None
        # Without a configuration it takes the example; what is wrong with one is told, and nothing is served.
        os.remove(os.path.join(manager.dir, "config.yaml"))
        manager.write("config.example.yaml", "Local-Models: 5\n")
        with open(manager.log, "ab") as log:
            words = [WINE, "cmd", "/c", ".\\start.bat"]
            done = subprocess.run(words, cwd=manager.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1, manager.said())
        self.assertIn("Local-Models: expected", manager.said())
        self.assertIn("It did not start", manager.said())

    def test_arguments_reach_a_program_as_they_are_written(self):
        models = f"  m:\n    mode: Chat\n    V:\n      {FAKE}, --print, 'モデル \"q\" a\\']\n"
        manager = Manager(self, models).start()
        self.assertEqual(manager.chat()[0], 200)
        lines = [line["line"] for line in manager.api("/api/models/m/logs?tail=50")]
        self.assertIn('モデル "q" a\\', lines)

    def test_output_in_the_code_page_of_consoles_is_read(self):
        models = "  m:\n    mode: Chat\n    V: {script_path: run.bat}\n"
        manager = Manager(self, models)
        manager.write("run.bat", "@echo off\r\ntype said.txt\r\nfake-model-server.exe\r\n")
        # The same in both code pages that Wine may have here, and not UTF-8.
        manager.write("said.txt", "Gr\u00fc\u00dfe\r\n", encoding="cp437")
        manager.start()
        self.assertEqual(manager.chat()[0], 200, manager.said())
        lines = [line["line"] for line in manager.api("/api/models/m/logs?tail=50")]
        self.assertIn("Gr\u00fc\u00dfe", lines)

    def test_it_pauses_and_ends_by_order(self):
        manager = Manager(self, fake("--fork-children", "'2'")).start()
        self.assertEqual(manager.call("POST", "/api/pause")[0], 200)
        status, text = manager.chat()
        self.assertEqual((status, json.loads(text)["error"]["code"]), (503, "model_stopped"))
        self.assertEqual(manager.call("POST", "/api/resume")[0], 200)
        self.assertEqual(manager.chat()[0], 200)
        self.assertEqual(manager.call("POST", "/api/shutdown")[0], 202)
        self.assertEqual(manager.process.wait(PATIENCE), 0)
        self.assertEqual(manager.backends(), [])

    def test_one_that_nobody_can_ask_is_ended_with_its_children(self):
        manager = Manager(self, fake("--ignore-term", "--fork-children", "'3'"), program="").start()
        self.assertEqual(manager.chat()[0], 200)
        self.assertEqual(len(manager.backends()), 4)
        began = time.monotonic()
        self.assertEqual(manager.call("POST", "/api/models/m/stop")[0], 200)
        self.assertGreater(time.monotonic() - began, 1, "it was asked first")
        wait_until("all are gone", lambda: not manager.backends(), 2)
        self.assertIn("ended by LLM-Manager", manager.model()["runs"][-1]["exit"])

    def test_a_killed_manager_leaves_nothing_but_a_record_which_the_next_one_reads(self):
        manager = Manager(self, fake("--ignore-term", "--fork-children", "'2'")).start()
        self.assertEqual(manager.chat()[0], 200)
        wait_until("the row is stored", lambda: manager.api("/api/requests")["rows"])
        records = os.path.join(manager.dir, "data", "runs")
        wait_until("the run is recorded", lambda: os.listdir(records))
        self.assertEqual(len(manager.backends()), 3)
        manager.kill()
        wait_until("the backends end with it", lambda: not manager.backends(), 10)
        manager.start()
        self.assertIn("a previous manager left its record, but no process", manager.said())
        self.assertEqual(os.listdir(records), [])
        self.assertEqual([row["outcome"] for row in manager.api("/api/requests")["rows"]], ["ok"])
        self.assertEqual(manager.chat()[0], 200)
        self.assertEqual(manager.stop(), 0)

    def test_a_stranger_on_the_port_is_named(self):
        port = free_port()
        models = fake().replace("    V:", f"    port: {port}\n    V:")
        manager = Manager(self, models)
        stranger = subprocess.Popen(
            [WINE, "fake-model-server.exe", "--port", str(port)],
            cwd=manager.dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        wait_until("it listens", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        manager.start()
        status, text = manager.chat()
        self.assertEqual(status, 503, text)
        self.assertIn(f"port {port} is taken by a process that can't be seen", text)
        stranger.kill()
        stranger.wait()

    def test_a_second_manager_of_the_folder_is_refused_by_name(self):
        manager = Manager(self, fake()).start()
        manager.write("other.yaml", manager.config.replace(f"port: {manager.port}", f"port: {free_port()}"))
        code, said = manager.run("--config", "other.yaml", "serve")
        self.assertNotEqual(code, 0, said)
        self.assertIn("is in use by another manager (pid ", said)
        self.assertEqual(manager.stop(), 0)
        self.assertEqual(manager.start().stop(), 0, "the folder is free again")

    def test_what_a_command_for_a_device_started_ends_with_it(self):
        top = "devices:\n  - {name: npu, command: ['./look.bat']}\n"
        manager = Manager(self, fake(), program="  Disable_GPU_monitoring: false\n", top=top)
        manager.write("look.bat", "@echo off\r\nset /a PORT=20000+%RANDOM%\r\nfake-model-server.exe\r\n")
        manager.start()


        def servers():
            return {pid for pid, line in manager.processes() if "fake-model-server" in line}

        first = wait_until("the command hangs", servers)
        wait_until("it is told that it was killed", lambda: "took longer than 5 s and was killed" in manager.said())
        wait_until("its server ended with it", lambda: not first & servers(), 3)
        self.assertEqual(manager.stop(), 0)

    def test_the_ledger_is_in_postgresql(self):
        postgres = Postgres(self)
        manager = Manager(self, fake(), program=f"  database: '{postgres.address}'\n").start()
        self.assertEqual(manager.chat()[0], 200, manager.said())
        wait_until("the row is stored", lambda: manager.api("/api/requests")["rows"])
        self.assertEqual(postgres.ask("SELECT COUNT(*) FROM requests"), "1")
        manager.kill()
        manager.start()
        self.assertEqual([row["outcome"] for row in manager.api("/api/requests")["rows"]], ["ok"])
        self.assertEqual(manager.chat()[0], 200)
        wait_until("there are two", lambda: postgres.ask("SELECT COUNT(*) FROM requests") == "2")
        self.assertEqual(manager.stop(), 0)

    def test_it_is_a_service(self):
        manager = Manager(self, fake("--ignore-term", "--fork-children", "'1'"))

        def service(order, expected=0):
            code, said = manager.run("service", order)
            self.assertEqual(code, expected, f"service {order}: {said}\n{manager.read('data/service.log')}")
            return said

        def is_up():
            try:
                return manager.call("GET", "/health")[0] == 200
            except OSError:
                return False

        self.assertIn("no service LLM-Manager is installed", service("status", 1))
        self.assertIn("the service LLM-Manager is installed", service("install"))
        try:
            self.assertIn("has stopped", service("status", 1))
            self.assertIn("is running", service("start"))
            self.assertTrue(is_up(), "it is said to run when it serves")
            self.assertIn("runs", service("status"))
            self.assertEqual(manager.chat()[0], 200, manager.read("data/service.log"))
            self.assertEqual(len(manager.backends()), 2)
            self.assertIn("has stopped", service("stop"))
            self.assertFalse(is_up())
            wait_until("its backends are gone", lambda: not manager.backends())
            self.assertIn("stopped; no backend is left", manager.read("data/service.log"))
            # One that is told to serve a wrong configuration says why, where `service start` says.
            manager.write("config.yaml", "Local-Models: 5\n")
            self.assertIn("service.log", service("start", 1))
            self.assertIn("Local-Models", manager.read("data/service.log"))
        finally:
            self.assertIn("is removed", service("uninstall"))
        self.assertIn("no service LLM-Manager is installed", service("status", 1))

    def test_files_are_chosen_and_the_configuration_is_replaced(self):
        manager = Manager(self, fake(), folder="模型").start()
        manager.write("run it.bat", "@echo off\r\nfake-model-server.exe\r\n")
        listed = manager.api("/api/config/files")
        here = windows_path(manager.dir)
        self.assertEqual((listed["folder"], listed["parent"]), (here, here.rsplit("\\", 1)[0]))
        chosen = next(one for one in listed["entries"] if one["name"] == "run it.bat")
        self.assertEqual((chosen["path"], chosen["written"]), (f"{here}\\run it.bat", "run it.bat"))
        self.assertIn("fake-model-server.exe", [one["name"] for one in listed["entries"]])
        # A path as it is told there starts a model.
        before = manager.api("/api/config")
        text = before["text"] + f"  n:\n    mode: Chat\n    foreign_listener: true\n    V: {{script_path: '{chosen['path']}'}}\n"
        status, said = manager.call("PUT", "/api/config", {"text": text, "version": before["version"]})
        self.assertEqual(status, 200, said)
        self.assertTrue(json.loads(said)["backup"].startswith(f"{here}\\config.yaml."), said)
        self.assertEqual(manager.chat("n")[0], 200, manager.said())
        self.assertEqual(manager.stop(), 0)

    @unittest.skipUnless(os.environ.get("SCREEN"), "no screen here (apt install xvfb)")
    def test_the_tray_shows_how_the_manager_is(self):
        def shows(red, green, blue):
            with open(os.environ["SCREEN"], "rb") as screen:
                return screen.read().count(bytes((blue, green, red))) > 20

        manager = Manager(self, fake()).start()
        with open(manager.log, "ab") as log:
            tray = subprocess.Popen(
                [WINE, "llm-manager.exe", "tray"],
                cwd=manager.dir,
                env={**os.environ, "LLM_MANAGER_TEST": manager.base},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.addCleanup(tray.wait)
        self.addCleanup(tray.kill)
        # The colours are those of src/tray/icon.rs.
        wait_until("it is idle", lambda: shows(0x60, 0x7D, 0x8B) or tray.poll() is not None)
        self.assertIsNone(tray.poll(), manager.said())
        self.assertEqual(manager.chat()[0], 200)
        wait_until("a model is ready", lambda: shows(0x2E, 0xA0, 0x43))
        self.assertEqual(manager.stop(), 0)
        wait_until("the manager is lost", lambda: shows(0x90, 0x90, 0x90))
        manager.start()
        wait_until("and found again", lambda: shows(0x60, 0x7D, 0x8B))

    def test_why_a_backend_died_is_told_by_name(self):
        manager = Manager(self, fake("--die-at-start", "'7'")).start()
        status, text = manager.chat()
        self.assertEqual(status, 503)
        self.assertIn("exit code 7", text)
        self.assertIn("the weights are made of cheese", text)

    def test_what_windows_cannot_run_is_refused(self):
        models = (
            "  a:\n    mode: Chat\n    V: {script_path: run.sh}\n"
            "  b:\n    mode: Chat\n    V: {script_path: {linux: run.sh}}\n"
            "  c:\n    mode: Chat\n    V: {script_path: 'no\\such.bat'}\n"
            "  d:\n    mode: Chat\n    V: {command: [./run.bat, \"a\\nb\"]}\n"
        )
        manager = Manager(self, models)
        manager.write("run.sh", "#!/bin/sh\n")
        manager.write("run.bat", "")
        code, said = manager.run("check")
        self.assertEqual(code, 2, said)
        self.assertIn("run.sh is a shell script, which Windows can't run", said)
        self.assertIn("b.V.script_path: has no script for Windows", said)
        self.assertIn("there is no file", said)
        self.assertIn("holds a line break, which a batch file can't be given", said)

    def test_two_variants_on_two_cards(self):
        models = (
            "  m:\n    mode: Chat\n"
            f"    V100:\n      required_devices: [v100]\n      memory_mb: {{v100: 4000}}\n      {FAKE}]\n"
            f"    RTX:\n      required_devices: [rtx 4060]\n      memory_mb: {{rtx 4060: 4000}}\n      {FAKE}]\n"
        )
        manager = Manager(self, models, program="  Disable_GPU_monitoring: false\n")
        manager.write(
            "gpus.txt",
            "NVIDIA GeForce RTX 4060|GPU-1111|8188|1536|37|21|54|61250|115000|4242\n"
            "Tesla V100-SXM2-16GB|GPU-aaaa|16384|15000|92|64|71|241000|300000|77:6000\n",
        )
        shutil.copy(os.environ["FAKE_NVML_DLL"], os.path.join(manager.dir, "nvml.dll"))
        manager.env["FAKE_NVML"] = windows_path(os.path.join(manager.dir, "gpus.txt"))
        manager.start()
        devices = wait_until("three devices", lambda: len(found := manager.api("/api/devices")) == 3 and found)
        self.assertEqual({device["plugin"] for device in devices}, {"nvidia", "cpu"})
        cpu = next(device for device in devices if device["plugin"] == "cpu")
        self.assertGreater(cpu["memory_total_mb"], cpu["memory_used_mb"])
        self.assertEqual(manager.chat()[0], 200, manager.said())
        self.assertEqual(manager.model()["variant"], "RTX", "the V100 has no room")


if __name__ == "__main__":
    # Windows doesn't go down between two programs; Wine does, and its services with it.
    machine = subprocess.Popen([WINE, "cmd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    machine.stdout.read(1)
    suite = unittest.TestLoader()
    if len(sys.argv) > 1:
        suite.testNamePatterns = [f"*{word}*" for word in sys.argv[1:]]
    found = suite.loadTestsFromTestCase(Tests)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stderr).run(found)
    bad = len(result.failures) + len(result.errors)
    machine.stdin.close()
    machine.wait()
    print(f"test result: {'ok' if bad == 0 else 'FAILED'}. {result.testsRun - bad} passed; {bad} failed;")
    sys.exit(0 if bad == 0 and result.testsRun > 0 else 1)
