// The input: text, files, mode, context meter, send and stop.
import { useState } from 'preact/hooks';
import type { App } from '../app';
import { count } from '../format';
import type { Mode } from '../types';

const kModes: [Mode, string, string][] = [
  ['off', 'Non-think', 'answers at once'],
  ['high', 'High', 'thinks first'],
  ['max', 'Max', 'thinks as long as it takes'],
];

function KeyForm({ app }: { app: App }) {
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('key') as HTMLInputElement;
        void app.useKey(field.value);
      }}
    >
      <input name="key" type="password" aria-label="API key" autocomplete="off" placeholder="API key" />
      <button type="submit">Use this key</button>
    </form>
  );
}

function Meter({ app }: { app: App }) {
  const { used } = app;
  if (!used) return null;
  const text = `${count(used.count)} of ${count(used.of)} tokens`;
  return (
    <span class="meter" title="Context">
      <meter min={0} max={used.of} value={used.count} high={used.of * 0.9} aria-label="Context used" />
      <span>{text}</span>
    </span>
  );
}

export function Composer({ app }: { app: App }) {
  const [over, setOver] = useState(false);
  const { busy } = app;
  const rows = Math.min(12, Math.max(2, app.draft.split('\n').length));
  return (
    <form
      class={`composer${over ? ' over' : ''}`}
      aria-label="Your message"
      onSubmit={(event) => {
        event.preventDefault();
        app.send();
      }}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void app.addFiles(event.dataTransfer?.files ?? []);
      }}
    >
      {app.problem && (
        <p class="problem" role="alert">
          {app.problem}{' '}
          {!app.props && !app.keyWanted && (
            <button type="button" onClick={() => void app.connect()}>
              Try again
            </button>
          )}
        </p>
      )}
      {app.keyWanted && <KeyForm app={app} />}
      {app.files.length > 0 && (
        <ul class="chips" aria-label="Files">
          {app.files.map((file, i) => (
            <li key={`${i} ${file.name}`}>
              {file.name}
              <button type="button" class="icon" aria-label={`Remove ${file.name}`} onClick={() => app.removeFile(i)}>
                ✕
              </button>
            </li>
          ))}
        </ul>
      )}
      <textarea
        id="draft"
        aria-label="Message"
        placeholder="Ask something, or drop text files here"
        rows={rows}
        value={app.draft}
        onInput={(event) => app.setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            app.send();
          }
        }}
        onPaste={(event) => {
          const files = event.clipboardData?.files;
          if (files?.length) {
            event.preventDefault();
            void app.addFiles(files);
          }
        }}
      />
      <div class="row">
        <fieldset class="modes">
          <legend class="unseen">Mode</legend>
          {kModes.map(([mode, name, what]) => (
            <label key={mode} title={what}>
              <input
                type="radio"
                name="mode"
                value={mode}
                checked={app.settings.mode === mode}
                onChange={() => app.set({ mode })}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <label class="button">
          <input
            type="file"
            multiple
            class="unseen"
            onChange={(event) => {
              void app.addFiles(event.currentTarget.files ?? []);
              event.currentTarget.value = '';
            }}
          />
          Add files
        </label>
        <Meter app={app} />
        <span class="spacer" />
        {busy ? (
          <button type="button" class="primary" onClick={() => app.stop()}>
            Stop
          </button>
        ) : (
          <button type="submit" class="primary" disabled={!app.props || (!app.draft.trim() && !app.files.length)}>
            Send
          </button>
        )}
      </div>
    </form>
  );
}
