"""The official Python client of OpenAI against fathom serve. usage: openai_check.py FATHOM"""

import asyncio
import enum
import json
import math
import sys

import openai
import pydantic

from support import ENDLESS, MODEL, OFF, QUESTION, KeyedServer, NarrowServer, Server, check, finish, raises

server = Server(sys.argv[1])
keyed = KeyedServer(sys.argv[1])
narrow = NarrowServer(sys.argv[1])


class Kind(enum.Enum):
    total = "sum"
    product = "product"


class Sum(pydantic.BaseModel):
    kind: Kind
    ok: bool


def tool(name="f"):
    parameters = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
                  "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": "Weather", "parameters": parameters}}


def joined(chunks):
    content, reasoning, all_chunks = "", "", []
    for chunk in chunks:
        all_chunks.append(chunk)
        if chunk.choices:
            content += chunk.choices[0].delta.content or ""
            reasoning += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
    return content, reasoning, all_chunks


def at(base, key="any", **settings):
    return openai.OpenAI(base_url=base, api_key=key, max_retries=0, **settings)


for base in ["", "/v1", "/beta"]:
    client = at(server.url + base)
    chat = client.chat.completions
    name = f"openai {base or '/'}: "

    @check(name + "models")
    def _():
        first = client.models.list().data[0]
        one = client.models.retrieve(first.id)
        assert one.object == "model" and one.id and one.created > 0 and one.owned_by

    @check(name + "an answer with thinking; whole and streamed are equal")
    def _():
        body = {"model": MODEL, "messages": QUESTION, "seed": 7}
        whole = chat.create(**body)
        message = whole.choices[0].message
        assert message.content == "579" and message.reasoning_content
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
        assert whole._request_id.startswith("req_")
        content, reasoning, chunks = joined(chat.create(**body, stream=True, stream_options={"include_usage": True}))
        assert (content, reasoning) == (message.content, message.reasoning_content)
        assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
        content, _, chunks = joined(chat.create(**body, stream=True))
        assert content == message.content and chunks[-1].usage.total_tokens == whole.usage.total_tokens

    @check(name + "log probabilities")
    def _():
        reply = chat.create(model=MODEL, messages=QUESTION, logprobs=True, top_logprobs=5, temperature=0,
                            extra_body=OFF)
        entries = reply.choices[0].logprobs.content
        assert "".join(entry.token for entry in entries) == "579"
        for entry in entries:
            assert sum(math.exp(other.logprob) for other in entry.top_logprobs) <= 1 + 1e-9
            assert entry.token in [other.token for other in entry.top_logprobs]

    @check(name + "completions: suffix, and scoring a text")
    def _():
        filled = client.completions.create(model=MODEL, prompt="def f(", suffix=")", max_tokens=4)
        assert filled.object == "text_completion"
        scored = client.completions.create(model=MODEL, prompt="Once upon a time", echo=True, logprobs=2,
                                           max_tokens=0)
        assert scored.choices[0].text == "Once upon a time"
        assert scored.choices[0].logprobs.token_logprobs[0] is None

    @check(name + "extensions in extra_body")
    def _():
        off = chat.create(model=MODEL, messages=QUESTION, temperature=0, extra_body=OFF)
        assert getattr(off.choices[0].message, "reasoning_content", None) is None
        budget = chat.create(model=MODEL, messages=QUESTION, extra_body={"thinking_budget": 4})
        assert budget.usage.completion_tokens_details.reasoning_tokens <= 5
        regex = {"response_format": {"type": "regex", "regex": "ab{2,3}"}}
        held = chat.create(model=MODEL, messages=QUESTION, extra_body={**OFF, **regex})
        assert held.choices[0].message.content in ["abb", "abbb"]


client = at(server.url + "/v1")
chat = client.chat.completions


@check("openai: every form of tool_choice, whole and streamed")
def _():
    for thinking in [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 8}]:
        body = {"model": MODEL, "messages": QUESTION, "tools": [tool("f"), tool("g")], "seed": 4, "max_tokens": 600,
                "parallel_tool_calls": False, "extra_body": {"thinking": thinking}}
        assert chat.create(**body, tool_choice="none").choices[0].message.tool_calls is None
        for choice in ["required", {"type": "function", "function": {"name": "g"}}]:
            call = chat.create(**body, tool_choice=choice).choices[0].message.tool_calls[0]
            assert json.loads(call.function.arguments)["city"] in ["Oslo", "Rome"]
            done = []
            with chat.stream(**body, tool_choice=choice) as stream:
                for event in stream:
                    if event.type == "tool_calls.function.arguments.done":
                        done.append((event.name, event.arguments))
                final = stream.get_final_completion()
            assert done == [(call.function.name, call.function.arguments)]
            assert final.choices[0].finish_reason == "tool_calls"


@check("openai: parse with a model, whole and streamed")
def _():
    body = {"model": MODEL, "messages": QUESTION, "response_format": Sum, "seed": 1, "extra_body": OFF}
    value = chat.parse(**body).choices[0].message.parsed
    assert isinstance(value, Sum)
    with chat.stream(**body) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == value


