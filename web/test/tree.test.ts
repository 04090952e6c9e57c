import { describe, expect, it } from 'vitest';
import { addTurn, children, matches, newConversation, pathTo, showSibling, shownPath, siblings, titleOf } from '../src/tree';

const said = (content: string) => ({ role: 'user' as const, content });

describe('the tree of turns', () => {
  it('shows the newest branch, and another if chosen, with everything below it', () => {
    const talk = newConversation(1);
    const a = addTurn(talk, null, said('a'), 10);
    const b = addTurn(talk, a.id, said('b'), 11);
    const c = addTurn(talk, b.id, said('c'), 12);
    const other = addTurn(talk, a.id, said('b2'), 13);
    expect(shownPath(talk).map((turn) => turn.content)).toEqual(['a', 'b2']);
    expect(showSibling(talk, other, -1)).toBe(b);
    expect(shownPath(talk).map((turn) => turn.content)).toEqual(['a', 'b', 'c']);
    expect(siblings(talk, b)).toMatchObject({ index: 0, list: [b, other] });
    expect(showSibling(talk, b, -1)).toBe(b);
    expect(pathTo(talk, c.id)).toEqual([a, b, c]);
    expect(pathTo(talk, null)).toEqual([]);
  });

  it('keeps siblings in the order they were made, even within one millisecond', () => {
    const talk = newConversation(1);
    const made = Array.from({ length: 20 }, (_, i) => addTurn(talk, null, said(String(i)), 5));
    expect(children(talk, null)).toEqual(made);
  });

  it('survives a chosen branch that is gone', () => {
    const talk = newConversation(1);
    const a = addTurn(talk, null, said('a'), 1);
    talk.shown[''] = 'nobody';
    expect(shownPath(talk)).toEqual([a]);
  });

  it('finds all words anywhere in a conversation', () => {
    const talk = newConversation(1);
    talk.title = 'Fish';
    addTurn(talk, null, { ...said('How deep is the Sea?'), files: [{ name: 'depths.csv', text: '' }] });
    addTurn(talk, null, {
      role: 'assistant',
      content: '',
      reasoning: 'sonar',
      calls: [{ id: '1', name: 'measure', arguments: '{"at": "trench"}' }],
    });
    for (const query of ['', 'sea deep', 'FISH', 'csv sonar', 'measure trench'])
      expect(matches(talk, query), query).toBe(true);
    for (const query of ['lake', 'sea lake']) expect(matches(talk, query), query).toBe(false);
  });

  it('makes titles of first lines', () => {
    expect(titleOf('  One\ntwo')).toBe('One');
    expect(titleOf('\n \n')).toBe('New conversation');
    expect(Array.from(titleOf('é😀'.repeat(60)))).toHaveLength(60);
  });
});
