#!/usr/bin/env python3
"""openai_check.py URL CHAT_MODEL EMBEDDING_MODEL [KEY]: the official package against a running manager.

The models may be cold: the first request of each starts it. Ends with "all good".
"""
import sys

import openai

url, chat, embedding = sys.argv[1:4]
key = sys.argv[4] if len(sys.argv) > 4 else "none"
client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, timeout=120, max_retries=0)
messages = [{"role": "user", "content": "the people of the world"}]


def refused(error, call):
    """The call fails with this kind of error; its code."""
    try:
        call()
    except error as caught:
        return caught.code
    raise AssertionError(f"expected {error.__name__}")


names = [model.id for model in client.models.list()]
assert chat in names and embedding in names, names
assert client.models.retrieve(chat).id == chat

# Cold.
answer = client.chat.completions.create(model=chat, messages=messages, max_tokens=8)
assert answer.choices[0].message.content, answer
assert answer.usage.completion_tokens == 8, answer.usage
print("chat", answer.usage)

pieces = list(client.chat.completions.create(model=chat, messages=messages, max_tokens=8, stream=True))
assert all(piece.choices for piece in pieces), "a chunk without choices: the usage chunk isn't hidden"
assert all(piece.usage is None for piece in pieces)
# llama.cpp's `timings` come in a chunk of their own, behind the one that says why it ended.
assert any(piece.choices[0].finish_reason for piece in pieces[-2:]), pieces[-2:]
print("stream", len(pieces), "chunks")

options = {"include_usage": True}
pieces = list(
    client.chat.completions.create(
        model=chat, messages=messages, max_tokens=8, stream=True, stream_options=options
    )
)
assert pieces[-1].choices == [] and pieces[-1].usage.completion_tokens == 8, pieces[-1]
print("stream with usage", pieces[-1].usage)

answer = client.completions.create(model=chat, prompt="the", max_tokens=4)
assert answer.choices[0].text, answer
answer = client.responses.create(model=chat, input="the", max_output_tokens=4)
assert answer.output_text is not None and answer.usage.output_tokens > 0, answer
print("completions, responses")

# Leaves in the middle.
with client.chat.completions.create(model=chat, messages=messages, max_tokens=20000, stream=True) as stream:
    next(iter(stream))

answer = client.embeddings.create(model=embedding, input=["the people", "first day"], encoding_format="float")
assert len(answer.data) == 2 and len(answer.data[0].embedding) == len(answer.data[1].embedding) > 0
print("embeddings", len(answer.data[0].embedding))

assert refused(openai.NotFoundError, lambda: client.models.retrieve("nobody")) == "model_not_found"
assert (
    refused(
        openai.NotFoundError, lambda: client.chat.completions.create(model="nobody", messages=messages)
    )
    == "model_not_found"
)
assert (
    refused(
        openai.BadRequestError, lambda: client.chat.completions.create(model=embedding, messages=messages)
    )
    == "mode_mismatch"
)
print("errors")
print("all good")
