// Conversations: new, search, open, rename, delete.
import { useState } from 'preact/hooks';
import type { App } from '../app';
import { matches } from '../tree';
import type { Conversation } from '../types';

const focusOnce = (field: HTMLInputElement | null): void => field?.select();

function Row({ app, conversation }: { app: App; conversation: Conversation }) {
  const [editing, edit] = useState(false);
  const shown = conversation === app.current;
  if (editing)
    return (
      <li>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const field = event.currentTarget.elements.namedItem('title') as HTMLInputElement;
            app.rename(conversation, field.value);
            edit(false);
          }}
        >
          <input
            name="title"
            aria-label="Title"
            defaultValue={conversation.title}
            ref={focusOnce}
            onBlur={(event) => event.currentTarget.form?.requestSubmit()}
          />
        </form>
      </li>
    );
  return (
    <li class={shown ? 'shown' : ''}>
      <button
        type="button"
        class="title"
        aria-current={shown ? 'true' : undefined}
        onClick={() => app.open(conversation)}
      >
        {conversation.title}
        {app.isRunning(conversation) && <span class="dot" aria-label="running" role="img" />}
      </button>
      <button type="button" class="icon" aria-label={`Rename ${conversation.title}`} onClick={() => edit(true)}>
        ✎
      </button>
      <button
        type="button"
        class="icon"
        aria-label={`Delete ${conversation.title}`}
        onClick={() => {
          if (confirm(`Delete “${conversation.title}”?`)) void app.remove(conversation);
        }}
      >
        ✕
      </button>
    </li>
  );
}

export function Sidebar({ app }: { app: App }) {
  const found = app.conversations.filter((conversation) => matches(conversation, app.query));
  return (
    <nav class="sidebar" aria-label="Conversations">
      <div class="brand">
        <span>fathom</span>
        <button
          type="button"
          class="icon narrow-only"
          aria-label="Close the list"
          onClick={() => {
            app.sidebar = false;
            app.changed();
          }}
        >
          ✕
        </button>
      </div>
      <button type="button" class="wide-button" onClick={() => app.fresh()}>
        New conversation
      </button>
      <input
        id="search"
        type="search"
        placeholder="Search (Ctrl+K)"
        aria-label="Search conversations"
        value={app.query}
        onInput={(event) => {
          app.query = event.currentTarget.value;
          app.changed();
        }}
      />
      {found.length > 0 ? (
        <ul>
          {found.map((conversation) => (
            <Row key={conversation.id} app={app} conversation={conversation} />
          ))}
        </ul>
      ) : (
        <p class="hint">{app.query ? 'Nothing found.' : 'Conversations are kept in this browser.'}</p>
      )}
    </nav>
  );
}
