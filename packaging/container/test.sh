#!/bin/bash
# test.sh [IMAGE]: runs the container image and looks at what its process 1 promises. Without IMAGE it is built first, by the
# Dockerfile. Needs podman, or CONTAINER=docker; the image needs sh and perl, which Debian's have. More flags for a build:
# BUILD_FLAGS. Where no registry of images can be reached, its base is made by debootstrap (root), and the program is the one
# that scripts/release.sh has built.
set -euo pipefail

root=$(realpath "$(dirname "$0")/../..")
engine=${CONTAINER:-podman}
command -v "$engine" > /dev/null || { echo "$0: $engine is missing (apt-get install podman)" >&2; exit 2; }
# crun, podman's usual runtime, refuses a machine with both versions of cgroups; runc doesn't.
if [ "$engine" = podman ] && [ -d /sys/fs/cgroup/unified ]; then
  command -v runc > /dev/null || { echo "$0: runc is missing (apt-get install runc): crun doesn't run with both versions of cgroups" >&2; exit 2; }
  podman() { command podman --runtime runc "$@"; }
fi
work=$(mktemp -d)
name=llm-manager-test-$$
trap '"$engine" rm --force "$name" > /dev/null 2>&1; "$engine" volume rm "$name" > /dev/null 2>&1; rm -rf "$work"' EXIT

step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; "$engine" logs --tail 30 "$name" >&2; exit 1; }
wait_for() { # WHAT COMMAND...
  local what=$1 i=0
  shift
  until "$@" > /dev/null 2>&1; do
    i=$((i + 1))
    [ "$i" -lt 300 ] || fail "$what"
    sleep 0.1
  done
}
ask() { # TEXT
  curl -sf --max-time 60 "http://127.0.0.1:$port/v1/chat/completions" -H 'Content-Type: application/json' -H 'Authorization: Bearer k-1' \
    -d "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"
}
serves() { curl -sf "http://127.0.0.1:$port/health"; }
requests() { curl -sf -H 'Authorization: Bearer k-1' "http://127.0.0.1:$port/api/requests?limit=100" | grep -o '"outcome"' | wc -l; }
# Processes in the container, without its process 1 and its guard: number and state.
of_model() {
  "$engine" exec "$name" sh -c 'for one in /proc/[0-9]*; do
    read -r line < $one/stat 2> /dev/null || continue
    case $line in *"(perl)"*) echo "$line" ;; *") Z "*) echo "$line" ;; esac
  done'
}

# An image NAME of what is in a folder.
packed() { tar -C "$1" -c . | "$engine" import - "$2" > /dev/null; }
without_registry() {
  local program=$root/target/lean/llm-manager
  [ -x "$program" ] || { echo "$0: no registry can be reached, and there is no $program: run scripts/release.sh first" >&2; exit 2; }
  debootstrap --variant=minbase bookworm "$work/bare" > "$work/build" 2>&1 || { tail "$work/build" >&2; exit 1; }
  packed "$work/bare" localhost/bare-debian
  mkdir -p "$work/program/state/etc/llm-manager" "$work/program/state/var/lib/llm-manager"
  cp "$program" "$work/program/"
  chown -R 10001:10001 "$work/program/state/etc/llm-manager" "$work/program/state/var/lib/llm-manager"
  packed "$work/program" localhost/built-program
  given="--build-arg BASE=localhost/bare-debian --build-arg PROGRAM=localhost/built-program"
}

