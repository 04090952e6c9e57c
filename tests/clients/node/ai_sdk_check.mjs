// The Vercel AI SDK with its DeepSeek provider against fathom serve. usage: node ai_sdk_check.mjs FATHOM
import { createDeepSeek } from '@ai-sdk/deepseek';
import {
  APICallError, generateObject, generateText, jsonSchema, Output, stepCountIs, streamText, tool,
} from 'ai';
import { z } from 'zod';

import {
  assert, check, expectNoRows, startKeyedServer, startNarrowServer, startServer, summary,
} from './support.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;
const binary = process.argv[2];
const server = await startServer(binary);
const keyed = await startKeyedServer(binary);
const narrow = await startNarrowServer(binary);

const name = 'deepseek-v4-flash';
const prompt = 'Compute 123 + 456.';
const off = { deepseek: { thinking: { type: 'disabled' } } };
const common = { maxRetries: 0 };
const city = jsonSchema({
  type: 'object', properties: { city: { type: 'string', enum: ['Oslo', 'Rome'] } }, required: ['city'],
  additionalProperties: false,
});
/** A provider; its request bodies are added to `sent`. `extra` is put into each. */
function provider(base, { sent = [], extra = {}, ...settings } = {}) {
  const send = (url, init) => {
    const body = { seed: 7, ...JSON.parse(init.body), ...extra };
    sent.push(body);
    return fetch(url, { ...init, body: JSON.stringify(body) });
  };
  return createDeepSeek({ baseURL: base, apiKey: 'any', fetch: send, ...settings });
}
async function parts(stream) {
  const all = [];
  for await (const part of stream.fullStream) all.push(part);
  return all;
}

for (const base of ['', '/beta']) {
  const url = server.url + base;
  const named = (text) => `ai ${base || '/'}: ${text}`;
  const model = provider(url)(name);

  await check(named('text, reasoning, usage'), async () => {
    const reply = await generateText({ ...common, model, prompt });
    assert.equal(reply.text, '579');
    assert.ok(reply.reasoningText.length > 0);
    const { inputTokens, inputTokenDetails, outputTokens } = reply.usage;
    assert.equal(inputTokenDetails.noCacheTokens + inputTokenDetails.cacheReadTokens, inputTokens);
    assert.ok(outputTokens > 3);
    assert.equal(reply.finishReason, 'stop');
  });
  await check(named('a stream: reasoning before text, usage at the end'), async () => {
    const all = await parts(streamText({ ...common, model, prompt }));
    const types = all.map((part) => part.type);
    assert.ok(types.indexOf('reasoning-delta') > 0);
    assert.ok(types.lastIndexOf('reasoning-delta') < types.indexOf('text-delta'));
    assert.equal(all.filter((part) => part.type === 'text-delta').map((part) => part.text).join(''), '579');
    assert.ok(all.at(-1).type === 'finish' && all.at(-1).totalUsage.outputTokens > 3);
  });
  await check(named('thinking off'), async () => {
    const reply = await generateText({ ...common, model, prompt, temperature: 0, providerOptions: off });
    assert.equal(reply.text, '579');
    assert.equal(reply.reasoningText, undefined);
  });
  await check(named('a loop of tools, reasoning sent back'), async () => {
    const sent = [];
    const reply = await generateText({
      ...common, prompt, model: provider(url, { sent, extra: { thinking_budget: 8 } })(name), toolChoice: 'required',
      stopWhen: stepCountIs(3),
      tools: {
        f: tool({ description: 'Weather', inputSchema: city, execute: async (input) => `rain in ${input.city}` }),
      },
    });
    assert.equal(reply.steps.length, 3);
    for (const step of reply.steps) {
      assert.equal(step.finishReason, 'tool-calls');
      assert.match(step.toolResults[0].output, /^rain in (Oslo|Rome)$/);
    }
    const back = sent[2].messages.filter((message) => message.role === 'assistant');
    assert.deepEqual(back.map((message) => message.reasoning_content),
      reply.steps.slice(0, 2).map((step) => step.reasoningText ?? ''));
  });
  await check(named('tools required and named, thinking'), async () => {
    const tools = {
      f: tool({ description: 'Weather', inputSchema: city }), g: tool({ description: 'Time', inputSchema: city }),
    };
    for (const toolChoice of ['required', { type: 'tool', toolName: 'g' }]) {
      const reply = await generateText(
        { ...common, prompt, tools, toolChoice, model: provider(url, { extra: { thinking_budget: 8 } })(name) });
      assert.ok(['Oslo', 'Rome'].includes(reply.toolCalls[0].input.city));
      if (toolChoice !== 'required') assert.equal(reply.toolCalls[0].toolName, 'g');
    }
  });
  await check(named('log probabilities of both texts'), async () => {
    const bodies = [];
    const keep = async (target, init) => {
      const body = JSON.stringify({ seed: 7, ...JSON.parse(init.body) });
      const response = await fetch(target, { ...init, body });
      bodies.push(await response.clone().json());
      return response;
    };
    const reply = await generateText({
      ...common, prompt, model: createDeepSeek({ baseURL: url, apiKey: 'any', fetch: keep })(name),
      providerOptions: { deepseek: { topLogprobs: 3 } },
    });
    assert.equal(reply.text, '579');
    const { content, reasoning_content } = bodies[0].choices[0].logprobs;
    assert.ok(content.length === 3 && reasoning_content.length > 0 && content[0].top_logprobs.length === 3);
  });
  await check(named('the cache, in the metadata'), async () => {
    const ask = () => generateText(
      { ...common, model, prompt: `Sort 4 2 7${base}.`, maxOutputTokens: 8, providerOptions: off });
    await ask();
    assert.ok((await ask()).providerMetadata.deepseek.promptCacheHitTokens > 0);
  });
  await check(named('an abort'), async () => {
    const controller = new AbortController();
    const stream = streamText({
      ...common, model: provider(url, { extra: { logit_bias: { 1: -100 } } })(name), prompt: 'Write a story.',
      maxOutputTokens: 60_000, temperature: 1.5, providerOptions: off, abortSignal: controller.signal,
    });
    const seen = [];
    for await (const part of stream.fullStream) {
      seen.push(part.type);
      if (part.type === 'text-delta') controller.abort();
    }
    assert.equal(seen.at(-1), 'abort');
    await expectNoRows(server.url);
  });
}

