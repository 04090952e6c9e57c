// Calls of an answer, and fields for what they returned.
import { useState } from 'preact/hooks';
import type { App } from '../app';
import { children } from '../tree';
import type { Turn } from '../types';

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // still being written, or cut
  }
}

export function ToolCalls({ app, turn }: { app: App; turn: Turn }) {
  const [contents, set] = useState<string[]>([]);
  const calls = turn.calls ?? [];
  const open = turn.status !== 'running' && children(app.current, turn.id).length === 0;
  return (
    <form
      class="calls"
      aria-label="Tool calls"
      onSubmit={(event) => {
        event.preventDefault();
        app.answerCalls(turn, contents);
      }}
    >
      {calls.map((call, i) => (
        <div class="call" key={call.id}>
          <div class="call-head">
            <strong>{call.name}</strong> <span class="hint">{call.id}</span>
          </div>
          <pre tabIndex={0} aria-label={`Arguments of ${call.name}`}>
            {pretty(call.arguments)}
          </pre>
          {open && (
            <label>
              Result of {call.name}
              <textarea
                rows={2}
                value={contents[i] ?? ''}
                onInput={(event) => {
                  const next = [...contents];
                  next[i] = event.currentTarget.value;
                  set(next);
                }}
              />
            </label>
          )}
        </div>
      ))}
      {open && (
        <button type="submit" class="primary" disabled={!!app.busy}>
          Send {calls.length === 1 ? 'the result' : 'the results'}
        </button>
      )}
    </form>
  );
}
