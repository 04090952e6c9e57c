// The whole page: conversations at the side, the shown one, and the panels over it.
import { useEffect, useReducer } from 'preact/hooks';
import type { App } from '../app';
import { ChatView } from './chat';
import { Composer } from './composer';
import { InsidePanel } from './inside';
import { LoadPanel } from './load';
import { SettingsPanel } from './settings';
import { Sidebar } from './sidebar';

export function PageView({ app }: { app: App }) {
  const [, again] = useReducer((n: number, _: void) => n + 1, 0);
  useEffect(() => app.subscribe(() => again()), [app]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (document.querySelector('dialog[open]')) return;
      if (event.key === 'Escape' && app.busy) app.stop();
      else if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
        event.preventDefault();
        app.sidebar = true;
        app.changed();
        requestAnimationFrame(() => document.getElementById('search')?.focus());
      } else if (event.altKey && event.key === 'n') {
        event.preventDefault();
        app.fresh();
        document.getElementById('draft')?.focus();
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [app]);
  const close = () => {
    app.panel = null;
    app.changed();
  };
  const open = (panel: 'settings' | 'load') => {
    app.panel = panel;
    app.changed();
  };
  return (
    <div class={`frame${app.sidebar ? ' with-sidebar' : ''}`}>
      <a class="skip" href="#draft">
        Skip to the input
      </a>
      <Sidebar app={app} />
      <div class="main">
        <header class="top">
          <button
            type="button"
            class="icon narrow-only"
            aria-label="Conversations"
            aria-expanded={app.sidebar}
            onClick={() => {
              app.sidebar = !app.sidebar;
              app.changed();
            }}
          >
            ☰
          </button>
          <h1>{app.current.title}</h1>
          <span class="spacer" />
          <button type="button" onClick={() => open('load')}>
            Load
          </button>
          <button type="button" onClick={() => open('settings')}>
            Settings
          </button>
        </header>
        <main>
          <ChatView app={app} />
        </main>
        <Composer app={app} />
        <div class="unseen" role="status">
          {app.spoken}
        </div>
      </div>
      {app.panel === 'settings' && <SettingsPanel app={app} close={close} />}
      {app.panel === 'load' && <LoadPanel close={close} />}
      {app.panel === 'inside' && app.insideOf && <InsidePanel app={app} turn={app.insideOf} close={close} />}
    </div>
  );
}
