"""LiteLLM against fathom serve. usage: litellm_check.py FATHOM"""

import asyncio
import json
import logging
import os
import sys
import warnings

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its price list is not fetched

import litellm  # noqa: E402

from support import OFF, QUESTION, KeyedServer, NarrowServer, Server, check, finish, raises  # noqa: E402

litellm.suppress_debug_info = True
litellm.telemetry = False
logging.getLogger("LiteLLM").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pydantic")
server = Server(sys.argv[1])
keyed = KeyedServer(sys.argv[1])
narrow = NarrowServer(sys.argv[1])
NAME = "deepseek/deepseek-v4-flash"
BRIEF = {"thinking": {"type": "enabled"}, "extra_body": {"thinking_budget": 8}}
TOOLS = [{"type": "function", "function": {
    "name": "f", "description": "Weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
                   "required": ["city"]}}}]


def ask(model=NAME, base=server.url, key="any", messages=QUESTION, **more):
    more["extra_body"] = {"seed": 3, **more.get("extra_body", {})}
    return litellm.completion(model=model, api_base=base, api_key=key, messages=messages, num_retries=0,
                              max_retries=0, **more)


def ask_off(**more):
    return ask(extra_body={**OFF, **more.pop("extra_body", {})}, **more)


@check("litellm: text, reasoning, usage, cost")
def _():
    reply = ask()
    message = reply.choices[0].message
    assert message.content == "579" and message.reasoning_content
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert abs(litellm.completion_cost(reply) - reply.usage.cost) < 1e-12


@check("litellm: a stream, built up again")
def _():
    whole = ask(seed=3)
    built = litellm.stream_chunk_builder(list(ask(seed=3, stream=True)))
    for part in ["content", "reasoning_content"]:
        assert getattr(built.choices[0].message, part) == getattr(whole.choices[0].message, part), part


@check("litellm: thinking and efforts")
def _():
    off = ask(thinking={"type": "disabled"}, temperature=0)
    assert not getattr(off.choices[0].message, "reasoning_content", None)
    for effort in ["low", "high"]:
        reply = ask(reasoning_effort=effort, extra_body={"thinking_budget": 4})
        assert reply.choices[0].message.reasoning_content


@check("litellm: tools, and the turn after a call")
def _():
    reply = ask(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, **BRIEF)
    call = reply.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments)["city"] in ["Oslo", "Rome"]
    turn = {"role": "assistant", "content": None, "tool_calls": [
        {"id": call.id, "type": "function",
         "function": {"name": call.function.name, "arguments": call.function.arguments}}]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = ask(messages=[*QUESTION, turn, result], tools=TOOLS, max_tokens=20, **BRIEF)
    assert second.usage.prompt_tokens_details.cached_tokens > 0


@check("litellm: JSON and a schema")
def _():
    schema = {"type": "object", "properties": {"kind": {"enum": ["sum", "product"]}}, "required": ["kind"],
              "additionalProperties": False}
    reply = ask_off(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})
    assert json.loads(reply.choices[0].message.content)["kind"] in ["sum", "product"]
    text = ask_off(response_format={"type": "json_object"}, max_tokens=400).choices[0]
    assert text.message.content.startswith("{")
    if text.finish_reason == "stop":
        json.loads(text.message.content)


@check("litellm: the other dialects")
def _():
    claude = ask(model="anthropic/claude-sonnet", base=server.url + "/anthropic", extra_body=OFF)
    assert claude.choices[0].message.content == "579"
    plain = ask_off(model="openai/deepseek-v4-flash", base=server.url + "/v1", temperature=0)
    assert plain.choices[0].message.content == "579"
    body = {"model": "openai/deepseek-v4-flash", "api_base": server.url + "/v1", "api_key": "any", "extra_body": {"seed": 5}}
    reply = litellm.responses(input="Compute 123 + 456.", **body)
    texts = [part.text for item in reply.output if item.type == "message" for part in item.content]
    assert texts == ["579"], texts
    types = [str(getattr(event.type, "value", event.type)) for event in
             litellm.responses(input="Compute 123 + 456.", stream=True, **body)]
    assert types[-1] == "response.completed", types
    text = litellm.text_completion(prompt="Once upon", max_tokens=4, **body)
    assert text.choices[0].text


@check("litellm: errors")
def _():
    for key, kind in [(None, litellm.AuthenticationError), ("none", litellm.PermissionDeniedError)]:
        raises((kind, litellm.APIError) if key else kind,
               lambda key=key: ask_off(base=keyed.url, key=keyed.keys.get(key, "sk-wrong"), max_tokens=2))
    ask_off(base=keyed.url, key=keyed.keys["once"], max_tokens=2)
    raises(litellm.RateLimitError, lambda: ask_off(base=keyed.url, key=keyed.keys["once"], max_tokens=2))
    raises(litellm.NotFoundError, lambda: ask_off(model="deepseek/none"))
    raises(litellm.BadRequestError, lambda: ask_off(messages=[{"role": "zzz", "content": "a"}]))


@check("litellm: failures of a full server")
def _():
    busy = narrow.busy()
    waiting = ask_off(base=narrow.url, stream=True)
    error = raises(litellm.ServiceUnavailableError, lambda: ask_off(base=narrow.url))
    assert error.status_code == 503
    raises(Exception, lambda: list(waiting))
    busy.close()


@check("litellm: fifty at once")
async def _():
    replies = await asyncio.gather(*[
        litellm.acompletion(model=NAME, api_base=server.url, api_key="any", messages=QUESTION, temperature=0,
                            extra_body=OFF) for _ in range(50)])
    assert {reply.choices[0].message.content for reply in replies} == {"579"}


@check("litellm: the servers end well")
def _():
    for one in [server, keyed, narrow]:
        assert one.stop() == 0


finish()