if [ $# -ge 1 ]; then
  image=$1
else
  image=llm-manager:test
  given=
  if ! timeout 60 "$engine" pull --quiet docker.io/library/debian:bookworm-slim > /dev/null 2>&1; then
    step "no registry of images can be reached: Debian by debootstrap, the program of scripts/release.sh"
    without_registry
  fi
  step "build"
  format=
  # The other format of podman has no HEALTHCHECK.
  [ "$engine" != podman ] || format="--format docker"
  # shellcheck disable=SC2086
  "$engine" build $format $given ${BUILD_FLAGS-} --build-arg "LLM_MANAGER_COMMIT=$(git -C "$root" rev-parse --short=10 HEAD)" \
    -f "$root/packaging/container/Dockerfile" -t "$image" "$root" > "$work/build" 2>&1 || { tail -n 30 "$work/build" >&2; exit 1; }
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed 's/^  #api_keys:.*/  api_keys: ["k-1"]/; /^Local-Models/,$d' "$root/packaging/container/config.yaml" > "$work/config.yaml"
cat >> "$work/config.yaml" << YAML
Local-Models:
  tiny:
    mode: Chat
    Default: {required_devices: [], command: ["perl", "/srv/answers.pl", "{port}"]}
YAML
chmod 755 "$work"; chmod 644 "$work/config.yaml"

step "start, as compose.yaml does"
# The test asks itself: podman has systemd run the health check, which may not be here.
"$engine" run --no-healthcheck --detach --name "$name" --publish "127.0.0.1:$port:8080" --security-opt no-new-privileges:true --cap-drop ALL \
  --ulimit "nofile=$(ulimit -n):$(ulimit -n)" --ulimit nproc=8192:8192 --volume "$name:/var/lib/llm-manager" \
  --volume "$work/config.yaml:/etc/llm-manager/config.yaml:ro" --volume "$root/packaging/answers.pl:/srv/answers.pl:ro" "$image" > /dev/null
wait_for "it does not serve at its published port" serves
[ "$("$engine" exec "$name" cat /proc/1/comm)" = llm-manager ] || fail "it is not process 1"
"$engine" exec "$name" grep -q '^Uid:.10001' /proc/1/status || fail "it does not run as user 10001"
"$engine" exec "$name" /usr/local/bin/llm-manager --version
"$engine" image inspect --format '{{json .}}' "$image" | grep -q '"Healthcheck"' || fail "the image has no health check"
"$engine" exec "$name" /usr/local/bin/llm-manager --config /etc/llm-manager/config.yaml status > /dev/null || fail "the health check's command fails"
curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v1/models" | grep -q 401 || fail "it answers without a key"

step "a request, and what a killed model server leaves"
ask hello | grep -q '"hello"' || fail "no answer"
[ "$(of_model | wc -l)" -ge 2 ] || fail "the model server and its child: $(of_model)"
"$engine" exec "$name" sh -c 'for one in /proc/[0-9]*; do
  tr "\0" " " < $one/cmdline 2> /dev/null | grep -q "^perl.*answers" && kill -9 "${one#/proc/}" && break; done'
none_left() { [ -z "$(of_model)" ]; }
wait_for "process 1 has left an orphan or a zombie: $(of_model)" none_left
ask hello > /dev/null || fail "no answer after that"

step "stop: a running response is finished"
ask slow > "$work/slow" &
slow=$!
running() { curl -sf -H 'Authorization: Bearer k-1' "http://127.0.0.1:$port/api/requests/running" | grep -q '"id"'; }
wait_for "the request does not run" running
"$engine" stop --time 120 "$name" > /dev/null
wait "$slow" || fail "the response was cut off"
grep -q '"hello"' "$work/slow" || fail "the response is not whole"
[ "$("$engine" inspect --format '{{.State.ExitCode}}' "$name")" = 0 ] || fail "it ended with $("$engine" inspect --format '{{.State.ExitCode}}' "$name")"
"$engine" logs "$name" 2>&1 | grep -q 'no backend is left' || fail "it did not end in order"

step "start again: the volume has the ledger"
"$engine" start "$name" > /dev/null
wait_for "it does not serve again" serves
all() { [ "$(requests)" = 3 ]; }
wait_for "of 3 requests, the ledger has $(requests)" all

step "kill -9, and start again"
"$engine" kill --signal KILL "$name" > /dev/null
wait_for "it has not ended" sh -c "'$engine' inspect --format '{{.State.Running}}' '$name' | grep -q false"
"$engine" start "$name" > /dev/null
wait_for "it does not serve after kill -9" serves
ask hello > /dev/null || fail "no answer after kill -9"
echo "the image serves as process 1 without rights, adopts and ends what is left, stops in order, and keeps its ledger"
