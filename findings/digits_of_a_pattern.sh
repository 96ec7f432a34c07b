#!/bin/bash
# Surprise: what a grammar of digits lets a model write depends on the library, and within one on the way that it is told. By outlines-core `\d` in a JSON
# schema's pattern is any digit of Unicode, Arabic ones too, which JavaScript and most parsers of numbers refuse; by llguidance it is 0 to 9 in a schema, and any digit
# in a regular expression; by lm-format-enforcer 0 to 9 in both. `\w` differs in the same way.
# Guess: 0 to 9, as JSON Schema takes its patterns from ECMAScript; and one meaning in one library.
# So: [0-9] instead of `\d`, [A-Za-z0-9_] instead of `\w`, in whatever an engine is to keep.
# Seen with: outlines-core 0.2.14, llguidance 1.9.1, lm-format-enforcer 0.11.3 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile outlines-core==0.2.14 llguidance==1.9.1 lm-format-enforcer==0.11.3
cat > "$folder/try.py" <<'PYTHON'
import importlib.metadata, json
from llguidance import LLMatcher, LLTokenizer
from lmformatenforcer import JsonSchemaParser, RegexParser
from outlines_core import Index, Vocabulary
from outlines_core.json_schema import build_regex_from_schema

BYTES = LLTokenizer("byte")
LETTERS = {"7": "a digit", "\u0663": "an Arabic digit", "\u00e9": "an e with an accent"}
VOCABULARY = Vocabulary(0, {letter: [number + 1] for number, letter in enumerate(['"', *LETTERS])})
schema = lambda pattern: json.dumps({"type": "string", "pattern": f"^{pattern}$"})

def outlines(regex, text):
    index = Index(regex, VOCABULARY)
    state = index.get_initial_state()
    for letter in text:
        state = index.get_next_state(state, ['"', *LETTERS].index(letter) + 1)
        if state is None:
            return False
    return index.is_final_state(state)

def guidance(grammar, text):
    matcher = LLMatcher(BYTES, grammar)
    return matcher.try_consume_tokens(list(text.encode())) == len(text.encode()) and matcher.is_accepting()

def enforcer(parser, text):
    for letter in text:
        if letter not in parser.get_allowed_characters():
            return False
        parser = parser.add_character(letter)
    return parser.can_end()

ways = {
    "outlines-core, regex": lambda pattern, letter: outlines(pattern, letter),
    "outlines-core, schema": lambda pattern, letter: outlines(build_regex_from_schema(schema(pattern)), f'"{letter}"'),
    "llguidance, regex": lambda pattern, letter: guidance(LLMatcher.grammar_from_regex(pattern), letter),
    "llguidance, schema": lambda pattern, letter: guidance(LLMatcher.grammar_from_json_schema(schema(pattern)), f'"{letter}"'),
    "lm-format-enforcer, regex": lambda pattern, letter: enforcer(RegexParser(pattern), letter),
    "lm-format-enforcer, schema": lambda pattern, letter: enforcer(JsonSchemaParser(json.loads(schema(pattern))), f'"{letter}"'),
}
print({name: importlib.metadata.version(name) for name in ("outlines-core", "llguidance", "lm-format-enforcer")})
seen = {}
for pattern in (r"\d", r"\w", "[0-9]"):
    for way, may in ways.items():
        seen[pattern, way] = "".join("+" if may(pattern, letter) else "-" for letter in LETTERS)
        print(f"{pattern} by {way}: {', '.join(words for letter, words in LETTERS.items() if may(pattern, letter))}")
wanted = {r"\d": ["++-", "++-", "++-", "+--", "+--", "+--"], "[0-9]": ["+--"] * 6}
raise SystemExit(0 if all([seen[pattern, way] for way in ways] == row for pattern, row in wanted.items()) else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
