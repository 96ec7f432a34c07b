#!/bin/bash
# Surprise: of three libraries with which engines force JSON, each makes another language of the same schema. outlines-core and
# lm-format-enforcer let a price below its minimum through, a sum that isn't a multiple, items twice, and what `not` forbids, without a word;
# llguidance keeps the numbers and refuses the rest. What may come besides differs, too: a property that isn't listed, which JSON Schema allows,
# comes with llguidance only; a text that has the pattern in its middle, with llguidance only; a negative zero for `minimum: 0`, with the others only.
# Guess: one schema, one language; what isn't supported is refused.
# So: answers are checked again behind any of them, and a change of the backend is a change of what comes.
# Seen with: llguidance 1.9.1, lm-format-enforcer 0.11.3, outlines-core 0.2.14 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile llguidance==1.9.1 lm-format-enforcer==0.11.3 outlines-core==0.2.14
cat > "$folder/try.py" <<'PYTHON'
import importlib.metadata, json, re
from llguidance import LLMatcher, LLTokenizer
from lmformatenforcer import JsonSchemaParser
from outlines_core.json_schema import build_regex_from_schema

BYTES = LLTokenizer("byte")

def llguidance(schema, text):
    matcher = LLMatcher(BYTES, LLMatcher.grammar_from_json_schema(json.dumps(schema)))
    if matcher.is_error():
        return "refused"
    return "yes" if matcher.try_consume_tokens(list(text.encode())) == len(text.encode()) and matcher.is_accepting() else "no"

def lm_format_enforcer(schema, text):
    parser = JsonSchemaParser(schema)
    for character in text:
        if character not in parser.get_allowed_characters():
            return "no"
        parser = parser.add_character(character)
    return "yes" if parser.can_end() else "no"

def outlines_core(schema, text):
    return "yes" if re.fullmatch(build_regex_from_schema(json.dumps(schema)), text) else "no"

LISTED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
# Schema, a text, whether it is right by JSON Schema, and whether it can come from llguidance, lm-format-enforcer, outlines-core.
CASES = [
    ({"type": "number", "minimum": 5}, "7", True, "yes yes yes"),
    ({"type": "number", "minimum": 5}, "-1", False, "no yes yes"),
    ({"type": "integer", "multipleOf": 7}, "15", False, "no yes yes"),
    ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True}, '["a","a"]', False, "refused yes yes"),
    ({"type": "string", "not": {"const": "x"}}, '"x"', False, "refused yes yes"),
    ({"type": "string", "format": "email"}, '"hello"', False, "no yes no"),
    (LISTED, '{"a":"b","z":"c"}', True, "yes no no"),
    ({"type": "string", "pattern": "cat"}, '"a cat"', True, "yes no no"),
    ({"type": "integer", "minimum": 0}, "-0", True, "no yes yes"),
]
print({name: importlib.metadata.version(name) for name in ("llguidance", "lm-format-enforcer", "outlines-core")})
right = True
for schema, text, valid, wanted in CASES:
    seen = [engine(schema, text) for engine in (llguidance, lm_format_enforcer, outlines_core)]
    print(f"{json.dumps(schema)}: {text} is {'right' if valid else 'wrong'}; can it come? {seen}")
    right &= seen == wanted.split()
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
