#!/bin/bash
# Surprise: a chat template sends another prompt where it is not Jinja2 that reads it, without an error. MiniJinja (Rust servers) writes
# the signs < > & ' as \u003c and so on by `tojson`, for web pages: each is five characters more in a tool's description that
# the model has to read. @huggingface/jinja (transformers.js) finds "1" and 1 equal, none and what is undefined too, ignores the argument of
# `lstrip`, and prints none as nothing.
# Guess: the same text, or an error for what isn't supported.
# So: counts and cached prefixes of the same chat differ from engine to engine; compare prompts, not templates.
# Seen with: minijinja 3.1.0 (Python), @huggingface/jinja 0.5.11 (Node), Jinja2 3.1.6 with transformers' `tojson`, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install jinja2==3.1.6 minijinja==3.1.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @huggingface/jinja@0.5.11)
cat > "$folder/try.mjs" <<'NODE'
import { Template } from "@huggingface/jinja";
const [lines, context] = JSON.parse(process.argv[2]);
console.log(JSON.stringify(lines.map((line) => new Template(line).render(context))));
NODE
cat > "$folder/try.py" <<'PYTHON'
import json, subprocess, sys
import jinja2, minijinja

CONTEXT = {"tool": {"description": "the user's name <b>"}}
# Line: what Jinja2, MiniJinja and @huggingface/jinja print.
LINES = {
    "{{ tool | tojson }}": ("""{"description": "the user's name <b>"}""", r"""{"description": "the user\u0027s name \u003cb\u003e"}""", """{"description": "the user's name <b>"}"""),
    """{{ "same" if "1" == 1 else "not the same" }}""": ("not the same", "not the same", "same"),
    """{{ "same" if none == nothing else "not the same" }}""": ("not the same", "not the same", "same"),
    """{{ "xxabc".lstrip("x") }}""": ("abc", "abc", "xxabc"),
    "{{ none }}": ("None", "None", ""),
    "{{ ['a', true] }}": ("['a', True]", "['a', True]", '["a", true]'),
    "{{ -7 % 5 }}": ("3", "3", "-2"),
}
python = jinja2.Environment()
python.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
rust = minijinja.Environment()
node = json.loads(subprocess.run(["node", sys.argv[1], json.dumps([list(LINES), CONTEXT])], capture_output=True, text=True, check=True).stdout)
right = True
for (line, wanted), script in zip(LINES.items(), node):
    seen = python.from_string(line).render(CONTEXT), rust.render_str(line, **CONTEXT), script
    print(f"{line}\n    Jinja2 {seen[0]!r}, MiniJinja {seen[1]!r}, @huggingface/jinja {seen[2]!r}")
    right &= seen == wanted
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
