#!/bin/bash
# Surprise: on a CPU ONNX Runtime takes more than twice the file of a float16 model, and more than three times while it loads, for it computes in float32. Of weights
# in int8 behind DequantizeLinear it takes a little more than the file until the first request, then five times the file, which it keeps: as much as the same
# weights in float32. Float32 with its weights in a file of their own takes what the files have.
# Guess: about the size of the file, as with llama.cpp; what is there after loading is what it takes.
# So: memory for a server on ONNX Runtime (fastembed, infinity's optimum, rerankers) is measured after its first request, not taken from the file.
# Seen with: onnxruntime 1.32.0, onnx 1.23.2 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.3.5
cat > "$folder/make.py" <<'PYTHON'
import sys
import numpy, onnx
from onnx import TensorProto, helper, numpy_helper

WIDE, LAYERS, dice = 2048, 12, numpy.random.default_rng(0)

def make(name, kind, **where):
    layers, numbers, last = [], [], "x"
    for layer in range(LAYERS):
        weights = dice.standard_normal((WIDE, WIDE), dtype=numpy.float32)
        if kind == "int8":
            numbers += [numpy_helper.from_array((weights * 20).astype(numpy.int8), f"w{layer}"), numpy_helper.from_array(numpy.float32(0.05), f"s{layer}")]
            layers.append(helper.make_node("DequantizeLinear", [f"w{layer}", f"s{layer}"], [f"d{layer}"]))
        else:
            numbers.append(numpy_helper.from_array(weights.astype(kind), f"d{layer}"))
        layers.append(helper.make_node("MatMul", [last, f"d{layer}"], [f"y{layer}"]))
        last = f"y{layer}"
    kind = TensorProto.FLOAT16 if kind == "float16" else TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(end, kind, [None, WIDE]) for end in ("x", last)]
    graph = helper.make_graph(layers, "layers", ends[:1], ends[1:], numbers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), f"{sys.argv[1]}/{name}.onnx", **where)

make("float32 beside", "float32", save_as_external_data=True, location="weights")
make("float16", "float16")
make("int8", "int8")
PYTHON
cat > "$folder/serve.py" <<'PYTHON'
import json, sys
import numpy, onnxruntime

def megabytes(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) // 1024

before, settings = megabytes("VmRSS"), onnxruntime.SessionOptions()
settings.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], settings, providers=["CPUExecutionProvider"])
loaded, most = megabytes("VmRSS") - before, megabytes("VmHWM") - before
session.run(None, {"x": numpy.zeros((1, 2048), "float16" if session.get_inputs()[0].type == "tensor(float16)" else "float32")})
print(json.dumps([loaded, most, megabytes("VmRSS") - before]))
PYTHON
cat > "$folder/try.py" <<'PYTHON'
import importlib.metadata, json, os, subprocess, sys

folder, seen = sys.argv[1], {}
subprocess.run([sys.executable, folder + "/make.py", folder], check=True)
print({name: importlib.metadata.version(name) for name in ("onnxruntime", "onnx")})
for name in ("float32 beside", "float16", "int8"):
    path = f"{folder}/{name}.onnx"
    size = (os.path.getsize(path) + (os.path.getsize(folder + "/weights") if "beside" in name else 0)) / 2**20
    told = json.loads(subprocess.run([sys.executable, folder + "/serve.py", path], capture_output=True, text=True, check=True).stdout)
    seen[name] = [megabytes / size for megabytes in told]
    print(f"{name}: file {size:.0f} MiB; loaded {told[0]} MiB, {told[1]} at most meanwhile, {told[2]} after the first request")
right = seen["float32 beside"][2] < 1.3 and seen["float16"][2] > 2 and seen["float16"][1] > 3
right &= seen["int8"][0] < 1.5 and seen["int8"][2] > 4
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
