"""A tray host without a screen: shows nothing, and clicks through the menu of `llm-manager tray`.

Called by tests/tray.sh with the folder of the programs, on a session bus of its own. It is the watcher to which icons
register (StatusNotifierItem), reads the icon's menu (com.canonical.dbusmenu) and clicks in it.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from gi.repository import Gio, GLib

BIN = os.path.abspath(sys.argv[1])
PATIENCE = 30

WATCHER = """<node><interface name='org.kde.StatusNotifierWatcher'>
<method name='RegisterStatusNotifierItem'><arg type='s' direction='in'/></method>
<method name='RegisterStatusNotifierHost'><arg type='s' direction='in'/></method>
<property name='RegisteredStatusNotifierItems' type='as' access='read'/>
<property name='IsStatusNotifierHostRegistered' type='b' access='read'/>
<property name='ProtocolVersion' type='i' access='read'/>
<signal name='StatusNotifierItemRegistered'><arg type='s'/></signal>
<signal name='StatusNotifierHostRegistered'/>
</interface></node>"""


class Host:
    """Knows the icon that registered last."""

    def __init__(self):
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        self.item = None
        info = Gio.DBusNodeInfo.new_for_xml(WATCHER).interfaces[0]
        self.bus.register_object("/StatusNotifierWatcher", info, self.called, self.read, None)
        Gio.bus_own_name_on_connection(self.bus, "org.kde.StatusNotifierWatcher", 0, None, None)

    def called(self, _bus, sender, _path, _interface, method, parameters, invocation):
        if method == "RegisterStatusNotifierItem":
            name = parameters.unpack()[0]
            self.item = (sender, name) if name.startswith("/") else (name, "/StatusNotifierItem")
        invocation.return_value(None)

    def read(self, _bus, _sender, _path, _interface, name):
        values = {
            "RegisteredStatusNotifierItems": GLib.Variant("as", []),
            "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
            "ProtocolVersion": GLib.Variant("i", 0),
        }
        return values[name]

    def turn(self):
        context = GLib.MainContext.default()
        while context.iteration(False):
            pass

    def call(self, path, interface, method, parameters):
        return self.bus.call_sync(self.item[0], path, interface, method, parameters, None, 0, 5000, None).unpack()

    def property(self, name):
        arguments = GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name))
        return self.call(self.item[1], "org.freedesktop.DBus.Properties", "Get", arguments)[0]

    def menu(self):
        """(id, label, properties) of each line."""
        arguments = GLib.Variant("(iias)", (0, -1, []))
        layout = self.call(self.property("Menu"), "com.canonical.dbusmenu", "GetLayout", arguments)[1]
        return [(line[0], line[1].get("label", ""), line[1]) for line in layout[2]]

    def click(self, label, quits=False):
        number = next(number for number, text, _ in self.menu() if text == label)
        arguments = GLib.Variant("(isvu)", (number, "clicked", GLib.Variant("i", 0), 0))
        menu = self.property("Menu")
        try:
            self.call(menu, "com.canonical.dbusmenu", "Event", arguments)
        except GLib.Error:
            # One that ends may be gone before it has answered.
            if not quits:
                raise


host = Host()


def wait_until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        host.turn()
        try:
            value = condition()
        except (GLib.Error, OSError, TypeError, StopIteration):
            value = None
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE} s in vain: {what}; the menu: {host.item and host.menu()}")
        time.sleep(0.02)


def labels():
    return [label for _, label, _ in host.menu()]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


work = tempfile.mkdtemp(prefix="llm-manager-tray-")
port = free_port()
with open(f"{work}/config.yaml", "w") as file:
    file.write(
        f"program: {{host: 127.0.0.1, port: {port}, alive_time: 0, Disable_GPU_monitoring: true}}\n"
        f"Local-Models: {{m: {{mode: Chat, V: {{command: [{BIN}/fake-model-server, --port, '{{port}}']}}}}}}\n"
    )
running = []


def start(*words, **env):
    environment = {**os.environ, "XDG_CONFIG_HOME": f"{work}/home", "LANG": "C", **env}
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        environment.pop(name, None)
    log = open(f"{work}/log", "ab")
    child = subprocess.Popen(
        [f"{BIN}/llm-manager", "--config", f"{work}/config.yaml", *words], env=environment, stdout=log, stderr=log
    )
    running.append(child)
    return child


def chat():
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", data=body)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def the_menu_does_what_it_says():
    tray = start("tray")
    wait_until("the icon", lambda: host.item)
    wait_until("a lost manager is shown", lambda: any("no manager answers" in label for label in labels()))
    lost = host.property("IconPixmap")
    manager = start("serve")
    wait_until("the manager is found", lambda: "m (stopped)" in labels())
    assert host.property("IconPixmap") != lost, "the icon shows the state"
    host.click("m (stopped)")
    wait_until("a click starts the model", lambda: "m (ready)" in labels())
    assert "1 of 1 ready" in str(host.property("ToolTip")), host.property("ToolTip")
    assert chat() == 200
    host.click("m (ready)")
    wait_until("a click stops it", lambda: "m (stopped)" in labels())
    host.click("Pause all starts")
    wait_until("it is paused", lambda: "starts are paused" in str(host.property("ToolTip")))
    assert chat() == 503
    host.click("Pause all starts")
    wait_until("it goes on", lambda: "starts are paused" not in str(host.property("ToolTip")))
    assert chat() == 200
    host.click("Show this icon at log-in")
    desktop = f"{work}/home/autostart/llm-manager-tray.desktop"
    wait_until("it comes at log-in", lambda: os.path.exists(desktop))
    with open(desktop) as file:
        assert f'--config "{work}/config.yaml" tray' in file.read()
    manager.send_signal(signal.SIGKILL)
    manager.wait()
    wait_until("it is lost again", lambda: host.property("IconPixmap") == lost)
    manager = start("serve")
    wait_until("and found again", lambda: "m (stopped)" in labels())
    host.click("Stop the manager")
    assert manager.wait(PATIENCE) == 0
    wait_until("its end is shown", lambda: host.property("IconPixmap") == lost)
    host.click("Quit this icon", quits=True)
    assert tray.wait(PATIENCE) == 0


def it_speaks_chinese():
    host.item = None
    tray = start("tray", LANG="zh_CN.UTF-8")
    wait_until("the icon", lambda: host.item)
    wait_until("Chinese", lambda: "打开管理页面" in labels())
    # Until then the menu may change between a look at it and a click.
    wait_until("a lost manager is shown", lambda: any("no manager answers" in label for label in labels()))
    host.click("退出托盘图标", quits=True)
    assert tray.wait(PATIENCE) == 0


failed = 0
try:
    for test in (the_menu_does_what_it_says, it_speaks_chinese):
        try:
            test()
            print(f"test {test.__name__} ... ok")
        except Exception as error:  # each test is told, whatever becomes of it
            failed += 1
            print(f"test {test.__name__} ... FAILED: {error!r}")
            with open(f"{work}/log", errors="replace") as file:
                print(file.read())
finally:
    for child in running:
        if child.poll() is None:
            child.kill()
            child.wait()
    shutil.rmtree(work, ignore_errors=True)
print(f"test result: {'FAILED' if failed else 'ok'}. {2 - failed} passed; {failed} failed;")
sys.exit(1 if failed else 0)