@check("openai: the second turn of a call, without its reasoning")
def _():
    brief = {"thinking": {"type": "enabled", "budget_tokens": 8}}
    first = chat.create(model=MODEL, messages=QUESTION, tools=[tool()], tool_choice="required", seed=5,
                        parallel_tool_calls=False, extra_body=brief)
    call = first.choices[0].message.tool_calls[0]
    turn = {"role": "assistant", "content": "", "tool_calls": [call.model_dump(include={"id", "type", "function"})]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = chat.create(model=MODEL, messages=[*QUESTION, turn, result], tools=[tool()], max_tokens=20,
                         extra_body=brief)
    assert second.usage.prompt_cache_hit_tokens > 0


@check("openai: responses, whole, streamed, parsed")
def _():
    body = {"model": MODEL, "input": "Compute 123 + 456.", "extra_body": {"seed": 5}}
    whole = client.responses.create(**body)
    assert whole.output_text == "579" and [item.type for item in whole.output] == ["reasoning", "message"]
    events = list(client.responses.create(**body, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    order = []
    for event in events:
        if not order or order[-1] != event.type:
            order.append(event.type)
    part = ["response.content_part.done", "response.output_item.done"]
    opening = ["response.output_item.added", "response.content_part.added"]
    assert order == ["response.created", "response.in_progress",
                     *opening, "response.reasoning_text.delta", "response.reasoning_text.done", *part,
                     *opening, "response.output_text.delta", "response.output_text.done", *part,
                     "response.completed"], order
    parsed = client.responses.parse(model=MODEL, input="Compute 123 + 456.", text_format=Sum,
                                    reasoning={"effort": "none"})
    assert isinstance(parsed.output_parsed, Sum)


@check("openai: raw responses have the request's id and the key's limits")
def _():
    raw = at(keyed.url, keyed.keys["once"]).chat.completions.with_raw_response.create(
        model=MODEL, messages=QUESTION, max_tokens=2, extra_body=OFF)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-ratelimit-limit-requests"] == "1"


@check("openai: errors")
def _():
    for key, status, kind, code in [("once", 429, openai.RateLimitError, "rate_limit_exceeded"),
                                    ("poor", 402, openai.APIStatusError, "insufficient_balance"),
                                    ("none", 403, openai.PermissionDeniedError, "permission_denied"),
                                    (None, 401, openai.AuthenticationError, "invalid_api_key")]:
        guest = at(keyed.url, keyed.keys.get(key, "sk-wrong")).chat.completions
        error = raises(kind, lambda: guest.create(model=MODEL, messages=QUESTION, max_tokens=2, extra_body=OFF))
        assert (error.status_code, error.code) == (status, code), error
        assert error.request_id.startswith("req_")
    for body, status, kind, param in [({"model": "none", "messages": QUESTION}, 404, openai.NotFoundError, "model"),
                                      ({"model": MODEL, "messages": []}, 400, openai.BadRequestError, "messages"),
                                      ({"model": MODEL, "messages": QUESTION, "n": 2}, 400, openai.BadRequestError,
                                       "n")]:
        error = raises(kind, lambda body=body: chat.create(**body))
        assert (error.status_code, error.param) == (status, param), error
    deep = {"type": "regex", "regex": "(a{1,99999}){1,99999}"}
    error = raises(openai.UnprocessableEntityError,
                   lambda: chat.create(model=MODEL, messages=QUESTION, extra_body={**OFF, "response_format": deep}))
    assert error.code == "constraint_too_complex"


@check("openai: a full queue is 503; failures in a stream; a timeout frees the row")
def _():
    guest = at(narrow.url)
    busy = narrow.busy()
    body = {"model": MODEL, "messages": QUESTION, "max_tokens": 4, "extra_body": OFF}
    waiting = guest.chat.completions.create(**body, stream=True)
    error = raises(openai.InternalServerError, lambda: guest.chat.completions.create(**body))
    assert error.status_code == 503 and int(error.response.headers["retry-after"]) >= 1
    error = raises(openai.APIError, lambda: list(waiting))
    assert error.code == "queue_timeout", error
    types = [event.type for event in guest.responses.create(model=MODEL, input="Hello.", stream=True)]
    assert types[-1] == "response.failed", types
    busy.close()
    narrow.expect_no_rows()
    late = at(narrow.url, timeout=0.5)
    raises(openai.APITimeoutError, lambda: late.chat.completions.create(**ENDLESS, extra_body=OFF))
    narrow.expect_no_rows()


@check("openai: an abort frees the row")
def _():
    stream = chat.create(**ENDLESS, stream=True, extra_body=OFF)
    next(iter(stream))
    stream.close()
    server.expect_no_rows()


@check("openai: fifty at once, async")
async def _():
    async with openai.AsyncOpenAI(base_url=server.url, api_key="any", max_retries=0) as many:
        body = {"model": MODEL, "messages": QUESTION, "seed": 11, "extra_body": OFF}
        alone = await many.chat.completions.create(**body)
        replies = await asyncio.gather(*[many.chat.completions.create(**body) for _ in range(50)])
        assert {reply.choices[0].message.content for reply in replies} == {alone.choices[0].message.content}
        text = ""
        async for chunk in await many.chat.completions.create(**body, stream=True):
            text += chunk.choices[0].delta.content or ""
        assert text == alone.choices[0].message.content


@check("openai: the servers end well")
def _():
    for one in [server, keyed, narrow]:
        assert one.stop() == 0


finish()
