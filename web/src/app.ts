// The page's state and what can be done with it; the components only show it.
import {
  countTokens, getKey, getProps, type Props, ServerError, setKey, streamChat,
} from './api';
import { chatBody, type ChatBody } from './request';
import * as store from './store';
import { addTurn, newConversation, pathTo, showSibling, shownPath, titleOf } from './tree';
import type { AttachedFile, Conversation, ModelInfo, Settings, Turn } from './types';

const kSettings = 'fathom.settings';
const kDefaults: Settings = {
  model: '', mode: 'high', system: '', tools: '', maxTokens: '', temperature: '', seed: '', theme: 'auto',
};
const kLargestFile = 4 << 20;

function loadSettings(): Settings {
  try {
    return { ...kDefaults, ...JSON.parse(localStorage.getItem(kSettings) ?? '{}') };
  } catch {
    return { ...kDefaults };
  }
}

export type Panel = 'settings' | 'load' | 'inside' | null;

export class App {
  conversations: Conversation[] = [];
  current: Conversation = newConversation();
  settings: Settings = loadSettings();
  props: Props | null = null;
  problem = ''; // shown above the input
  keyWanted = false;
  query = '';
  sidebar = false; // on a narrow screen
  panel: Panel = null;
  insideOf: Turn | null = null;
  draft = '';
  files: AttachedFile[] = [];
  used: { count: number; of: number } | null = null;
  progress: { done: number; total: number } | null = null;
  spoken = ''; // for screen readers

  private running = new Map<string, AbortController>(); // by turn
  private listeners = new Set<() => void>();
  private frame = 0;
  private countTimer = 0;
  private counting: AbortController | null = null;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  /** Shows the state; at most once a frame. */
  changed(): void {
    if (this.frame) return;
    // A page in the background draws no frames.
    const later = (work: () => void) => (document.hidden ? window.setTimeout(work, 50) : requestAnimationFrame(work));
    this.frame = later(() => {
      this.frame = 0;
      for (const listener of this.listeners) listener();
    });
  }

  async start(): Promise<void> {
    this.applyTheme();
    try {
      this.conversations = await store.loadAll();
    } catch {
      this.problem = 'Earlier conversations cannot be read from this browser.';
    }
    if (this.conversations.length) this.current = this.conversations[0];
    this.changed();
    await this.connect();
  }

  async connect(): Promise<void> {
    try {
      this.props = await getProps();
      this.keyWanted = false;
      this.problem = '';
      const known = this.props.models.some((model) => model.id === this.settings.model);
      if (!known && this.props.models.length) this.set({ model: this.props.models[0].id });
      this.recount();
    } catch (error) {
      this.fail(error);
    }
    this.changed();
  }
  useKey(key: string): Promise<void> {
    setKey(key.trim());
    return this.connect();
  }
  private fail(error: unknown): void {
    const known = error as ServerError;
    this.keyWanted = known.status === 401;
    this.problem = this.keyWanted
      ? getKey() ? 'The server does not know this key.' : 'This server asks for a key.'
      : known.message;
  }

  set(part: Partial<Settings>): void {
    Object.assign(this.settings, part);
    localStorage.setItem(kSettings, JSON.stringify(this.settings));
    if (part.theme) this.applyTheme();
    this.recount();
    this.changed();
  }
  private applyTheme(): void {
    document.documentElement.dataset.theme = this.settings.theme;
  }
  get model(): ModelInfo | undefined {
    return this.props?.models.find((model) => model.id === this.settings.model);
  }

  path(): Turn[] {
    return shownPath(this.current);
  }
  get busy(): Turn | undefined {
    return this.path().find((turn) => this.running.has(turn.id));
  }
  isRunning(conversation: Conversation): boolean {
    return Object.keys(conversation.turns).some((id) => this.running.has(id));
  }

  fresh(): void {
    this.open(newConversation());
  }
  open(conversation: Conversation): void {
    this.current = conversation;
    this.sidebar = false;
    this.recount();
    this.changed();
  }
  async remove(conversation: Conversation): Promise<void> {
    for (const id of Object.keys(conversation.turns)) this.running.get(id)?.abort();
    this.conversations = this.conversations.filter((one) => one !== conversation);
    if (this.current === conversation) this.fresh();
    this.changed();
    await store.remove(conversation.id);
  }
  rename(conversation: Conversation, title: string): void {
    conversation.title = titleOf(title);
    this.keep(conversation);
  }
  private keep(conversation: Conversation): void {
    if (!this.conversations.includes(conversation)) this.conversations.unshift(conversation);
    store.save(conversation).catch(() => {
      this.problem = 'This conversation cannot be kept in this browser.';
      this.changed();
    });
    this.changed();
  }

  async addFiles(list: Iterable<File>): Promise<void> {
    for (const file of list) {
      if (file.size > kLargestFile) {
        this.problem = `${file.name}: expected at most 4 MiB of text.`;
        continue;
      }
      const text = await file.text();
      if (text.includes('\0') || text.includes('\uFFFD')) {
        this.problem = `${file.name}: expected text in UTF-8.`;
        continue;
      }
      this.files = [...this.files, { name: file.name, text }];
    }
    this.recount();
    this.changed();
  }
  removeFile(at: number): void {
    this.files = this.files.filter((_, i) => i !== at);
    this.recount();
    this.changed();
  }
  setDraft(text: string): void {
    this.draft = text;
    this.recount();
    this.changed();
  }

