// One turn: a question, an answer with its thinking, calls and figures, or the results of calls.
import { useState } from 'preact/hooks';
import type { App } from '../app';
import { count, money, seconds } from '../format';
import { siblings } from '../tree';
import type { Turn } from '../types';
import { Markdown } from './markdown';
import { ToolCalls } from './tools';

function Branches({ app, turn }: { app: App; turn: Turn }) {
  const { list, index } = siblings(app.current, turn);
  if (list.length < 2) return null;
  const step = (by: number, label: string, sign: string) => (
    <button
      type="button"
      class="icon"
      aria-label={label}
      disabled={!list[index + by] || !!app.busy}
      onClick={() => app.showSibling(turn, by)}
    >
      {sign}
    </button>
  );
  return (
    <span class="branches" role="group" aria-label="Branches">
      {step(-1, 'Previous branch', '‹')}
      <span>
        {index + 1} / {list.length}
      </span>
      {step(1, 'Next branch', '›')}
    </span>
  );
}

function Copy({ text }: { text: string }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    set(true);
    setTimeout(() => set(false), 1500);
  };
  return (
    <button type="button" onClick={copy}>
      {done ? 'Copied' : 'Copy'}
    </button>
  );
}

// Only when the field appears: a callback that stays the same is not called again.
const focusOnce = (field: HTMLTextAreaElement | null): void => field?.focus();

function Question({ app, turn }: { app: App; turn: Turn }) {
  const [text, setText] = useState<string | null>(null);
  const save = () => {
    app.edit(turn, text ?? '');
    setText(null);
  };
  return (
    <article class="turn question" aria-label="You">
      {turn.files?.map((file) => (
        <details class="file" key={file.name}>
          <summary>
            {file.name} <span class="hint">{count(file.text.length)} characters</span>
          </summary>
          <pre tabIndex={0}>{file.text}</pre>
        </details>
      ))}
      {text === null ? (
        <div class="said">{turn.content}</div>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <textarea
            aria-label="Edited question"
            value={text}
            rows={Math.min(12, text.split('\n').length + 1)}
            ref={focusOnce}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') setText(null);
              if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
                event.preventDefault();
                save();
              }
            }}
          />
          <div class="row">
            <button type="submit" class="primary">
              Send as a new branch
            </button>
            <button type="button" onClick={() => setText(null)}>
              Cancel
            </button>
          </div>
        </form>
      )}
      <div class="actions">
        <Branches app={app} turn={turn} />
        {text === null && (
          <button type="button" disabled={!!app.busy} onClick={() => setText(turn.content)}>
            Edit
          </button>
        )}
        <Copy text={turn.content} />
      </div>
    </article>
  );
}

function Thinking({ turn, running }: { turn: Turn; running: boolean }) {
  if (!turn.reasoning) return null;
  const tokens = turn.usage?.completion_tokens_details?.reasoning_tokens;
  const still = running && !turn.content && !turn.calls?.length;
  const facts = [turn.thinkingMs !== undefined && seconds(turn.thinkingMs), tokens && `${count(tokens)} tokens`];
  return (
    <details class="thinking">
      <summary>
        {still ? 'Thinking' : 'Thought'} <span class="hint">{facts.filter(Boolean).join(' · ')}</span>
      </summary>
      <Markdown text={turn.reasoning} />
    </details>
  );
}

const kFinish: Record<string, string> = {
  length: 'The answer reached its greatest length.',
  insufficient_system_resource: 'The server had to end this answer.',
};

function Figures({ turn }: { turn: Turn }) {
  const { usage, cost, note } = turn;
  const facts: string[] = [];
  if (usage) {
    facts.push(`${count(usage.prompt_tokens)} in`);
    if (usage.prompt_cache_hit_tokens) facts.push(`${count(usage.prompt_cache_hit_tokens)} of them cached`);
    facts.push(`${count(usage.completion_tokens)} out`);
    if (note?.decode_ms) facts.push(`${((usage.completion_tokens * 1000) / note.decode_ms).toFixed(1)} tokens/s`);
  }
  if (turn.firstMs !== undefined) facts.push(`first after ${seconds(turn.firstMs)}`);
  if (turn.totalMs !== undefined) facts.push(`${seconds(turn.totalMs)} in all`);
  if (cost) facts.push(money(cost.total, cost.currency));
  return facts.length ? <p class="figures">{facts.join(' · ')}</p> : null;
}

function AnswerView({ app, turn }: { app: App; turn: Turn }) {
  const running = turn.status === 'running';
  const waiting = running && !turn.content && !turn.reasoning && !turn.calls?.length;
  const read = app.progress;
  return (
    <article class="turn answer" aria-label="Answer" aria-busy={running}>
      <Thinking turn={turn} running={running} />
      {turn.content && <Markdown text={turn.content} />}
      {turn.calls && <ToolCalls app={app} turn={turn} />}
      {waiting && (
        <p class="hint waiting">
          {read ? `Reading the prompt: ${count(read.done)} of ${count(read.total)} tokens` : 'Waiting'}
        </p>
      )}
      {turn.status === 'failed' && <p class="problem">{turn.error}</p>}
      {turn.status === 'stopped' && <p class="hint">Stopped.</p>}
      {turn.finish && kFinish[turn.finish] && (
        <p class="hint">
          {kFinish[turn.finish]} {turn.note?.stop_detail && `(${turn.note.stop_detail.replace('_', ' ')})`}
        </p>
      )}
      {!running && <Figures turn={turn} />}
      {!running && (
        <div class="actions">
          <Branches app={app} turn={turn} />
          <button type="button" disabled={!!app.busy} onClick={() => app.regenerate(turn)}>
            Regenerate
          </button>
          <Copy text={turn.content} />
          {turn.ids && turn.ids.length > 0 && (
            <button type="button" onClick={() => app.inside(turn)}>
              Inside
            </button>
          )}
        </div>
      )}
    </article>
  );
}

export function TurnView({ app, turn }: { app: App; turn: Turn }) {
  if (turn.role === 'user') return <Question app={app} turn={turn} />;
  if (turn.role === 'assistant') return <AnswerView app={app} turn={turn} />;
  return (
    <article class="turn results" aria-label="Tool results">
      {turn.results?.map((result) => (
        <details class="file" key={result.id}>
          <summary>
            Result <span class="hint">{result.id}</span>
          </summary>
          <pre tabIndex={0}>{result.content}</pre>
        </details>
      ))}
      <div class="actions">
        <Branches app={app} turn={turn} />
      </div>
    </article>
  );
}
