import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { bytes, money, percent, seconds } from '../src/format';
import { loadOf, parseMetrics, total } from '../src/metrics';
import { serverEvents, type ServerEvent } from '../src/sse';
import { loadAll, remove, save } from '../src/store';
import { addTurn, newConversation } from '../src/tree';

async function eventsOf(text: string, size: number): Promise<ServerEvent[]> {
  const all = new TextEncoder().encode(text);
  let at = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= all.length) return controller.close();
      controller.enqueue(all.slice(at, (at += size)));
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of serverEvents(stream)) found.push(event);
  return found;
}

describe('server-sent events', () => {
  it('are the same however the bytes are cut', async () => {
    const text =
      ': keep-alive {"done":1}\n\ndata: {"a":"é😀"}\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: [DONE]\n\ndata: cut';
    for (const size of [1, 2, 3, 7, 1000])
      expect(await eventsOf(text, size)).toEqual([
        { comment: 'keep-alive {"done":1}' },
        { data: '{"a":"é😀"}' },
        { data: '1\n2' },
        { data: '[DONE]' },
      ]);
  });
});

describe('metrics', () => {
  it('are read with and without labels', () => {
    const samples = parseMetrics(
      '# HELP x\nfathom_batch_rows 3\nfathom_queue_depth{priority="high"} 1\nfathom_queue_depth{priority="low"} 2\n' +
        'fathom_tokens_total{kind="answer"} 5\nfathom_tokens_total{kind="reasoning"} 7\nbroken x\n',
    );
    expect(total(samples, 'fathom_queue_depth')).toBe(3);
    expect(loadOf(samples, 9)).toMatchObject({ at: 9, batch: 3, queued: 3, answerTokens: 12, promptTokens: 0 });
  });
});

describe('figures', () => {
  it('are short', () => {
    expect([bytes(0), bytes(1023), bytes(1536), bytes(5e9)]).toEqual(['0 B', '1023 B', '1.5 KiB', '4.7 GiB']);
    expect([seconds(12), seconds(1500), seconds(61_000)]).toEqual(['12 ms', '1.5 s', '1 min 1 s']);
    expect([money(0, 'USD'), money(0.0000139, 'USD'), money(2.5, 'EUR')]).toEqual(['$0', '$0.0000139', 'EUR 2.50']);
    expect([percent(0), percent(0.0012), percent(0.05), percent(0.5)]).toEqual(['0 %', '0.12 %', '5.0 %', '50 %']);
  });
});

describe('kept conversations', () => {
  it('come back newest first, and a running answer as a stopped one', async () => {
    const old = newConversation(1);
    const talk = newConversation(2);
    addTurn(talk, null, { role: 'assistant', content: 'x', status: 'running' }, 3);
    await save(old);
    await save(talk);
    const all = await loadAll();
    expect(all.map((one) => one.id)).toEqual([talk.id, old.id]);
    expect(Object.values(all[0].turns)[0].status).toBe('stopped');
    await remove(talk.id);
    expect((await loadAll()).map((one) => one.id)).toEqual([old.id]);
  });
});
