// The official client of Anthropic against fathom serve. usage: node anthropic_check.mjs FATHOM
import Anthropic from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';

import { assert, check, startKeyedServer, startNarrowServer, startServer, summary } from './support.mjs';

const binary = process.argv[2];
const server = await startServer(binary);
const model = 'claude-sonnet';
const messages = [{ role: 'user', content: 'Compute 123 + 456.' }];
const off = { thinking: { type: 'disabled' } };

for (const base of ['', '/anthropic']) {
  const client = new Anthropic({ baseURL: server.url + base, apiKey: 'any', maxRetries: 0 });
  const named = (text) => `anthropic ${base || '/'}: ${text}`;

  await check(named('an answer without thinking'), async () => {
    const reply = await client.messages.create({ model, max_tokens: 50, messages, temperature: 0, ...off });
    assert.deepEqual(reply.content, [{ type: 'text', text: '579' }]);
    assert.equal(reply.stop_reason, 'end_turn');
    assert.equal(reply.model, model);
    assert.equal(reply.usage.output_tokens, 3);
  });
  await check(named('thinking with a budget'), async () => {
    const reply = await client.messages.create(
      { model, max_tokens: 2000, messages, thinking: { type: 'enabled', budget_tokens: 1024 } });
    assert.equal(reply.content[0].type, 'thinking');
    assert.ok(reply.content[0].signature.startsWith('sig_'));
    assert.equal(reply.content[1].text, '579');
  });
  await check(named('streamed and not, with one seed'), async () => {
    const body = { model, max_tokens: 500, messages, seed: 9 };
    const whole = await client.messages.create(body);
    const final = await client.messages.stream(body).finalMessage();
    const texts = (message) => message.content.map((block) => block.text ?? block.thinking);
    assert.deepEqual(texts(final), texts(whole));
    assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
  });
  await check(named('the order of events'), async () => {
    const types = [];
    for await (const event of await client.messages.create({ model, max_tokens: 500, messages, stream: true })) {
      if (types.at(-1) !== event.type) types.push(event.type);
    }
    assert.deepEqual(types, [
      'message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'content_block_start',
      'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop',
    ]);
  });
  await check(named('stop sequences, max_tokens, prefill'), async () => {
    const stopped = await client.messages.create(
      { model, max_tokens: 50, messages, temperature: 0, stop_sequences: ['9'], ...off });
    assert.equal(stopped.stop_reason, 'stop_sequence');
    assert.equal(stopped.stop_sequence, '9');
    assert.equal(stopped.content[0].text, '57');
    const short = await client.messages.create({ model, max_tokens: 1, messages, ...off });
    assert.equal(short.stop_reason, 'max_tokens');
    const prefilled = await client.messages.create({
      model, max_tokens: 50, temperature: 0, ...off, messages: [...messages, { role: 'assistant', content: '5' }],
    });
    assert.equal(prefilled.content[0].text, '79');
  });
  await check(named('tools: every choice, and the turn after a call'), async () => {
    const tools = ['f', 'g'].map((name) => ({
      name, input_schema: { type: 'object', properties: { city: { enum: ['Oslo', 'Rome'] } }, required: ['city'] },
    }));
    const body = { model, max_tokens: 600, messages, tools, thinking: { type: 'enabled', budget_tokens: 8 } };
    const none = await client.messages.create({ ...body, tool_choice: { type: 'none' } });
    assert.ok(none.content.every((block) => block.type !== 'tool_use'));
    await client.messages.create({ ...body, max_tokens: 20, tool_choice: { type: 'auto' } });
    for (const choice of [{ type: 'any' }, { type: 'tool', name: 'g' }]) {
      const reply = await client.messages.create(
        { ...body, tool_choice: { ...choice, disable_parallel_tool_use: true } });
      const calls = reply.content.filter((block) => block.type === 'tool_use');
      assert.equal(reply.stop_reason, 'tool_use');
      assert.ok(calls.length === 1 && ['Oslo', 'Rome'].includes(calls[0].input.city));
      if (choice.name) assert.equal(calls[0].name, choice.name);
      const result = {
        role: 'user', content: [{ type: 'tool_result', tool_use_id: calls[0].id, content: 'It rains.' }],
      };
      for (const content of [reply.content, calls]) {  // with the thinking block, and without
        const next = await client.messages.create(
          { ...body, max_tokens: 20, messages: [...messages, { role: 'assistant', content }, result] });
        assert.ok(next.stop_reason);
      }
    }
  });
  await check(named('parse with a schema'), async () => {
    const schema = {
      type: 'object', properties: { kind: { type: 'string', enum: ['sum', 'product'] } }, required: ['kind'],
      additionalProperties: false,
    };
    const reply = await client.messages.parse({
      model, max_tokens: 300, messages, output_config: { format: jsonSchemaOutputFormat(schema) }, ...off,
    });
    assert.ok(['sum', 'product'].includes(reply.parsed_output.kind));
  });
  await check(named('counting tokens; the cache'), async () => {
    const body = { model, messages: [{ role: 'user', content: `Sort 5 3 9 1${base}.` }], ...off };
    const counted = await client.messages.countTokens(body);
    const first = await client.messages.create({ ...body, max_tokens: 20 });
    const second = await client.messages.create({ ...body, max_tokens: 20 });
    assert.equal(counted.input_tokens, first.usage.input_tokens + first.usage.cache_read_input_tokens);
    assert.ok(second.usage.cache_read_input_tokens > 0);
  });
  await check(named('models'), async () => {
    const list = await client.models.list();
    assert.equal(list.data[0].type, 'model');
    assert.ok(list.data[0].display_name);
  });
  await check(named('an image is answered and listed'), async () => {
    const reply = await client.messages.create({
      model, max_tokens: 20, ...off,
      messages: [{
        role: 'user',
        content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
                  { type: 'text', text: 'What is this?' }],
      }],
    });
    assert.deepEqual(reply.fathom.ignored, ['messages[0].content[0]']);
  });
  await check(named('errors'), async () => {
    const missing = await client.messages.create({ model: 'no-such-model', max_tokens: 5, messages }).catch((e) => e);
    assert.ok(missing instanceof Anthropic.NotFoundError);
    assert.equal(missing.error.error.type, 'not_found_error');
    const empty = await client.messages.create({ model, max_tokens: 5, messages: [] }).catch((e) => e);
    assert.ok(empty instanceof Anthropic.BadRequestError);
    assert.ok(empty.requestID.startsWith('req_'));
  });
}
await check('anthropic: errors of keys, and in the middle of a stream', async () => {
  const keyed = await startKeyedServer(binary);
  const narrow = await startNarrowServer(binary);
  const ask = (apiKey) => new Anthropic({ baseURL: keyed.url, apiKey, maxRetries: 0 }).messages
    .create({ model, max_tokens: 2, messages, ...off }).then(() => null, (error) => error);
  assert.equal(await ask(keyed.keys.once), null);
  for (const [key, status, type] of [
    ['once', 429, 'rate_limit_error'], ['poor', 402, 'billing_error'], ['none', 403, 'permission_error'],
    ['wrong', 401, 'authentication_error'],
  ]) {
    const error = await ask(keyed.keys[key] ?? 'sk-wrong');
    assert.deepEqual([error.status, error.error.error.type], [status, type]);
    assert.ok(error.requestID.startsWith('req_'));
  }
  const free = await narrow.busy();
  const late = new Anthropic({ baseURL: narrow.url, apiKey: 'any', maxRetries: 0 });
  const error = await late.messages.stream({ model, max_tokens: 5, messages, ...off }).finalMessage().catch((e) => e);
  assert.ok(error instanceof Anthropic.APIError, `${error}`);
  assert.equal(error.error.error.type, 'timeout_error');
  free();
  for (const one of [keyed, narrow]) assert.equal(await one.stop(), 0);
});
await check('anthropic: the server ends well', async () => assert.equal(await server.stop(), 0));
process.exit(summary());
