// What the page keeps and what the server sends.

export type Mode = 'off' | 'high' | 'max';

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

export interface AttachedFile {
  name: string;
  text: string;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_cache_hit_tokens?: number;
  completion_tokens_details?: { reasoning_tokens: number };
}

export interface Cost {
  currency: string;
  total: number;
  seconds: number;
}

export interface FathomNote {
  seed?: number;
  decode_ms?: number;
  prefill_ms?: number;
  queue_ms?: number;
  thinking_ended_by?: string;
  stop_detail?: string;
}

/** One turn. Turns form a tree: an edit or a new try is a sibling of what it replaces. */
export interface Turn {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant' | 'tool';
  created: number;
  content: string;
  files?: AttachedFile[]; // user
  results?: { id: string; content: string }[]; // tool
  // assistant
  reasoning?: string;
  calls?: ToolCall[];
  status?: 'running' | 'done' | 'stopped' | 'failed';
  error?: string;
  finish?: string;
  mode?: Mode;
  model?: string;
  usage?: Usage;
  cost?: Cost;
  note?: FathomNote;
  ids?: number[]; // its tokens
  asked?: { system: string; tools: string }; // the settings that its prompt was made with
  thinkingMs?: number;
  firstMs?: number;
  totalMs?: number;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  turns: Record<string, Turn>;
  /** Which child of a turn (or of the start, '') is shown. */
  shown: Record<string, string>;
}

export interface Settings {
  model: string;
  mode: Mode;
  system: string;
  tools: string;
  maxTokens: string;
  temperature: string;
  seed: string;
  theme: 'auto' | 'light' | 'dark';
}

export interface ModelInfo {
  id: string;
  context_window: number;
  max_output_tokens: number;
  effort?: { supported_levels: string[] };
  prompt_encoding?: string;
  numerics?: string;
  target?: string;
}
