// LangChain with its DeepSeek chat model against fathom serve. usage: node langchain_check.mjs FATHOM
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatDeepSeek } from '@langchain/deepseek';
import { z } from 'zod';

import { assert, check, expectNoRows, startKeyedServer, startServer, summary } from './support.mjs';

const binary = process.argv[2];
const server = await startServer(binary);
const keyed = await startKeyedServer(binary);

const question = 'Compute 123 + 456.';
const off = { thinking: { type: 'disabled' } };
const brief = { thinking: { type: 'enabled', budget_tokens: 8 } };
function chat(modelKwargs = {}, settings = {}) {
  return new ChatDeepSeek({
    model: 'deepseek-v4-flash', apiKey: 'any', maxRetries: 0, modelKwargs: { seed: 3, ...modelKwargs },
    configuration: { baseURL: server.url }, ...settings,
  });
}
const city = z.object({ city: z.enum(['Oslo', 'Rome']) });
const weather = tool(async (input) => `rain in ${input.city}`, { name: 'f', description: 'Weather', schema: city });

await check('langchain: content and reasoning', async () => {
  const reply = await chat().invoke(question);
  assert.equal(reply.content, '579');
  assert.ok(reply.additional_kwargs.reasoning_content.length > 0);
  assert.equal(reply.usage_metadata.total_tokens,
    reply.usage_metadata.input_tokens + reply.usage_metadata.output_tokens);
});
await check('langchain: a stream; its usage counts once', async () => {
  const whole = await chat({ seed: 3 }).invoke(question);
  let all;
  for await (const chunk of await chat({ seed: 3 }).stream(question)) all = all ? all.concat(chunk) : chunk;
  assert.equal(all.content, whole.content);
  assert.equal(all.additional_kwargs.reasoning_content, whole.additional_kwargs.reasoning_content);
  assert.equal(all.usage_metadata.output_tokens, whole.usage_metadata.output_tokens);
  assert.equal(all.usage_metadata.input_tokens, whole.usage_metadata.input_tokens);
});
await check('langchain: tools, whole and streamed', async () => {
  const model = chat({ ...brief, seed: 4 }).bindTools([weather], { tool_choice: 'f', parallel_tool_calls: false });
  const reply = await model.invoke(question);
  assert.equal(reply.tool_calls[0].name, 'f');
  city.parse(reply.tool_calls[0].args);
  let all;
  for await (const chunk of await model.stream(question)) all = all ? all.concat(chunk) : chunk;
  assert.deepEqual(all.tool_calls.map((call) => call.args), reply.tool_calls.map((call) => call.args));
});
await check('langchain: the turn after a call', async () => {
  const model = chat({ ...brief, seed: 5 }).bindTools([weather], { tool_choice: 'f', parallel_tool_calls: false });
  const first = await model.invoke(question);
  const result = await weather.invoke(first.tool_calls[0]);
  assert.ok(result instanceof ToolMessage);
  const messages = [
    new HumanMessage(question), new AIMessage({ content: first.content, tool_calls: first.tool_calls }), result,
  ];
  const second = await chat({ max_tokens: 30, ...brief }).bindTools([weather]).invoke(messages);
  assert.ok(second.response_metadata.finish_reason);
});
await check('langchain: structured output by each method', async () => {
  const schema = z.object({ kind: z.enum(['sum', 'product']), count: z.enum(['one', 'two']) });
  for (const method of [undefined, 'jsonSchema']) {
    const value = await chat({ ...brief, seed: 1 }).withStructuredOutput(schema, { name: 'answer', method })
      .invoke(question);
    schema.parse(value);
  }
  const format = { type: 'json_schema', json_schema: { name: 's', schema: z.toJSONSchema(schema) } };
  const mode = await chat({ ...off, seed: 1 }).withStructuredOutput(schema, { method: 'jsonMode' })
    .withConfig({ response_format: format }).invoke(question);
  schema.parse(mode);
});
await check('langchain: temperature 0 twice, stop, maxTokens', async () => {
  const model = chat(off, { temperature: 0 });
  assert.equal((await model.invoke(question)).content, '579');
  assert.equal((await model.invoke(question)).content, '579');
  assert.equal((await model.invoke(question, { stop: ['9'] })).content, '57');
  const short = await chat(off, { maxTokens: 1 }).invoke(question);
  assert.equal(short.response_metadata.finish_reason, 'length');
});
await check('langchain: twenty at once', async () => {
  const replies = await chat(off, { temperature: 0 }).batch(Array.from({ length: 20 }, () => question));
  assert.ok(replies.every((reply) => reply.content === '579'));
});
await check('langchain: an abort', async () => {
  const controller = new AbortController();
  const model = chat({ ...off, logit_bias: { 1: -100 }, max_tokens: 60_000, temperature: 1.5 });
  await assert.rejects(async () => {
    for await (const chunk of await model.stream('Write a story.', { signal: controller.signal })) {
      if (chunk.content) controller.abort();
    }
  });
  await expectNoRows(server.url);
});
await check('langchain: errors', async () => {
  const at = (apiKey) => chat(off, { apiKey, temperature: 0, configuration: { baseURL: keyed.url } }).invoke(question);
  const wrong = await at('sk-wrong').catch((error) => error);
  assert.equal(wrong.status, 401, `${wrong}`);
  assert.equal((await at(keyed.keys.free)).content, '579');
  const none = await at(keyed.keys.none).catch((error) => error);
  assert.equal(none.status, 403, `${none}`);
});
await check('langchain: the servers end well', async () => {
  for (const one of [server, keyed]) assert.equal(await one.stop(), 0);
});
process.exit(summary());