await check('ai: three efforts are three prompts', async () => {
  const sent = [];
  for (const reasoningEffort of ['low', 'high', 'max']) {
    await generateText({
      ...common, model: provider(server.url, { sent, extra: { thinking_budget: 2, max_tokens: 8 } })(name), prompt,
      providerOptions: { deepseek: { reasoningEffort } },
    });
  }
  const prompts = new Set();
  for (const body of sent) {
    const response = await fetch(`${server.url}/apply_template`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    prompts.add((await response.json()).prompt);
  }
  // The encoding of the preview models knows two: low is high there.
  const { models } = await (await fetch(`${server.url}/props`)).json();
  assert.equal(prompts.size, models[0].prompt_encoding === '2026-04' ? 2 : 3);
});
await check('ai: objects', async () => {
  const schema = z.object({ kind: z.enum(['sum', 'product']), count: z.number().int() });
  // The provider asks for JSON mode with the schema in the prompt; the server holds the model to JSON, and to the
  // schema if it is given one.
  const format = {
    response_format: { type: 'json_schema', json_schema: { name: 's', schema: z.toJSONSchema(schema) } },
  };
  const model = provider(server.url, { extra: format })(name);
  const reply = await generateObject({ ...common, model, prompt, schema, providerOptions: off });
  schema.parse(reply.object);
  const output = await generateText(
    { ...common, model, prompt, output: Output.object({ schema }), providerOptions: off });
  schema.parse(output.output);
  const sent = [];
  const plain = await generateObject({
    ...common, model: provider(server.url, { sent })(name), prompt, output: 'no-schema', maxOutputTokens: 2000,
    providerOptions: off,
  }).catch((error) => error);
  assert.equal(sent[0].response_format.type, 'json_object');
  if (plain.object === undefined) assert.equal(plain.finishReason, 'length');  // JSON that did not end
});
await check('ai: strict tools and a prefix under /beta', async () => {
  const model = provider(`${server.url}/beta`)(name);
  const strict = await generateText({
    ...common, model, prompt, providerOptions: off, toolChoice: 'required',
    tools: { f: tool({ description: 'Weather', inputSchema: city, strict: true }) },
  });
  assert.ok(['Oslo', 'Rome'].includes(strict.toolCalls[0].input.city));
  const continued = await generateText({
    ...common, model, temperature: 0, providerOptions: off,
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: '5', providerOptions: { deepseek: { prefix: true } } },
    ],
  });
  assert.equal(continued.text, '79');
});
await check('ai: errors and whether they may be tried again', async () => {
  const ask = (apiKey) => generateText(
    { ...common, model: provider(keyed.url, { apiKey })(name), prompt, maxOutputTokens: 4, providerOptions: off });
  const wrong = await ask('sk-wrong').catch((error) => error);
  assert.ok(APICallError.isInstance(wrong) && wrong.statusCode === 401 && !wrong.isRetryable, `${wrong}`);
  const poor = await ask(keyed.keys.poor).catch((error) => error);
  assert.ok(APICallError.isInstance(poor) && poor.statusCode === 402 && !poor.isRetryable, `${poor}`);
  await ask(keyed.keys.once);
  const many = await ask(keyed.keys.once).catch((error) => error);
  assert.ok(APICallError.isInstance(many) && many.statusCode === 429 && many.isRetryable, `${many}`);
  assert.equal(many.data.error.type, 'rate_limit_error');
});
await check('ai: a failure in the middle of a stream', async () => {
  const free = await narrow.busy();
  const all = await parts(streamText(
    { ...common, model: provider(narrow.url)(name), prompt, providerOptions: off, onError: () => {} }));
  free();
  const error = all.find((part) => part.type === 'error');
  assert.ok(error, all.map((part) => part.type).join());
  assert.match(`${error.error.message ?? error.error}`, /queue/);
});
await check('ai: an answer that ran out of its time', async () => {
  await expectNoRows(narrow.url);
  const reply = await generateText({
    ...common, model: provider(narrow.url, { extra: { logit_bias: { 1: -100 } } })(name), prompt: 'Write a story.',
    maxOutputTokens: 60_000, temperature: 1.5, providerOptions: off,
  });
  assert.equal(reply.finishReason, 'error');
});
await check('ai: the servers end well', async () => {
  for (const one of [server, keyed, narrow]) assert.equal(await one.stop(), 0);
});
process.exit(summary());
