#!/bin/bash
# kubernetes.sh [--cached] [ARGUMENTS]: the tests against a real Kubernetes of one node on this machine (kubernetes/cluster.sh): API server,
# scheduler and kubelet, built from Debian's source package (kubernetes/build.sh, once), with containerd and runc. It wants root and
# Debian, and is run by hand: docs/guide/kubernetes.md has the record. Arguments go to nextest.
# --cached, a part of all tests: against the API server alone, if it has been built before; nothing is installed or built for it.
# KUBERNETES_ONLY_API=1: the API server alone, with stand_in.py for scheduler and kubelet.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
left_out() {
  echo "left out: the tests with Kubernetes ($1)"
  exit 0
}
if [ "${1:-}" = --cached ]; then
  shift
  for program in "${KUBERNETES_BIN:-.kubernetes/bin}"/{kube-apiserver,kubectl} etcd openssl; do
    command -v "$program" > /dev/null || left_out "$program isn't here; KUBERNETES_ONLY_API=1 tests/kubernetes.sh makes all of it"
  done
  export KUBERNETES_ONLY_API=1
elif [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  left_out "they want root and Debian"
else
  missing=()
  programs=(etcd:etcd-server openssl:openssl)
  [ -n "${KUBERNETES_ONLY_API:-}" ] || programs+=(containerd:containerd runc:runc ip:iproute2 iptables:iptables)
  for pair in "${programs[@]}"; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
  done
  [ -n "${KUBERNETES_ONLY_API:-}" ] || [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
  if [ -z "${KUBERNETES_BIN:-}" ] && [ ! -x .kubernetes/bin/kubectl ] && ! command -v go > /dev/null; then
    missing+=(golang-go)
  fi
  [ ${#missing[@]} -eq 0 ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
  tests/kubernetes/build.sh
fi
build=(--workspace --features otel,llm-manager/kubernetes)
cargo nextest run "${build[@]}" --no-run
folder=$(mktemp -d)
trap 'tests/kubernetes/cluster.sh stop "$folder"' EXIT
tests/kubernetes/cluster.sh start "$folder"
export KUBERNETES_CLUSTER=$folder
cargo nextest run "${build[@]}" -j 1 -E 'package(llm-manager-kubernetes) | binary(e2e) & test(/^kubernetes::/)' "$@"
