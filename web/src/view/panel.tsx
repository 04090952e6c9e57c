// A panel over the page: the browser's own dialog, so that focus stays in it and Escape closes it.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export function Panel(props: { title: string; wide?: boolean; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current!.showModal();
    return () => before?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={props.wide ? 'panel wide' : 'panel'}
      aria-labelledby="panel-title"
      onClose={props.close}
      onClick={(event) => {
        if (event.target === dialog.current) props.close();
      }}
    >
      <div class="panel-head">
        <h2 id="panel-title">{props.title}</h2>
        <button type="button" class="icon" aria-label="Close" onClick={props.close}>
          ✕
        </button>
      </div>
      <div class="panel-body">{props.children}</div>
    </dialog>
  );
}
