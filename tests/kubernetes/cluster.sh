#!/bin/bash
# cluster.sh start|stop FOLDER: a Kubernetes cluster of one node on this machine, for tests. It wants root, etcd and the programs of
# build.sh (KUBERNETES_BIN, or .kubernetes/bin); with a kubelet also containerd, runc and the plugins of CNI. Without a kubelet and a
# scheduler stand_in.py stands for them, and only the API server is real.
# `start` writes FOLDER/kubeconfig (the manager's, with the rights of contrib/kubernetes/role.yaml in the namespace llm) and
# FOLDER/admin (for kubectl), and waits until the node is ready. cluster.sh api FOLDER start|stop: the API server alone.
set -euo pipefail
do=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mkdir -p "$2" && cd "$2" && pwd)
bin=${KUBERNETES_BIN:-$here/.kubernetes/bin}
PATH=$bin:$PATH:/usr/sbin:/sbin
# KUBERNETES_ONLY_API=1: so it is, too, where they have been built.
has() { [ -z "${KUBERNETES_ONLY_API:-}" ] && [ -x "$bin/$1" ]; }

# Runs in the background, with its log and its pid in the folder; no descriptor of the caller's stays open in it.
background() {
  local name=$1
  shift
  (exec 8>&- 9>&-; exec setsid "$@" < /dev/null > "$dir/$name.log" 2>&1 & echo $! > "$dir/$name.pid")
}
admin() { kubectl --kubeconfig "$dir/admin" "$@"; }
until_true() {
  local what=$1
  shift
  for _ in $(seq 600); do "$@" > /dev/null 2>&1 && return; sleep 0.2; done
  echo "not within two minutes: $what" >&2
  exit 1
}

config() {
  cat << CONF
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$port", certificate-authority: $dir/certs/apiserver.crt}}]
users: [{name: u, user: {token: $1}}]
contexts: [{name: c, context: {cluster: c, user: u, namespace: llm}}]
CONF
}

api() {
  port=$(cat "$dir/port")
  background apiserver kube-apiserver --etcd-servers="http://127.0.0.1:$((port + 1))" --secure-port="$port" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --cert-dir="$dir/certs" --service-cluster-ip-range=10.232.0.0/24 \
    --service-account-issuer=https://test --service-account-key-file="$dir/sa.key" \
    --service-account-signing-key-file="$dir/sa.key" --token-auth-file="$dir/tokens" --authorization-mode=RBAC \
    --disable-admission-plugins=ServiceAccount,TaintNodesByCondition --allow-privileged=true \
    --kubelet-preferred-address-types=InternalIP
  until_true "the API server answers" admin get --raw /readyz
}

start() {
  mkdir -p "$dir"/{certs,cni,run,kubelet,logs}
  chmod 755 "$dir"
  port=$((21000 + $$ % 2000 * 4))
  while ss -Hltn | grep -qE ":($port|$((port + 1))|$((port + 2))|$((port + 3))) "; do port=$((port + 4)); done
  echo "$port" > "$dir/port"
  openssl genrsa -out "$dir/sa.key" 2048 2> /dev/null
  local word
  for word in admin manager; do head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$dir/token.$word"; done
  printf '%s,admin,1,system:masters\n%s,llm-manager,2\n' "$(cat "$dir/token.admin")" "$(cat "$dir/token.manager")" > "$dir/tokens"
  config "$(cat "$dir/token.admin")" > "$dir/admin"
  config "$(cat "$dir/token.manager")" > "$dir/kubeconfig"
  chmod 600 "$dir"/token* "$dir/admin" "$dir/kubeconfig"
  background etcd etcd --data-dir="$dir/etcd" --listen-client-urls="http://127.0.0.1:$((port + 1))" \
    --advertise-client-urls="http://127.0.0.1:$((port + 1))" --listen-peer-urls="http://127.0.0.1:$((port + 2))" \
    --unsafe-no-fsync
  api
  admin create namespace llm > /dev/null
  admin -n llm apply -f "$here/contrib/kubernetes/role.yaml" > /dev/null
  admin -n llm create rolebinding tester --role=llm-manager --user=llm-manager > /dev/null
  if has kube-scheduler; then
    background scheduler kube-scheduler --kubeconfig="$dir/admin" --leader-elect=false --port=0 --secure-port=0
  fi
  if has kubelet; then
    node
  else
    # The API server alone is real: what runs Pods is a process of this machine.
    local instead=
    has kube-scheduler || instead=--scheduler
    background node python3 "$here/tests/kubernetes/stand_in.py" "$dir/admin" "$dir/certs/apiserver.crt" \
      "$dir/certs/apiserver.key" "$((port + 3))" $instead
  fi
  until_true "the node is ready" sh -c "kubectl --kubeconfig '$dir/admin' get node n1 | grep -q ' Ready '"
}

