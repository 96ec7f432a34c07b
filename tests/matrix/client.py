#!/usr/bin/env python3
"""client.py CLIENT URL MODEL: one Python client against a manager. Prints {"version", "chat", "stream", "output_tokens"}: the
texts that it got, and what it was told of a chat's length."""
import importlib.metadata, json, os, sys

url = model = None
KEY = os.environ.get("MATRIX_KEY", "none")
QUESTION = "the people of the world"
MESSAGES = [{"role": "user", "content": QUESTION}]


def openai_python():
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)
    answer = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=8)
    pieces = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=8, stream=True)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    return "openai", answer.choices[0].message.content, text, answer.usage.completion_tokens


def anthropic_python():
    import anthropic

    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    answer = client.messages.create(model=model, messages=MESSAGES, max_tokens=8)
    with client.messages.stream(model=model, messages=MESSAGES, max_tokens=8) as stream:
        text = "".join(stream.text_stream)
    return "anthropic", answer.content[0].text, text, answer.usage.output_tokens


def ollama_python():
    import ollama

    client = ollama.Client(host=url)
    options = {"num_predict": 8}
    answer = client.chat(model=model, messages=MESSAGES, options=options)
    pieces = client.chat(model=model, messages=MESSAGES, options=options, stream=True)
    return "ollama", answer.message.content, "".join(piece.message.content for piece in pieces), answer.eval_count


def langchain():
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=model, max_tokens=8, max_retries=0)
    answer = chat.invoke(QUESTION)
    pieces = list(chat.stream(QUESTION))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    # It joins what several chunks say of the same thing.
    assert whole.response_metadata.get("finish_reason") in ("stop", "length"), whole.response_metadata
    return "langchain-openai", answer.content, whole.content, answer.usage_metadata["output_tokens"]


def litellm_sdk():
    import litellm

    def ask(**more):
        return litellm.completion(model=f"openai/{model}", api_base=f"{url}/v1", api_key="none", messages=MESSAGES, max_tokens=8, num_retries=0, **more)

    answer = ask()
    text = "".join(piece.choices[0].delta.content or "" for piece in ask(stream=True))
    return "litellm", answer.choices[0].message.content, text, answer.usage.completion_tokens


def pydantic_ai():
    import asyncio

    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none")), model_settings={"max_tokens": 8}, retries=0)

    async def both():
        answer = await agent.run(QUESTION)
        async with agent.run_stream(QUESTION) as stream:
            text = "".join([piece async for piece in stream.stream_text(delta=True)])
        return answer, text

    answer, text = asyncio.run(both())
    usage = answer.usage() if callable(answer.usage) else answer.usage
    return "pydantic-ai-slim", answer.output, text, usage.output_tokens


def llm():
    import llm as library
    from llm.default_plugins.openai_models import Chat

    chat = Chat(model, model_name=model, api_base=f"{url}/v1")
    chat.key = "none"
    answer = chat.prompt(QUESTION, max_tokens=8, stream=False)
    whole = answer.text()
    text = "".join(chat.prompt(QUESTION, max_tokens=8, stream=True))
    return "llm", whole, text, answer.usage().output


KNOWN = {
    "openai-python": openai_python, "anthropic-python": anthropic_python, "ollama-python": ollama_python, "LangChain": langchain,
    "LiteLLM SDK": litellm_sdk, "pydantic-ai": pydantic_ai, "llm": llm,
}
if __name__ == "__main__":
    name, url, model = sys.argv[1:4]
    package, chat, stream, tokens = KNOWN[name]()
    print(json.dumps({"version": importlib.metadata.version(package), "chat": chat, "stream": stream, "output_tokens": tokens}))
