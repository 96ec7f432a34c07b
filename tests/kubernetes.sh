#!/bin/bash
# kubernetes.sh [ARGUMENTS]: the tests against a real Kubernetes of one node on this machine (kubernetes/cluster.sh): API server,
# scheduler and kubelet, built from Debian's source package (kubernetes/build.sh, once), with containerd and runc. It wants root and
# Debian, and is run by hand: docs/guide/kubernetes.md has the record. Arguments go to nextest.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "skipped: the tests with Kubernetes (they want root and Debian)"
  exit 0
fi
missing=()
for pair in etcd:etcd-server containerd:containerd runc:runc ip:iproute2 iptables:iptables openssl:openssl; do
  command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
if [ -z "${KUBERNETES_BIN:-}" ] && [ ! -x .kubernetes/bin/kubectl ] && ! command -v go > /dev/null; then
  missing+=(golang-go)
fi
[ ${#missing[@]} -eq 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
tests/kubernetes/build.sh
cargo nextest run --features kubernetes,otel -p llm-manager --test e2e --no-run
folder=$(mktemp -d)
trap 'tests/kubernetes/cluster.sh stop "$folder"' EXIT
tests/kubernetes/cluster.sh start "$folder"
export KUBERNETES_CLUSTER=$folder
cargo nextest run --features kubernetes,otel -p llm-manager --test e2e -j 1 -E 'test(kubernetes::)' "$@"
