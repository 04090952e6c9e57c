// A conversation is a tree of turns of which one path is shown.
import type { Conversation, Turn } from './types';

export const newId = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
};

export function newConversation(now = Date.now()): Conversation {
  return { id: newId(), title: 'New conversation', created: now, updated: now, turns: {}, shown: {} };
}

/** The children of a turn (null: the first turns), oldest first. */
export function children(conversation: Conversation, parent: string | null): Turn[] {
  return Object.values(conversation.turns)
    .filter((turn) => turn.parent === parent)
    .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

export function shownPath(conversation: Conversation): Turn[] {
  const path: Turn[] = [];
  let parent: string | null = null;
  for (;;) {
    const all = children(conversation, parent);
    if (all.length === 0) return path;
    const wanted: string | undefined = conversation.shown[parent ?? ''];
    const turn: Turn = all.find((child) => child.id === wanted) ?? all[all.length - 1];
    path.push(turn);
    parent = turn.id;
  }
}

/** Adds a turn and shows it. Siblings keep the order in which they were made. */
export function addTurn(
  conversation: Conversation,
  parent: string | null,
  turn: Omit<Turn, 'id' | 'parent' | 'created'>,
  now = Date.now(),
): Turn {
  const last = children(conversation, parent).at(-1);
  const created = last ? Math.max(now, last.created + 1) : now;
  const added: Turn = { ...turn, id: newId(), parent, created };
  conversation.turns[added.id] = added;
  conversation.shown[parent ?? ''] = added.id;
  conversation.updated = now;
  return added;
}

export function siblings(conversation: Conversation, turn: Turn): { list: Turn[]; index: number } {
  const list = children(conversation, turn.parent);
  return { list, index: list.findIndex((one) => one.id === turn.id) };
}

/** Shows the sibling `step` places away, if there is one. */
export function showSibling(conversation: Conversation, turn: Turn, step: number): Turn {
  const { list, index } = siblings(conversation, turn);
  const other = list[index + step];
  if (!other) return turn;
  conversation.shown[turn.parent ?? ''] = other.id;
  return other;
}

export function pathTo(conversation: Conversation, id: string | null): Turn[] {
  const path: Turn[] = [];
  for (let at = id; at !== null; at = conversation.turns[at].parent) path.unshift(conversation.turns[at]);
  return path;
}

export function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0].trim();
  if (!line) return 'New conversation';
  const points = Array.from(line);
  return points.length > 60 ? points.slice(0, 59).join('') + '…' : line;
}

/** Whether every word of the query occurs in the conversation's title or texts. */
export function matches(conversation: Conversation, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const texts = [conversation.title];
  for (const turn of Object.values(conversation.turns)) {
    texts.push(turn.content, turn.reasoning ?? '');
    for (const file of turn.files ?? []) texts.push(file.name);
    for (const call of turn.calls ?? []) texts.push(call.name, call.arguments);
  }
  const all = texts.join('\n').toLowerCase();
  return words.every((word) => all.includes(word));
}
