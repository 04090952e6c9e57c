// The server's routes that the page uses.
import type { ChatBody } from './request';
import { serverEvents } from './sse';
import type { Cost, FathomNote, ModelInfo, Usage } from './types';

export class ServerError extends Error {
  constructor(
    public status: number,
    message: string,
  ) {
    super(message);
  }
}

const kKey = 'fathom.key';
/** The key lives as long as the tab: nothing on disk. */
export const getKey = (): string => sessionStorage.getItem(kKey) ?? '';
export const setKey = (key: string): void =>
  key ? sessionStorage.setItem(kKey, key) : sessionStorage.removeItem(kKey);

async function ask(path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (getKey()) headers.authorization = `Bearer ${getKey()}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: 'no-store',
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ServerError(0, 'The server cannot be reached.');
  }
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // not one of the server's own errors: the status has to do
  }
  throw new ServerError(response.status, message);
}

export interface Props {
  build: string;
  keys: boolean;
  models: ModelInfo[];
}
export const getProps = async (): Promise<Props> => (await ask('/props')).json();
export const getMetrics = async (): Promise<string> => (await ask('/metrics')).text();

export interface Count {
  count: number;
  max_model_len: number;
}
export const countTokens = async (body: ChatBody, signal?: AbortSignal): Promise<Count> =>
  (await ask('/tokenize', body, signal)).json();

export interface CallDelta {
  index: number;
  id?: string;
  function?: { name?: string; arguments?: string };
}
export interface StreamHandler {
  reasoning(text: string): void;
  content(text: string): void;
  call(delta: CallDelta): void;
  ids(tokens: number[]): void;
  progress(done: number, total: number): void;
  end(last: { finish: string; model: string; usage?: Usage; cost?: Cost; fathom?: FathomNote }): void;
}

interface Chunk {
  model: string;
  error?: { message: string };
  choices?: {
    delta: { content?: string | null; reasoning_content?: string | null; tool_calls?: CallDelta[] };
    finish_reason: string | null;
    token_ids?: number[];
  }[];
  usage?: Usage;
  cost?: Cost;
  fathom?: FathomNote;
}

/** Streams an answer. Throws ServerError, or AbortError if the signal ends it. */
export async function streamChat(body: ChatBody, signal: AbortSignal, on: StreamHandler): Promise<void> {
  const response = await ask('/v1/chat/completions', { ...body, stream: true, return_token_ids: true }, signal);
  if (!response.body) throw new ServerError(0, 'The answer has no body.');
  let whole = false;
  for await (const event of serverEvents(response.body)) {
    if (event.comment !== undefined) {
      const at = event.comment.indexOf('{');
      if (at < 0) continue;
      const state = JSON.parse(event.comment.slice(at));
      if (state.phase === 'prefill') on.progress(state.done, state.total);
      continue;
    }
    if (event.data === '[DONE]') {
      whole = true;
      continue;
    }
    const chunk: Chunk = JSON.parse(event.data!);
    if (chunk.error) throw new ServerError(500, chunk.error.message);
    const choice = chunk.choices?.[0];
    if (!choice) continue;
    if (choice.delta.reasoning_content) on.reasoning(choice.delta.reasoning_content);
    if (choice.delta.content) on.content(choice.delta.content);
    for (const call of choice.delta.tool_calls ?? []) on.call(call);
    if (choice.token_ids?.length) on.ids(choice.token_ids);
    if (choice.finish_reason)
      on.end({
        finish: choice.finish_reason,
        model: chunk.model,
        usage: chunk.usage,
        cost: chunk.cost,
        fathom: chunk.fathom,
      });
  }
  if (!whole) throw new ServerError(0, 'The connection ended before the answer did.');
}

export interface InsideToken {
  id: number;
  text: string;
}
export interface InsideTokens {
  model: string;
  prompt_tokens: number;
  tokens: InsideToken[];
}
export interface InsideEntry {
  id: number;
  from: number;
  to: number;
  weight: number;
  score?: number;
}
export interface InsideLayer {
  layer: number;
  kind: 'swa' | 'csa' | 'hca';
  ratio: number;
  hash_routing: boolean;
  experts: { id: number; weight: number }[];
  sink: number;
  window: { from: number; weights: number[] };
  entries_visible: number;
  entries: InsideEntry[];
}
export interface InsideView {
  model: string;
  position: number;
  token: InsideToken;
  experts_total: number;
  layers: InsideLayer[];
}

type InsideBody = ChatBody & { answer_ids: number[] };
export const insideTokens = async (body: InsideBody, signal?: AbortSignal): Promise<InsideTokens> =>
  (await ask('/inside', body, signal)).json();
export const insideView = async (body: InsideBody, position: number, signal?: AbortSignal): Promise<InsideView> =>
  (await ask('/inside', { ...body, position }, signal)).json();
