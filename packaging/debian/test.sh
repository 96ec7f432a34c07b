#!/bin/bash
# test.sh FILE.deb [ENGINE]: installs the package in a bare Debian that its own systemd runs, starts the manager and a model,
# restarts, kills, upgrades, removes and purges it. Needs root, debootstrap and systemd-nspawn (Debian's package
# systemd-container). ENGINE (.engine by default, see `make engine`) has llama.cpp's server and a tiny model for a real
# request; without one the model is a program that answers what it is asked.
set -euo pipefail

case $# in 1 | 2) ;; *) sed -n 2,5p "$0" >&2; exit 2 ;; esac
[ "$(id -u)" -eq 0 ] || { echo "$0: only root can do that" >&2; exit 2; }
for tool in debootstrap systemd-nspawn dpkg-deb; do
  command -v "$tool" > /dev/null || { echo "$0: $tool is missing (apt-get install debootstrap systemd-container)" >&2; exit 2; }
done
deb=$(realpath "$1")
engine=$(realpath "${2:-$(dirname "$0")/../../.engine}")
work=$(mktemp -d)
root=$work/root
machine=
trap '[ -z "$machine" ] || { kill "$machine"; wait "$machine"; } 2> /dev/null; rm -rf --one-file-system "$work"' EXIT

step() { echo "== $*"; }
fail() {
  echo "FAILED: $*" >&2
  inside "journalctl -u llm-manager --no-pager | tail -n 30" >&2 || tail -n 30 "$work/log" >&2
  exit 1
}
wait_for() { # WHAT COMMAND...
  local what=$1 i=0
  shift
  until "$@" > "$work/log" 2>&1; do
    i=$((i + 1))
    [ "$i" -lt 300 ] || fail "$what"
    sleep 0.1
  done
}

# The machine has a network of its own, and its processes end with it.
boot() {
  local bound=()
  [ -z "$server" ] || bound=(--bind-ro="$(dirname "$server"):/srv/engine" --bind-ro="$engine/models:/srv/models")
  systemd-nspawn --quiet --register=no --keep-unit --private-network --directory "$root" "${bound[@]}" --boot > "$work/console" 2>&1 < /dev/null &
  machine=$!
  wait_for "systemd did not start: $(tail "$work/console")" running
}
running() { inside "systemctl is-system-running | grep -qx -e running -e degraded"; }
inside() {
  local one
  one=$(cat "/proc/$machine/task/$machine/children") && [ -n "$one" ] || return 1
  nsenter --target "${one%% *}" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc "cd /; $1"
}
main_pid() { inside "systemctl show --property MainPID --value llm-manager"; }
restarted() { local now; now=$(main_pid); [ "$now" != 0 ] && [ "$now" != "$1" ] && serves; }
serves() { inside "curl -sf http://127.0.0.1:8080/health"; }
answers() {
  inside "curl -sf --max-time 60 http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \
    -d '{\"model\":\"tiny\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}' | grep '\"choices\"'"
}
requests() { inside "curl -sf 'http://127.0.0.1:8080/api/requests?limit=100' | grep -o '\"outcome\"' | wc -l"; }
# All processes of the user: the manager, its guard, backends.
of_user() { inside "ps -u llm-manager -o pid= 2> /dev/null || true"; }

server=
if [ -e "$engine/llama-server" ] && [ -e "$engine/models/tiny-chat.gguf" ]; then server=$(realpath "$engine/llama-server"); fi

step "a bare Debian"
packages=systemd,systemd-sysv,dbus,procps,iproute2,curl,libgcc-s1,libstdc++6,libgomp1,libvulkan1,perl,adduser
debootstrap --variant=minbase --include="$packages" bookworm "$root" > "$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
cp "$deb" "$root/first.deb"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/Version: 99.0-1/' "$work/next/DEBIAN/control"
echo "# a newer default" >> "$work/next/usr/share/llm-manager/config.yaml"
dpkg-deb --root-owner-group --build "$work/next" "$root/next.deb" > /dev/null
boot

step "install"
inside "DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes /first.deb" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
inside "systemctl is-active --quiet llm-manager && systemctl is-enabled --quiet llm-manager" || fail "the service is not running or not enabled"
serves > /dev/null || fail "systemd was told that it serves, and it doesn't"
[ "$(inside "stat -c '%U %a' /etc/llm-manager/config.yaml")" = "llm-manager 640" ] || fail "the configuration's owner or mode"
[ "$(inside "stat -c '%U %a' /var/lib/llm-manager")" = "llm-manager 750" ] || fail "the state folder's owner or mode"
inside "id -nG llm-manager | grep -qw video" || fail "the user is not in the group video"
inside "llm-manager --config /etc/llm-manager/config.yaml check" || fail "its own configuration has errors"
inside "llm-manager --version; llm-manager --config /etc/llm-manager/config.yaml status > /dev/null"
inside "curl -sf http://127.0.0.1:8080/ | grep -qi '<html'" || fail "no dashboard"
for page in usr/share/man/man1/llm-manager.1.gz usr/share/bash-completion/completions/llm-manager usr/share/zsh/vendor-completions/_llm-manager usr/share/doc/llm-manager/docs/guide/first-steps.md; do
  [ -s "$root/$page" ] || fail "/$page is missing or empty"
done

