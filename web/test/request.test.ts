import { describe, expect, it } from 'vitest';
import { chatBody, messagesOf, parseTools, withFiles } from '../src/request';
import type { Settings, Turn } from '../src/types';

const settings: Settings = {
  model: 'm', mode: 'high', system: '', tools: '', maxTokens: '', temperature: '0.5', seed: '', theme: 'auto',
};
const turn = (part: Partial<Turn>): Turn => ({ id: '', parent: null, role: 'user', created: 0, content: '', ...part });
const call = { id: 'call_00', name: 'f', arguments: '{"x": 1}' };

describe('requests', () => {
  it('put files before the question', () => {
    expect(withFiles('Why?', [{ name: 'a.txt', text: 'one' }, { name: 'b', text: 'two\n' }])).toBe(
      '[file name]: a.txt\n[file content begin]\none\n[file content end]\n' +
        '[file name]: b\n[file content begin]\ntwo\n[file content end]\nWhy?',
    );
    expect(withFiles('Why?', undefined)).toBe('Why?');
  });

  it('carry calls only together with their results', () => {
    const path = [
      turn({ content: 'q' }),
      turn({ role: 'assistant', content: 'c', reasoning: 'r', calls: [call] }),
      turn({ role: 'tool', results: [{ id: 'call_00', content: '2' }] }),
    ];
    expect(messagesOf(path, ' be short ')).toEqual([
      { role: 'system', content: ' be short ' },
      { role: 'user', content: 'q' },
      {
        role: 'assistant',
        content: 'c',
        reasoning_content: 'r',
        tool_calls: [{ id: 'call_00', type: 'function', function: { name: 'f', arguments: '{"x": 1}' } }],
      },
      { role: 'tool', tool_call_id: 'call_00', content: '2' },
    ]);
    expect(messagesOf([path[0], path[1], turn({ content: 'next' })], '')[1]).toEqual({
      role: 'assistant',
      content: 'c',
      reasoning_content: 'r',
    });
  });

  it('say the mode', () => {
    const body = (mode: Settings['mode']) => chatBody([turn({ content: 'q' })], { ...settings, mode });
    expect(body('off')).toMatchObject({ thinking: { type: 'disabled' }, temperature: 0.5 });
    expect(body('off')).not.toHaveProperty('reasoning_effort');
    expect(body('high')).toMatchObject({ thinking: { type: 'enabled' }, reasoning_effort: 'high' });
    expect(body('max')).toMatchObject({ reasoning_effort: 'max' });
    expect(body('max')).not.toHaveProperty('temperature');
  });

  it('leave out empty limits and take numbers as numbers', () => {
    const body = chatBody([turn({ content: 'q' })], { ...settings, maxTokens: '12', seed: '0' });
    expect(body).toMatchObject({ max_tokens: 12, seed: 0 });
    expect(chatBody([turn({})], { ...settings, maxTokens: 'x' })).not.toHaveProperty('max_tokens');
  });

  it('take tools with and without their wrapping', () => {
    const wrapped = { type: 'function', function: { name: 'f' } };
    expect(parseTools('[{"name": "f"}]')).toEqual([wrapped]);
    expect(parseTools(JSON.stringify(wrapped))).toEqual([wrapped]);
    expect(parseTools('  ')).toEqual([]);
    expect(() => parseTools('[{]')).toThrow(/not JSON/);
    expect(() => parseTools('[{}]')).toThrow(/entry 1 has no name/);
    expect(() => parseTools('[5]')).toThrow(/entry 1 is not an object/);
    expect(() => parseTools('[{"function": null}]')).toThrow(/entry 1 has no name/);
  });
});
