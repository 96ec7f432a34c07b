#!/bin/bash
# Surprise: a slice of a tensor in a safetensors file forgets its step: `get_slice(name)[::2]` brings all rows, `[1:5:2]` four instead of two, without
# an error, in safetensors 0.7. 0.8 does as NumPy, and refuses a negative step, which 0.7 takes and forgets too.
# `[-2:]` is refused by both, an end past the last row too, where NumPy takes what there is.
# Guess: as NumPy slices, or an error for what isn't supported.
# So: what splits or thins weights while it loads them has to pin 0.8, or to look at the shape of what came.
# Seen with: safetensors 0.7.0 and 0.8.0 (Python, NumPy 2.3.5), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/try.py" <<'PYTHON'
import os, sys
import numpy, safetensors
from safetensors.numpy import save_file

path = os.path.join(sys.argv[1], "six.safetensors")
rows = numpy.arange(24, dtype=numpy.float32).reshape(6, 4)
save_file({"six": rows}, path)
seen = {}
with safetensors.safe_open(path, "np") as file:
    for words, part in {"[::2]": numpy.s_[::2], "[1:5:2]": numpy.s_[1:5:2], "[::-1]": numpy.s_[::-1], "[-2:]": numpy.s_[-2:], "[4:9]": numpy.s_[4:9]}.items():
        try:
            came = file.get_slice("six")[part]
            seen[words] = "right" if numpy.array_equal(came, rows[part]) else f"{len(came)} rows for {len(rows[part])}"
            if seen[words] == "6 rows for 6":
                seen[words] = "in the old order"
        except Exception as error:
            seen[words] = type(error).__name__
print(f"safetensors {safetensors.__version__}: {seen}")
wanted = {"0.7.0": ["6 rows for 3", "4 rows for 2", "in the old order", "OverflowError", "SafetensorError"],
          "0.8.0": ["right", "right", "SafetensorError", "OverflowError", "SafetensorError"]}
raise SystemExit(0 if list(seen.values()) == wanted[safetensors.__version__] else 1)
PYTHON
for version in 0.7.0 0.8.0; do
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" --disable-pip-version-check --quiet install "safetensors==$version" numpy==2.3.5
  "$folder/venv/bin/python" "$folder/try.py" "$folder" || { echo "it has changed: adapt what relies on it"; exit 1; }
done
echo "still so"