step "the sandbox"
pid=$(main_pid)
[ "$(inside "ps -o user= -p $pid")" = "llm-manager" ] || inside "ps -o user:20= -p $pid" | grep -qx llm-manager || fail "it does not run as its user"
inside "grep -q '^NoNewPrivs:.1$' /proc/$pid/status && grep -q '^CapBnd:.0*$' /proc/$pid/status" || fail "it has rights that the unit takes away"
inside "nsenter -t $pid -m sh -c '! touch /usr/x /etc/x 2> /dev/null'" || fail "it may write to /usr or /etc"
inside "systemd-analyze verify llm-manager.service" || fail "systemd finds fault with the unit"

step "a model, by a changed configuration and a reload"
if [ -n "$server" ]; then
  command='["/srv/engine/llama-server", "-m", "/srv/models/tiny-chat.gguf", "--host", "127.0.0.1", "--port", "{port}", "-a", "tiny", "-c", "512", "-t", "1"]'
else
  command='["perl", "/srv/answers.pl", "{port}"]'
  cp "$(dirname "$0")/../answers.pl" "$root/srv/answers.pl"
fi
inside "cd /etc/llm-manager; sed -i '/^Local-Models/,\$d' config.yaml; cat >> config.yaml << YAML
Local-Models:
  tiny:
    mode: Chat
    Default: {required_devices: [], command: $command}
# mine
YAML
systemctl reload llm-manager"
wait_for "the reload has no effect" inside "curl -sf http://127.0.0.1:8080/v1/models | grep -q tiny"
[ "$(main_pid)" = "$pid" ] || fail "a reload has restarted it"
answers || fail "no answer"
inside "curl -sf http://127.0.0.1:8080/api/config | grep -q '\"writable\":true'" || fail "the dashboard can't edit the configuration"

step "kill -9: systemd starts it again, and nothing of the model is left"
before=$(of_user)
inside "kill -9 $pid"
wait_for "it was not started again" restarted "$pid"
gone() { local one; for one in $before; do ! inside "[ -e /proc/$one ]" || return 1; done; }
wait_for "a process of the killed manager is left" gone
answers > /dev/null || fail "no answer after kill -9"

step "a hanging manager is restarted by the watchdog"
inside "mkdir -p /etc/systemd/system/llm-manager.service.d; printf '[Service]\nWatchdogSec=4\n' > /etc/systemd/system/llm-manager.service.d/watchdog.conf; systemctl daemon-reload; systemctl restart llm-manager"
pid=$(main_pid)
inside "kill -STOP $pid"
wait_for "the watchdog did nothing" restarted "$pid"
inside "rm -r /etc/systemd/system/llm-manager.service.d; systemctl daemon-reload; systemctl restart llm-manager"

step "the machine goes down and comes up"
answers > /dev/null || fail "no answer before"
inside "systemctl --no-block poweroff" > "$work/log" 2>&1 || true
wait "$machine" || fail "it didn't go down in order: $(tail "$work/console")"
boot
wait_for "it does not serve after the machine has started" serves
[ "$(requests)" = 3 ] || fail "of 3 requests, the ledger has $(requests)"
inside "journalctl -b -1 -u llm-manager --no-pager" > "$work/log"
grep -q 'Deactivated successfully' "$work/log" || fail "the service did not end in order"

step "upgrade, with a changed configuration and a newer default"
pid=$(main_pid)
inside "DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes /next.deb < /dev/null" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
restarted "$pid" > /dev/null || fail "the upgrade has not restarted it"
inside "grep -qx '# mine' /etc/llm-manager/config.yaml" || fail "the upgrade has lost the configuration"
inside "! grep -q 'newer default' /etc/llm-manager/config.yaml" || fail "the upgrade has changed the configuration"
answers > /dev/null || fail "no answer after the upgrade"

step "an upgrade of a service that is disabled does not start it"
inside "systemctl disable --now llm-manager && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --allow-downgrades /first.deb < /dev/null" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
inside "! systemctl is-active --quiet llm-manager && ! systemctl is-enabled --quiet llm-manager" || fail "it was started or enabled"
inside "systemctl enable --now llm-manager" 2> "$work/log"

step "remove"
inside "apt-get remove --quiet --yes llm-manager" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
[ -f "$root/etc/llm-manager/config.yaml" ] && [ -f "$root/var/lib/llm-manager/llm-manager.db" ] || fail "remove has deleted configuration or state"
[ ! -e "$root/usr/bin/llm-manager" ] || fail "remove has left the program"
[ -z "$(of_user)" ] || fail "remove has left processes: $(inside "ps -u llm-manager")"

step "install again, and purge"
inside "apt-get install --quiet --yes /first.deb && grep -qx '# mine' /etc/llm-manager/config.yaml" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
serves > /dev/null || fail "it does not serve after it was installed again"
inside "apt-get purge --quiet --yes llm-manager" > "$work/log" 2>&1 || fail "$(cat "$work/log")"
for left in etc/llm-manager var/lib/llm-manager etc/systemd/system/multi-user.target.wants/llm-manager.service; do
  [ ! -e "$root/$left" ] && [ ! -L "$root/$left" ] || fail "purge has left /$left"
done
inside "! getent passwd llm-manager && [ -z \"\$(systemctl --no-legend list-units --all 'llm-manager*')\" ]" || fail "purge has left the user or the unit"
echo "the package installs, serves ($([ -n "$server" ] && echo llama.cpp || echo 'no real model')), survives kill -9 and a restart of the machine, upgrades, goes, and is purged"
