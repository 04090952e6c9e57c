// The official client of OpenAI against fathom serve. usage: node openai_check.mjs FATHOM
import { once } from 'node:events';
import http from 'node:http';

import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import {
  assert, check, endless, expectNoRows, startKeyedServer, startNarrowServer, startServer, summary,
} from './support.mjs';

const binary = process.argv[2];
const server = await startServer(binary);
const model = 'deepseek-v4-flash';
const question = [{ role: 'user', content: 'Compute 123 + 456.' }];
const off = { thinking: { type: 'disabled' } };

async function joined(stream) {
  const all = { content: '', reasoning: '', chunks: [] };
  for await (const chunk of stream) {
    all.chunks.push(chunk);
    const delta = chunk.choices[0]?.delta;
    all.content += delta?.content ?? '';
    all.reasoning += delta?.reasoning_content ?? '';
  }
  return all;
}

for (const base of ['', '/v1', '/beta']) {
  const client = new OpenAI({ baseURL: server.url + base, apiKey: 'any', maxRetries: 0 });
  const named = (text) => `openai ${base || '/'}: ${text}`;

  await check(named('models'), async () => {
    const list = await client.models.list();
    const one = await client.models.retrieve(list.data[0].id);
    assert.equal(one.object, 'model');
    assert.ok(one.id && one.created > 0 && one.owned_by);
  });
  await check(named('an answer without thinking'), async () => {
    const reply = await client.chat.completions.create({ model, messages: question, temperature: 0, ...off });
    assert.equal(reply.choices[0].message.content, '579');
    assert.equal(reply.choices[0].finish_reason, 'stop');
    assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
    assert.equal(reply.usage.completion_tokens_details.reasoning_tokens, 0);
    assert.ok(reply._request_id.startsWith('req_'));
    assert.ok(reply.cost.total > 0);
  });
  await check(named('streamed and not, thinking, with one seed'), async () => {
    const body = { model, messages: question, seed: 7 };
    const whole = await client.chat.completions.create(body);
    const message = whole.choices[0].message;
    assert.ok(message.reasoning_content.length > 0);
    const counted = await joined(
      await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }));
    assert.equal(counted.content, message.content);
    assert.equal(counted.reasoning, message.reasoning_content);
    const last = counted.chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
    assert.ok(counted.chunks.slice(0, -1).every((chunk) => chunk.usage === null));
    const plain = await joined(await client.chat.completions.create({ ...body, stream: true }));
    assert.equal(plain.content, message.content);
    assert.equal(plain.chunks.at(-1).choices[0].finish_reason, 'stop');
    assert.equal(plain.chunks.at(-1).usage.total_tokens, whole.usage.total_tokens);
  });
  await check(named('the stream helper'), async () => {
    const stream = client.chat.completions.stream(
      { model, messages: question, seed: 3, stream_options: { include_usage: true } });
    assert.equal(await stream.finalContent(), '579');
    assert.ok((await stream.totalUsage()).completion_tokens > 0);
  });
  await check(named('efforts and a budget'), async () => {
    const none = await client.chat.completions.create({ model, messages: question, reasoning_effort: 'none' });
    assert.equal(none.choices[0].message.reasoning_content, undefined);
    const budget = await client.chat.completions.create(
      { model, messages: question, thinking: { type: 'enabled', budget_tokens: 4 } });
    assert.equal(budget.fathom.thinking_ended_by, 'budget');
    assert.ok(budget.usage.completion_tokens_details.reasoning_tokens <= 5);
    assert.ok(budget.choices[0].message.content.length > 0);
  });
  await check(named('log probabilities'), async () => {
    const reply = await client.chat.completions.create(
      { model, messages: question, logprobs: true, top_logprobs: 5, temperature: 0, ...off });
    const entries = reply.choices[0].logprobs.content;
    assert.equal(entries.map((entry) => entry.token).join(''), '579');
    for (const entry of entries) {
      assert.ok(entry.top_logprobs.some((other) => other.token === entry.token));
      assert.ok(entry.top_logprobs.reduce((sum, other) => sum + Math.exp(other.logprob), 0) <= 1 + 1e-9);
    }
  });
  await check(named('stop, max_tokens, prefix'), async () => {
    const stopped = await client.chat.completions.create(
      { model, messages: question, temperature: 0, stop: ['9'], ...off });
    assert.equal(stopped.choices[0].message.content, '57');
    const short = await client.chat.completions.create(
      { model, messages: question, temperature: 0, max_tokens: 1, ...off });
    assert.equal(short.choices[0].finish_reason, 'length');
    assert.equal(short.usage.completion_tokens, 1);
    const continued = await client.chat.completions.create({
      model, temperature: 0, ...off,
      messages: [...question, { role: 'assistant', content: '5', prefix: true }],
    });
    assert.equal(continued.choices[0].message.content, '79');
  });
  await check(named('the second time the prompt is cached'), async () => {
    const body = { model, messages: [{ role: 'user', content: `Count the letter a in banana${base}.` }], ...off };
    await client.chat.completions.create(body);
    const second = await client.chat.completions.create(body);
    assert.equal(second.usage.prompt_cache_hit_tokens, second.usage.prompt_tokens - 1);
    assert.equal(second.usage.prompt_tokens_details.cached_tokens, second.usage.prompt_cache_hit_tokens);
  });
  await check(named('completions: suffix, and scoring a text'), async () => {
    const filled = await client.completions.create({ model, prompt: 'def f(', suffix: ')', max_tokens: 4 });
    assert.equal(filled.object, 'text_completion');
    const scored = await client.completions.create(
      { model, prompt: 'Once upon a time', echo: true, logprobs: 2, max_tokens: 0 });
    assert.equal(scored.choices[0].text, 'Once upon a time');
    assert.equal(scored.choices[0].logprobs.token_logprobs[0], null);
    assert.ok(scored.choices[0].logprobs.token_logprobs.slice(1).every((value) => value <= 0));
  });
  await check(named('responses, streamed and not'), async () => {
    const body = { model, input: 'Compute 123 + 456.', seed: 5 };
    const reply = await client.responses.create(body);
    assert.equal(reply.output_text, '579');
    assert.deepEqual(reply.output.map((item) => item.type), ['reasoning', 'message']);
    const final = await client.responses.stream(body).finalResponse();
    assert.equal(final.output_text, '579');
    assert.equal(final.usage.output_tokens, reply.usage.output_tokens);
  });
  await check(named('errors'), async () => {
    const refused = [
      [{ model: 'no-such-model', messages: question }, OpenAI.NotFoundError, 404, 'model_not_found', 'model'],
      [{ model, messages: [] }, OpenAI.BadRequestError, 400, 'invalid_request_error', 'messages'],
      [{ model, messages: question, temperature: 3 }, OpenAI.BadRequestError, 400, 'invalid_request_error', 'temperature'],
      [{ model, messages: question, n: 2 }, OpenAI.BadRequestError, 400, 'invalid_request_error', 'n'],
    ];
    for (const [body, type, status, code, param] of refused) {
      const error = await client.chat.completions.create(body).catch((e) => e);
      assert.ok(error instanceof type, `${error}`);
      assert.deepEqual([error.status, error.code, error.param], [status, code, param]);
      assert.ok(error.requestID.startsWith('req_'));
    }
  });
}

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 0 });
await check('openai: every form of tool_choice, thinking and not', async () => {
  const tool = (name) => ({
    type: 'function',
    function: {
      name, description: 'Weather of a city',
      parameters: { type: 'object', properties: { city: { enum: ['Oslo', 'Rome'] }, days: { type: 'integer' } },
                    required: ['city'] },
    },
  });
  const base = { model, messages: question, tools: [tool('f'), tool('g')], seed: 4, max_tokens: 600 };
  for (const thinking of [{ type: 'disabled' }, { type: 'enabled', budget_tokens: 8 }]) {
    const none = await client.chat.completions.create({ ...base, thinking, tool_choice: 'none' });
    assert.equal(none.choices[0].message.tool_calls, undefined);
    await client.chat.completions.create({ ...base, thinking, tool_choice: 'auto', max_tokens: 20 });
    for (const tool_choice of ['required', { type: 'function', function: { name: 'g' } }]) {
      const body = { ...base, thinking, tool_choice, parallel_tool_calls: false };
      const whole = await client.chat.completions.create(body);
      const [call] = whole.choices[0].message.tool_calls;
      assert.equal(whole.choices[0].finish_reason, 'tool_calls');
      assert.match(call.id, /^call_00_[A-Za-z0-9]{20}$/);
      if (tool_choice !== 'required') assert.equal(call.function.name, 'g');
      assert.ok(['Oslo', 'Rome'].includes(JSON.parse(call.function.arguments).city));
      const stream = client.chat.completions.stream(body);
      const streamed = (await stream.finalMessage()).tool_calls[0];
      assert.deepEqual(streamed.function.arguments, call.function.arguments);
    }
  }
});
await check('openai: the result of a call is in the next prompt', async () => {
  const body = {
    model, ...off,
    messages: [
      ...question,
      { role: 'assistant', content: null, tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"city": "Oslo"}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'It rains in Oslo.' },
    ],
  };
  const rendered = await client.post(`${server.url}/apply_template`, { body });
  assert.ok(rendered.prompt.includes('<tool_result>It rains in Oslo.</tool_result>'));
  assert.equal((await client.chat.completions.create({ ...body, max_tokens: 3 })).object, 'chat.completion');
});
await check('openai: JSON mode, schemas, regular expressions and grammars', async () => {
  const ask = (response_format, extra = {}) => client.chat.completions.create(
    { model, messages: question, seed: 2, max_tokens: 400, response_format, ...off, ...extra });
  const schema = {
    type: 'object', additionalProperties: false, required: ['kind', 'count', 'list'],
    properties: {
      kind: { enum: ['sum', 'product'] }, count: { type: 'integer' }, ok: { type: 'boolean' },
      list: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
    },
  };
  for (let seed = 0; seed < 10; ++seed) {
    const reply = await ask({ type: 'json_schema', json_schema: { name: 's', schema } }, { seed });
    const value = JSON.parse(reply.choices[0].message.content);
    assert.ok(['sum', 'product'].includes(value.kind) && Number.isInteger(value.count));
    assert.ok(value.list.length >= 1 && value.list.length <= 3 && value.list.every(Number.isInteger));
    assert.ok(Object.keys(value).every((key) => key in schema.properties));
  }
  const object = await ask({ type: 'json_object' });
  const text = object.choices[0].message.content;
  assert.ok(text.startsWith('{'));
  if (object.choices[0].finish_reason === 'stop') JSON.parse(text);
  assert.match((await ask({ type: 'regex', regex: 'ab{2,3}[0-9]' })).choices[0].message.content, /^ab{2,3}[0-9]$/);
  assert.match((await ask({ type: 'grammar', grammar: 'root ::= ("yes" | "no") "!"' })).choices[0].message.content,
    /^(yes|no)!$/);
  const thinking = await ask({ type: 'regex', regex: '[0-9]{3}' }, { thinking: { type: 'enabled' } });
  assert.ok(thinking.choices[0].message.reasoning_content.length > 0);
  assert.match(thinking.choices[0].message.content, /^[0-9]{3}$/);
});
await check('openai: two calls at once, whole and streamed', async () => {
  const tools = ['f'].map((name) => ({
    type: 'function',
    function: {
      name, parameters: { type: 'object', properties: { city: { enum: ['Oslo', 'Rome'] } }, required: ['city'] },
    },
  }));
  // How many calls it makes is the model's own choice: the less it likes the token that ends the block, the more.
  const { tokens } = await client.post(`${server.url}/tokenize`, { body: { text: '</' } });
  let seen = 0;
  for (let bias = 0; bias < 20 && seen < 2; ++bias) {
    const body = {
      model, messages: question, tools, tool_choice: 'required', seed: 1, temperature: 1.5, max_tokens: 1000,
      logit_bias: { [tokens.at(-1)]: -bias }, ...off,
    };
    const whole = await client.chat.completions.create(body);
    if (whole.choices[0].finish_reason !== 'tool_calls') continue;
    const calls = whole.choices[0].message.tool_calls;
    const streamed = (await client.chat.completions.stream(body).finalMessage()).tool_calls;
    assert.deepEqual(streamed.map((call) => call.function.arguments), calls.map((call) => call.function.arguments));
    for (const call of calls) JSON.parse(call.function.arguments);
    assert.equal(new Set(calls.map((call) => call.id)).size, calls.length);
    seen = Math.max(seen, calls.length);
  }
  assert.ok(seen >= 2, `${seen}`);
});
await check('openai: runTools ends, with the result in the prompt', async () => {
  const results = [];
  const runner = client.chat.completions.runTools({
    model, messages: question, seed: 4, max_tokens: 200, parallel_tool_calls: false, ...off,
    tool_choice: { type: 'function', function: { name: 'f' } },
    tools: [{
      type: 'function',
      function: {
        name: 'f', description: 'Weather', parse: JSON.parse,
        function: (input) => { results.push(input.city); return 'rain'; },
        parameters: { type: 'object', properties: { city: { enum: ['Oslo', 'Rome'] } }, required: ['city'] },
      },
    }],
  });
  await runner.done();
  assert.equal(results.length, 1);
  const messages = runner.messages;
  assert.equal(messages.find((message) => message.role === 'tool').content, 'rain');
});
await check('openai: a schema, parsed, a hundred times', async () => {
  const schema = z.object({
    kind: z.enum(['sum', 'product']), ok: z.boolean(), list: z.array(z.enum(['a', 'b'])).max(3),
  });
  const replies = await Promise.all(Array.from({ length: 100 }, (_, seed) => client.chat.completions.parse({
    model, messages: question, seed, max_tokens: 1000, response_format: zodResponseFormat(schema, 'answer'), ...off,
  })));
  for (const reply of replies) schema.parse(reply.choices[0].message.parsed);
  const response = await client.responses.parse({
    model, input: 'Compute 123 + 456.', reasoning: { effort: 'none' },
    text: { format: zodTextFormat(schema, 'answer') },
  });
  schema.parse(response.output_parsed);
  const called = await client.responses.create({
    model, input: 'Compute 123 + 456.', reasoning: { effort: 'none' }, tool_choice: 'required', max_output_tokens: 300,
    parallel_tool_calls: false,
    tools: [{ type: 'function', name: 'f', strict: true, parameters: {
      type: 'object', properties: { city: { type: 'string', enum: ['Oslo', 'Rome'] } }, required: ['city'],
      additionalProperties: false } }],
  });
  const call = called.output.find((item) => item.type === 'function_call');
  assert.ok(['Oslo', 'Rome'].includes(JSON.parse(call.arguments).city));
});
await check('openai: abort frees the row', async () => {
  const stream = await client.chat.completions.create({ ...endless, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta?.content) break;
  }
  stream.controller.abort();
  await expectNoRows(server.url);
});
await check('openai: errors of keys, of limits and of a full server', async () => {
  const keyed = await startKeyedServer(binary);
  const narrow = await startNarrowServer(binary);
  const ask = (url, apiKey, extra = {}) => new OpenAI({ baseURL: url, apiKey, maxRetries: 0 }).chat.completions.create(
    { model, messages: question, max_tokens: 2, ...off, ...extra }).then(() => null, (error) => error);
  const free = await narrow.busy();
  const waiting = ask(narrow.url, 'any', { stream: false });
  await narrow.queued();
  const full = await ask(narrow.url, 'any');
  assert.equal(await ask(keyed.url, keyed.keys.once), null);
  const refused = [
    [await ask(keyed.url, keyed.keys.once), OpenAI.RateLimitError, 429, 'rate_limit_exceeded', 'rate_limit_error'],
    [await ask(keyed.url, keyed.keys.poor), OpenAI.APIError, 402, 'insufficient_balance', 'billing_error'],
    [await ask(keyed.url, keyed.keys.none), OpenAI.PermissionDeniedError, 403, 'permission_denied', 'permission_error'],
    [await ask(keyed.url, 'sk-wrong'), OpenAI.AuthenticationError, 401, 'invalid_api_key', 'authentication_error'],
    [await ask(server.url, 'any', { response_format: { type: 'regex', regex: '(a{1,99999}){1,99999}' } }),
      OpenAI.UnprocessableEntityError, 422, 'constraint_too_complex', 'invalid_request_error'],
    [full, OpenAI.InternalServerError, 503, 'service_unavailable', 'overloaded_error'],
  ];
  for (const [error, type, status, code, name] of refused) {
    assert.ok(error instanceof type, `${error}`);
    assert.deepEqual([error.status, error.code, error.type], [status, code, name]);
    assert.ok(error.requestID.startsWith('req_'));
  }
  assert.equal((await waiting).code, 'queue_timeout');
  free();
  for (const one of [keyed, narrow]) assert.equal(await one.stop(), 0);
});
await check('openai: a 503 with Retry-After is tried again', async () => {
  let tries = 0;
  const stub = http.createServer((request, response) => {
    request.resume();
    if (++tries === 1) {
      response.writeHead(503, { 'retry-after': '1', 'content-type': 'application/json' });
      response.end('{"error":{"message":"busy","type":"overloaded_error","param":null,"code":"service_unavailable"}}');
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"object":"list","data":[]}');
    }
  });
  stub.listen(0, '127.0.0.1');
  await once(stub, 'listening');
  const retrying = new OpenAI({ baseURL: `http://127.0.0.1:${stub.address().port}`, apiKey: 'any', maxRetries: 2 });
  assert.deepEqual((await retrying.models.list()).data, []);
  assert.equal(tries, 2);
  stub.close();
  stub.closeAllConnections();
});
await check('openai: 40 requests at once give what one gives', async () => {
  const body = { model, messages: question, seed: 11 };
  const alone = await client.chat.completions.create(body);
  const many = await Promise.all(Array.from({ length: 40 }, () => client.chat.completions.create(body)));
  for (const reply of many) {
    assert.deepEqual(reply.choices[0].message, alone.choices[0].message);
  }
});
await check('openai: the server ends well', async () => assert.equal(await server.stop(), 0));
process.exit(summary());