  /** The request that the draft would make: for the context meter. */
  private draftBody(): ChatBody | null {
    const path = this.path();
    if (this.draft.trim() || this.files.length)
      path.push({ id: '', parent: null, role: 'user', created: 0, content: this.draft, files: this.files });
    if (path.length === 0) return null;
    try {
      return chatBody(path, this.settings);
    } catch {
      return null; // the settings panel shows what is wrong
    }
  }
  /** Asks the server how much of the context is used, a moment after the last change. */
  recount(): void {
    clearTimeout(this.countTimer);
    this.countTimer = window.setTimeout(async () => {
      this.counting?.abort();
      const body = this.draftBody();
      if (!body || !this.props || this.busy) {
        if (!body) this.used = null;
        return this.changed();
      }
      this.counting = new AbortController();
      try {
        const { count, max_model_len } = await countTokens(body, this.counting.signal);
        this.used = { count, of: max_model_len };
      } catch {
        this.used = null;
      }
      this.changed();
    }, 300);
  }

  send(): void {
    const content = this.draft.trim();
    if ((!content && !this.files.length) || this.busy) return;
    const last = this.path().at(-1);
    const conversation = this.current;
    const turn = addTurn(conversation, last?.id ?? null, { role: 'user', content, files: this.files });
    if (!last) conversation.title = titleOf(content || this.files[0].name);
    this.draft = '';
    this.files = [];
    void this.generate(conversation, turn.id);
  }
  /** Another answer beside this one. */
  regenerate(turn: Turn): void {
    if (!this.busy) void this.generate(this.current, turn.parent!);
  }
  /** The question asked differently: a new branch beside the old one. */
  edit(turn: Turn, content: string): void {
    if (this.busy || !content.trim()) return;
    const files = turn.files;
    const branch = addTurn(this.current, turn.parent, { role: 'user', content: content.trim(), files });
    void this.generate(this.current, branch.id);
  }
  answerCalls(turn: Turn, contents: string[]): void {
    if (this.busy) return;
    const results = turn.calls!.map((call, i) => ({ id: call.id, content: contents[i] ?? '' }));
    const added = addTurn(this.current, turn.id, { role: 'tool', content: '', results });
    void this.generate(this.current, added.id);
  }
  showSibling(turn: Turn, step: number): void {
    showSibling(this.current, turn, step);
    this.recount();
    this.keep(this.current);
  }
  stop(): void {
    const turn = this.busy;
    if (turn) this.running.get(turn.id)?.abort();
  }
  inside(turn: Turn): void {
    this.insideOf = turn;
    this.panel = 'inside';
    this.changed();
  }
  /** The request that made a turn, and the ids of its answer. */
  insideBody(turn: Turn): ChatBody & { answer_ids: number[] } {
    const settings = { ...this.settings, ...turn.asked, mode: turn.mode ?? 'off' };
    if (turn.model) settings.model = turn.model;
    return { ...chatBody(pathTo(this.current, turn.parent), settings), answer_ids: turn.ids ?? [] };
  }

  private async generate(conversation: Conversation, parent: string): Promise<void> {
    const { mode, system, tools } = this.settings;
    const asked = { system, tools };
    const turn = addTurn(conversation, parent, { role: 'assistant', content: '', status: 'running', mode, asked });
    const control = new AbortController();
    this.running.set(turn.id, control);
    this.problem = '';
    this.spoken = mode === 'off' ? 'Answering' : 'Thinking';
    this.keep(conversation);
    const began = performance.now();
    const since = () => Math.round(performance.now() - began);
    const first = () => {
      turn.firstMs ??= since();
      this.progress = null;
    };
    try {
      await streamChat(chatBody(pathTo(conversation, parent), this.settings), control.signal, {
        reasoning: (text) => {
          first();
          turn.reasoning = (turn.reasoning ?? '') + text;
          turn.thinkingMs = since();
          this.changed();
        },
        content: (text) => {
          first();
          turn.content += text;
          this.changed();
        },
        call: (delta) => {
          first();
          turn.calls ??= [];
          turn.calls[delta.index] ??= { id: delta.id ?? '', name: delta.function?.name ?? '', arguments: '' };
          turn.calls[delta.index].arguments += delta.function?.arguments ?? '';
          this.changed();
        },
        ids: (tokens) => {
          (turn.ids ??= []).push(...tokens);
        },
        progress: (done, total) => {
          this.progress = { done, total };
          this.changed();
        },
        end: (last) => {
          turn.finish = last.finish;
          turn.model = last.model;
          turn.usage = last.usage;
          turn.cost = last.cost;
          turn.note = last.fathom;
        },
      });
      turn.status = 'done';
      this.spoken = turn.calls?.length ? 'The model calls a tool' : 'The answer is complete';
    } catch (error) {
      const stopped = (error as Error).name === 'AbortError';
      turn.status = stopped ? 'stopped' : 'failed';
      this.spoken = stopped ? 'Stopped' : 'The answer failed';
      if (!stopped) {
        turn.error = (error as Error).message;
        if ((error as ServerError).status === 401) this.fail(error);
      }
    }
    turn.totalMs = since();
    this.running.delete(turn.id);
    this.progress = null;
    conversation.updated = Date.now();
    this.keep(conversation);
    if (conversation === this.current) this.recount();
  }
}
