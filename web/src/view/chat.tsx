// The shown path of the conversation.
import { useEffect, useRef } from 'preact/hooks';
import type { App } from '../app';
import { TurnView } from './turn';

export function ChatView({ app }: { app: App }) {
  const place = useRef<HTMLDivElement>(null);
  const follow = useRef(true);
  const path = app.path();
  useEffect(() => {
    follow.current = true;
  }, [app.current, path.length]);
  useEffect(() => {
    if (follow.current) place.current!.scrollTop = place.current!.scrollHeight;
  });
  return (
    <div
      class="turns"
      ref={place}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Conversation"
      onScroll={(event) => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        follow.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {path.length === 0 && (
        <div class="welcome">
          <p class="large">{app.model ? app.model.id : 'fathom'}</p>
          <p>
            Runs on this machine. Enter sends, Shift+Enter starts a new line, Escape stops an answer, Ctrl+K searches,
            Alt+N begins a new conversation.
          </p>
        </div>
      )}
      {path.map((turn) => (
        <TurnView key={turn.id} app={app} turn={turn} />
      ))}
    </div>
  );
}
