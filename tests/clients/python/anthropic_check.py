"""The official Python client of Anthropic against fathom serve. usage: anthropic_check.py FATHOM"""

import asyncio
import sys
from typing import Literal

import anthropic
import pydantic

from support import OFF, QUESTION, KeyedServer, NarrowServer, Server, check, finish, raises

server = Server(sys.argv[1])
keyed = KeyedServer(sys.argv[1])
narrow = NarrowServer(sys.argv[1])
MODEL = "claude-sonnet"
GREEDY = {"extra_body": {"temperature": 0}}  # this client has no such argument any more
BRIEF = {"type": "enabled", "budget_tokens": 8}
TOOLS = [{"name": name, "description": "Weather",
          "input_schema": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
                           "required": ["city"]}} for name in ["f", "g"]]


class Sum(pydantic.BaseModel):
    kind: Literal["sum", "product"]


def at(base, key="any"):
    return anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)


for base in ["", "/anthropic"]:
    client = at(server.url + base)
    messages = client.messages
    name = f"anthropic {base or '/'}: "

    @check(name + "an answer without thinking")
    def _():
        reply = messages.create(model=MODEL, max_tokens=50, messages=QUESTION, **GREEDY, **OFF)
        assert [block.type for block in reply.content] == ["text"] and reply.content[0].text == "579"
        assert (reply.stop_reason, reply.usage.output_tokens) == ("end_turn", 3)

    @check(name + "thinking; whole, streamed, and the order of events")
    def _():
        body = {"model": MODEL, "max_tokens": 2000, "messages": QUESTION, "extra_body": {"seed": 9},
                "thinking": {"type": "enabled", "budget_tokens": 1024}}
        whole = messages.create(**body)
        assert whole.content[0].type == "thinking" and whole.content[0].signature.startswith("sig_")
        assert whole.content[1].text == "579"
        with messages.stream(**body) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert text == "579" and final.content[0].thinking == whole.content[0].thinking
        assert final.usage.output_tokens == whole.usage.output_tokens
        types = []
        for event in messages.create(**body, stream=True):
            if not types or types[-1] != event.type:
                types.append(event.type)
        block = ["content_block_start", "content_block_delta", "content_block_stop"]
        assert types == ["message_start", *block, *block, "message_delta", "message_stop"], types

    @check(name + "tools: every choice, and the turn after a call")
    def _():
        body = {"model": MODEL, "max_tokens": 600, "messages": QUESTION, "tools": TOOLS, "thinking": BRIEF}
        none = messages.create(**body, tool_choice={"type": "none"})
        assert all(block.type != "tool_use" for block in none.content)
        messages.create(**{**body, "max_tokens": 20}, tool_choice={"type": "auto"})
        for choice in [{"type": "any"}, {"type": "tool", "name": "g"}]:
            reply = messages.create(**body, tool_choice={**choice, "disable_parallel_tool_use": True})
            calls = [block for block in reply.content if block.type == "tool_use"]
            assert len(calls) == 1 and calls[0].input["city"] in ["Oslo", "Rome"]
            assert reply.stop_reason == "tool_use" and calls[0].name in [choice.get("name", "f"), "g"]
        result = {"role": "user",
                  "content": [{"type": "tool_result", "tool_use_id": calls[0].id, "content": "It rains."}]}
        for kept in [reply.content, calls]:
            turns = [*QUESTION, {"role": "assistant", "content": kept}, result]
            assert messages.create(**{**body, "messages": turns, "max_tokens": 20}).stop_reason

    @check(name + "stop sequences, max_tokens, prefill")
    def _():
        body = {"model": MODEL, "messages": QUESTION, **GREEDY, **OFF}
        stopped = messages.create(**body, max_tokens=50, stop_sequences=["9"])
        assert (stopped.stop_reason, stopped.stop_sequence, stopped.content[0].text) == ("stop_sequence", "9", "57")
        assert messages.create(**body, max_tokens=1).stop_reason == "max_tokens"
        body["messages"] = [*QUESTION, {"role": "assistant", "content": "5"}]
        assert messages.create(**body, max_tokens=50).content[0].text == "79"

    @check(name + "counting tokens; the cache")
    def _():
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"Sort 5 3 9 1{base}."}], **OFF}
        counted = messages.count_tokens(**body).input_tokens
        first, second = (messages.create(**body, max_tokens=20).usage for _ in range(2))
        assert counted == first.input_tokens + first.cache_read_input_tokens
        assert second.cache_read_input_tokens > 0

    @check(name + "models, an image, beta, raw, parse, 20,000 tokens")
    def _():
        models = client.models.list().data
        assert models[0].type == "model" and models[0].display_name
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        seen = messages.create(model=MODEL, max_tokens=20, **OFF, messages=[
            {"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}])
        assert seen.fathom["ignored"] == ["messages[0].content[0]"]
        beta = client.beta.messages.create(model=MODEL, max_tokens=5, messages=QUESTION, betas=["x-2026-01-01"],
                                           **GREEDY, **OFF)
        assert beta.content[0].text == "579"
        raw = messages.with_raw_response.create(model=MODEL, max_tokens=5, messages=QUESTION, **OFF)
        assert raw.headers["request-id"].startswith("req_")
        parsed = messages.parse(model=MODEL, max_tokens=400, messages=QUESTION, output_format=Sum, **OFF)
        assert parsed.parsed_output.kind in ["sum", "product"]
        long = messages.create(model=MODEL, max_tokens=20_000, messages=QUESTION, **GREEDY, **OFF)
        assert long.content[0].text == "579"


@check("anthropic: errors")
def _():
    body = {"model": MODEL, "max_tokens": 5, "messages": QUESTION, **OFF}
    for key, status, kind, name in [("poor", 402, anthropic.APIStatusError, "billing_error"),
                                    ("none", 403, anthropic.PermissionDeniedError, "permission_error"),
                                    (None, 401, anthropic.AuthenticationError, "authentication_error")]:
        guest = at(keyed.url, keyed.keys.get(key, "sk-wrong"))
        error = raises(kind, lambda guest=guest: guest.messages.create(**body))
        assert (error.status_code, error.body["error"]["type"]) == (status, name), error
        assert error.request_id.startswith("req_")
    once = at(keyed.url, keyed.keys["once"])
    once.messages.create(**body)
    raises(anthropic.RateLimitError, lambda: once.messages.create(**body))
    raises(anthropic.NotFoundError, lambda: at(server.url).messages.create(**{**body, "model": "none"}))
    raises(anthropic.BadRequestError, lambda: at(server.url).messages.create(**{**body, "messages": []}))


@check("anthropic: a failure in the middle of a stream")
def _():
    busy = narrow.busy()
    stream = at(narrow.url).messages.create(model=MODEL, max_tokens=5, messages=QUESTION, stream=True, **OFF)
    error = raises(anthropic.APIError, lambda: list(stream))
    busy.close()
    assert error.body["error"]["type"] == "timeout_error", error.body


@check("anthropic: async")
async def _():
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="any", max_retries=0) as client:
        body = {"model": MODEL, "max_tokens": 50, "messages": QUESTION, **GREEDY, **OFF}
        replies = await asyncio.gather(*[client.messages.create(**body) for _ in range(10)])
        assert {reply.content[0].text for reply in replies} == {"579"}
        async with client.messages.stream(**body) as stream:
            assert "".join([text async for text in stream.text_stream]) == "579"


@check("anthropic: the servers end well")
def _():
    for one in [server, keyed, narrow]:
        assert one.stop() == 0


finish()
