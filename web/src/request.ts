// Turns into the body of a request.
import type { AttachedFile, Mode, Settings, Turn } from './types';

export interface ChatMessage {
  role: string;
  content: string | null;
  reasoning_content?: string;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

export type ChatBody = Record<string, unknown> & { model: string; messages: ChatMessage[] };

/** A question with its files before it, in the layout that DeepSeek gives for uploaded files. */
export function withFiles(text: string, files: AttachedFile[] | undefined): string {
  const parts = (files ?? []).map(
    (file) =>
      `[file name]: ${file.name}\n[file content begin]\n${file.text}${file.text.endsWith('\n') ? '' : '\n'}[file content end]\n`,
  );
  return parts.join('') + text;
}

export function messagesOf(path: Turn[], system: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  if (system.trim()) messages.push({ role: 'system', content: system });
  path.forEach((turn, i) => {
    if (turn.role === 'user') {
      messages.push({ role: 'user', content: withFiles(turn.content, turn.files) });
    } else if (turn.role === 'tool') {
      for (const result of turn.results ?? [])
        messages.push({ role: 'tool', tool_call_id: result.id, content: result.content });
    } else {
      const message: ChatMessage = { role: 'assistant', content: turn.content };
      if (turn.reasoning) message.reasoning_content = turn.reasoning;
      // Calls that nobody answered would make the request invalid: the turn is kept as its text.
      if (turn.calls?.length && path[i + 1]?.role === 'tool')
        message.tool_calls = turn.calls.map((call) => ({
          id: call.id,
          type: 'function',
          function: { name: call.name, arguments: call.arguments },
        }));
      messages.push(message);
    }
  });
  return messages;
}

/** The list in the settings' tools field; throws an Error that says what is wrong with it. */
export function parseTools(text: string): unknown[] {
  if (!text.trim()) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`Tools: not JSON (${(error as Error).message})`);
  }
  const list = Array.isArray(value) ? value : [value];
  return list.map((tool, i) => {
    if (typeof tool !== 'object' || tool === null) throw new Error(`Tools: entry ${i + 1} is not an object`);
    const entry = tool as Record<string, unknown>;
    const wrapped = 'function' in entry ? entry : { type: 'function', function: entry };
    const inner = wrapped.function as Record<string, unknown> | null;
    if (typeof inner !== 'object' || inner === null || typeof inner.name !== 'string')
      throw new Error(`Tools: entry ${i + 1} has no name`);
    return wrapped;
  });
}

function modeFields(mode: Mode): Record<string, unknown> {
  if (mode === 'off') return { thinking: { type: 'disabled' } };
  return { thinking: { type: 'enabled' }, reasoning_effort: mode };
}

const numberOf = (text: string): number | undefined => {
  const value = Number(text);
  return text.trim() && Number.isFinite(value) ? value : undefined;
};

export function chatBody(path: Turn[], settings: Settings): ChatBody {
  const body: ChatBody = {
    model: settings.model,
    messages: messagesOf(path, settings.system),
    ...modeFields(settings.mode),
  };
  const tools = parseTools(settings.tools);
  if (tools.length) body.tools = tools;
  const limit = numberOf(settings.maxTokens);
  if (limit !== undefined) body.max_tokens = limit;
  const temperature = numberOf(settings.temperature);
  if (temperature !== undefined && settings.mode === 'off') body.temperature = temperature;
  const seed = numberOf(settings.seed);
  if (seed !== undefined) body.seed = seed;
  return body;
}
