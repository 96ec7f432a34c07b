#!/bin/bash
# release.sh [FOLDER]: builds what a release has, into FOLDER (target/dist by default): an archive with the program, its man pages and completions; the .deb; the zip for Windows if it can be built here; an SBOM; and SHA256SUMS of all of them.
#   NO_BUILD=1     packs the target/lean/llm-manager that is there, and nothing that would have to be built
#   STATIC=0       no static program (musl); it has no NVIDIA plugin, see docs/guide/packages.md
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-target/dist}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
machine=$(uname -m)
program=target/lean/llm-manager
pages=target/pages
rm -rf "$out" "$pages"
mkdir -p "$out" "$pages/man"
out=$(cd "$out" && pwd)

# `--version` shows the commit; a `+` says that something was changed since.
if [ -z "${LLM_MANAGER_COMMIT-}" ] && git rev-parse HEAD > /dev/null 2>&1; then
  LLM_MANAGER_COMMIT=$(git rev-parse --short=10 HEAD)$(git diff --quiet HEAD || echo +)
fi
export LLM_MANAGER_COMMIT=${LLM_MANAGER_COMMIT-}

if [ -z "${NO_BUILD-}" ]; then
  make --no-print-directory dashboard
  cargo build --profile lean --locked --bin llm-manager
fi

# Names of functions, which only a debugger reads; a panic says its file and line without them.
if command -v strip > /dev/null; then strip "$program"; fi

"$program" man --out "$pages/man"
"$program" completions bash > "$pages/llm-manager.bash"
"$program" completions zsh > "$pages/_llm-manager"
"$program" completions fish > "$pages/llm-manager.fish"

# Times and owners don't depend on where and when it is packed; dpkg-deb goes by this, too.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || date +%s)
export SOURCE_DATE_EPOCH
archive() {
  local name=$1 binary=$2 folder
  folder=$(mktemp -d)
  mkdir -p "$folder/$name/completions"
  cp "$binary" README.md README.zh-CN.md CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT config.example.yaml "$folder/$name"
  cp -r "$pages/man" docs "$folder/$name"
  cp "$pages"/llm-manager.bash "$pages"/_llm-manager "$pages"/llm-manager.fish "$folder/$name/completions"
  tar --create --gzip --file "$out/$name.tar.gz" --directory "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name"
  rm -rf "$folder"
}

archive "llm-manager-$version-linux-$machine" "$program"

if command -v dpkg-deb > /dev/null; then
  python3 scripts/deb.py "$out" > /dev/null
else
  echo "release: dpkg-deb isn't installed: no .deb"
fi

musl=$machine-unknown-linux-musl
if [ -n "${NO_BUILD-}" ] || [ "${STATIC-1}" = 0 ]; then
  :
elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ]; then
  echo "release: Rust's library for it isn't here (rustup target add $musl): no static program"
elif ! command -v musl-gcc > /dev/null; then
  echo "release: musl-gcc isn't installed (apt-get install musl-tools): no static program"
else
  cargo build --profile lean --locked --bin llm-manager --target "$musl"
  strip "target/$musl/lean/llm-manager"
  archive "llm-manager-$version-linux-$machine-static" "target/$musl/lean/llm-manager"
fi

if [ -z "${NO_BUILD-}" ]; then
  scripts/windows/build.sh
  find "${WINDOWS_TARGET_DIR:-target/windows}" -maxdepth 1 -name "llm-manager-$version-windows-*.zip" -exec cp {} "$out" \;
fi

python3 scripts/sbom.py > "$out/llm-manager-$version.cdx.json"
(cd "$out" && sha256sum -- * > SHA256SUMS)
cat "$out/SHA256SUMS"
