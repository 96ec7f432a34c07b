#!/bin/bash
# build.sh: builds kube-apiserver, kube-scheduler, kubelet and kubectl from Debian's source package of Kubernetes, once, into
# .kubernetes/bin of the repository. It wants Debian with its sources (deb-src) and Go; about ten minutes on two cores.
# KUBERNETES_BIN: they are there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/.kubernetes
bin=${KUBERNETES_BIN:-$home/bin}
# KUBERNETES_ONLY_API=1: without scheduler and kubelet, for which cluster.sh has a stand-in; half of the time.
programs=(kube-apiserver kubectl)
[ -n "${KUBERNETES_ONLY_API:-}" ] || programs+=(kube-scheduler kubelet)
missing=()
for name in "${programs[@]}"; do [ -x "$bin/$name" ] || missing+=("$name"); done
[ ${#missing[@]} -eq 0 ] && exit 0
[ -z "${KUBERNETES_BIN:-}" ] || { echo "not in $bin: ${missing[*]}" >&2; exit 1; }

mkdir -p "$bin" "$home/apt/lists/partial" "$home/apt/cache"
# Lists of its own, so that the machine's sources stay as they are.
apt() {
  apt-get -o Dir::Etc::SourceList="$home/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$home/apt/lists" -o Dir::Cache="$home/apt/cache" -qq "$@"
}
# The last release of Debian whose source package has more than kubectl in it.
echo 'deb-src http://deb.debian.org/debian bookworm main' > "$home/apt/sources.list"
tree=$home/go/src/k8s.io/kubernetes
if [ ! -e "$tree/go.mod" ]; then
  apt update
  (mkdir -p "$home/source" && cd "$home/source" && apt source --download-only kubernetes)
  mkdir -p "$tree"
  tar -xf "$home"/source/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1
fi
version=$(ls "$home"/source/kubernetes_*.dsc | sed -E 's/.*really([0-9.]+)-.*/\1/')
go=$(command -v go || ls /usr/lib/go-*/bin/go | tail -1)
stamp=k8s.io/kubernetes/vendor/k8s.io/component-base/version
# It comes with all that it needs: nothing is fetched.
export GOPATH="$home/go" GOCACHE="$home/cache" GO111MODULE=off GOPROXY=off CGO_ENABLED=0
cd "$tree"
# Go 1.18 and later hand the iterator of a map to `reflect` in another way; what comes with this version of Kubernetes would crash.
reflect=vendor/github.com/modern-go/reflect2
if grep -q 'm unsafe.Pointer) \*hiter' $reflect/unsafe_link.go; then
  sed -i 's/^func mapiterinit(.*/func mapiterinit(rtype unsafe.Pointer, m unsafe.Pointer, it *hiter)/' $reflect/unsafe_link.go
  sed -i -e 's/^\treturn &UnsafeMapIterator{$/\tit := new(hiter)\n\tmapiterinit(type2.rtype, *(*unsafe.Pointer)(obj), it)\n&/' \
    -e 's/hiter:      mapiterinit(.*),/hiter:      it,/' $reflect/unsafe_map.go
fi
# The one generated file that isn't in the package.
if [ ! -e pkg/generated/openapi/zz_generated.openapi.go ]; then
  "$go" build -o "$home/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
  tagged=$(find -L vendor/k8s.io pkg cmd plugin -name '*.go' ! -name '*_test.go' ! -path '*/testdata/*' \
    ! -path 'vendor/k8s.io/code-generator/*' ! -path 'vendor/k8s.io/sample-*/*' -print0 |
    xargs -0 grep -l '+k8s:openapi-gen=' | xargs -n1 dirname | sort -u | sed 's#^#k8s.io/kubernetes/#' | paste -sd,)
  PATH=$(dirname "$go"):$PATH "$home/openapi-gen" --logtostderr -i "$tagged" -p k8s.io/kubernetes/pkg/generated/openapi \
    -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$home/openapi-report"
fi
for name in "${missing[@]}"; do
  "$go" build -trimpath -o "$bin/$name" \
    -ldflags "-s -w -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<< "$version")" \
    "k8s.io/kubernetes/cmd/$name"
done