# One image for all: a program that only waits. What a Pod runs beside it is mounted from this machine.
image() {
  mkdir -p "$dir/image/root"
  printf '#include <unistd.h>\n#include <signal.h>\nstatic void end(int s){_exit(0);}\nint main(void){signal(SIGTERM,end);for(;;)pause();}\n' \
    > "$dir/image/pause.c"
  cc -static -O1 -o "$dir/image/root/pause" "$dir/image/pause.c"
  tar -C "$dir/image/root" -cf "$dir/image/layer.tar" pause
  local sum
  sum=$(sha256sum "$dir/image/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$sum" > "$dir/image/config.json"
  printf '[{"Config":"config.json","RepoTags":["llm-manager.test/empty:1"],"Layers":["layer.tar"]}]' > "$dir/image/manifest.json"
  tar -C "$dir/image" -cf "$dir/image.tar" manifest.json config.json layer.tar
}

node() {
  image
  # A node's address may not be that of the loopback; the API server asks the kubelet there for logs.
  local address=10.230.$((port / 4 % 250)).1
  ip link add "llm${port}n" type bridge
  ip addr add "$address/32" dev "llm${port}n"
  ip link set "llm${port}n" up
  cat > "$dir/containerd.toml" << CONF
version = 2
root = "$dir/containerd"
state = "$dir/run/containerd"
[grpc]
address = "$dir/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "llm-manager.test/empty:1"
# Without CAP_SYS_RESOURCE nobody may become less likely to be killed for memory.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$dir/cni"
CONF
  cat > "$dir/cni/net.conflist" << CONF
{"cniVersion": "0.3.1", "name": "llm", "plugins": [
  {"type": "bridge", "bridge": "llm$port", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "ranges": [[{"subnet": "10.231.$((port / 4 % 250)).0/24"}]]}}]}
CONF
  cat > "$dir/kubelet.yaml" << CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: $address
port: $((port + 3))
healthzPort: 0
cgroupDriver: cgroupfs
cgroupRoot: /llm$port
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
evictionHard: {nodefs.available: "0%", imagefs.available: "0%", memory.available: "10Mi"}
imageGCHighThresholdPercent: 100
fileCheckFrequency: 1s
syncFrequency: 10s
CONF
  # Mounts of a view of their own, which are gone with the last process that sees them.
  background node unshare --mount --propagation private sh -c '
    mount --make-rshared /
    containerd --config "$1/containerd.toml" > "$1/containerd.log" 2>&1 &
    echo $! > "$1/containerd.pid"
    for _ in $(seq 300); do ctr --address "$1/run/containerd.sock" version > /dev/null 2>&1 && break; sleep 0.1; done
    ctr --address "$1/run/containerd.sock" --namespace k8s.io images import "$1/image.tar" > /dev/null
    exec kubelet --config="$1/kubelet.yaml" --kubeconfig="$1/admin" --hostname-override=n1 --node-ip="$2" \
      --root-dir="$1/kubelet" --cert-dir="$1/kubelet/pki" --container-runtime=remote \
      --container-runtime-endpoint="unix://$1/run/containerd.sock"' - "$dir" "$address"
}

stop() {
  local name pid
  for name in node scheduler apiserver etcd; do
    pid=$(cat "$dir/$name.pid" 2> /dev/null) || continue
    kill "$pid" 2> /dev/null || :
  done
  # Containers outlive containerd; their shims name its socket.
  if [ -S "$dir/run/containerd.sock" ] && pid=$(cat "$dir/containerd.pid"); then
    nsenter --target "$pid" --mount sh -c '
      for id in $(ctr --address "$1" --namespace k8s.io tasks ls -q); do
        ctr --address "$1" --namespace k8s.io tasks rm -f "$id" > /dev/null 2>&1
      done' - "$dir/run/containerd.sock" 2> /dev/null || :
    kill "$pid" 2> /dev/null || :
  fi
  port=$(cat "$dir/port" 2> /dev/null || :)
  [ -z "$port" ] || for name in "llm$port" "llm${port}n"; do ip link del "$name" 2> /dev/null || :; done
}

case $do in
  start) start ;;
  stop) stop ;;
  api)
    if [ "$3" = stop ]; then kill "$(cat "$dir/apiserver.pid")"; else api; fi
    ;;
esac
