#!/bin/bash
# Surprise: `len(tokenizer.apply_chat_template(messages))`, by which programs count the tokens of a chat, is 2 for every chat with transformers 5, or 3
# if the tokenizer has token types: it returns the fields of an encoding. Up to 4.57 it returned the numbers of the tokens.
# Guess: the count of tokens, as before, or an error.
# So: a budget or a price that is computed so lets every prompt pass as two tokens; `["input_ids"]`, or `return_dict=False`.
# Seen with: transformers 5.24.0 and 4.57.6 (Python), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/try.py" <<'PYTHON'
import sys
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

raw = Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]"))
raw.pre_tokenizer = pre_tokenizers.Whitespace()
template = "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}"
seen = {}
for fields in (["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]", model_input_names=fields, chat_template=template)
    chats = [[{"role": "user", "content": "sea " * words}] for words in (1, 1000)]
    seen[len(fields)] = [len(tokenizer.apply_chat_template(chat)) for chat in chats]
    seen[f"{len(fields)}, return_dict=False"] = [len(tokenizer.apply_chat_template(chat, return_dict=False)) for chat in chats]
print(f"transformers {transformers.__version__}, chats of 2 and 1001 words, by the tokenizer's fields: {seen}")
right = [2, 1001]
old = transformers.__version__ == "4.57.6"
raise SystemExit(0 if seen == {2: right if old else [2, 2], "2, return_dict=False": right, 3: right if old else [3, 3], "3, return_dict=False": right} else 1)
PYTHON
for version in 4.57.6 5.24.0; do
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile "transformers==$version" jinja2==3.1.6
  "$folder/venv/bin/python" "$folder/try.py" 2> "$folder/errors" || { cat "$folder/errors"; echo "it has changed: adapt what relies on it"; exit 1; }
done
echo "still so"
