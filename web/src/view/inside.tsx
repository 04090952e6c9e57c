// What one token did inside the model: experts, the window, compressed entries.
import { useEffect, useRef, useState } from 'preact/hooks';
import { insideTokens, type InsideTokens, insideView, type InsideLayer, type InsideView } from '../api';
import type { App } from '../app';
import { count, percent } from '../format';
import type { Turn } from '../types';
import { Panel } from './panel';

const kKinds = { swa: 'window only (SWA)', csa: 'compressed sparse (CSA)', hca: 'heavily compressed (HCA)' };

const shown = (text: string): string => text.replace(/\n/g, '↵').replace(/ /g, '·') || '∅';

/** The tokens of the answer and of the end of its prompt; arrow keys move, Enter chooses. */
function Tokens(props: { tokens: InsideTokens; chosen: number; choose: (position: number) => void }) {
  const { tokens, prompt_tokens } = props.tokens;
  const list = useRef<HTMLDivElement>(null);
  const [before, showBefore] = useState(false);
  const first = before ? 0 : Math.max(0, prompt_tokens - 8);
  const press = (event: KeyboardEvent) => {
    const buttons = [...list.current!.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  };
  return (
    <>
      {first > 0 && (
        <button type="button" onClick={() => showBefore(true)}>
          Show the {count(first)} tokens before
        </button>
      )}
      <div class="tokens" ref={list} role="group" aria-label="Tokens" onKeyDown={press}>
        {tokens.slice(first).map((token, i) => {
          const position = first + i;
          return (
            <button
              type="button"
              key={position}
              class={position < prompt_tokens ? 'of-prompt' : ''}
              aria-pressed={position === props.chosen}
              tabIndex={position === props.chosen ? 0 : -1}
              title={`position ${position}, id ${token.id}`}
              onClick={() => props.choose(position)}
            >
              {shown(token.text)}
            </button>
          );
        })}
      </div>
    </>
  );
}

function Experts({ layer, total }: { layer: InsideLayer; total: number }) {
  const columns = total <= 64 ? 16 : 32;
  const rows = Math.ceil(total / columns);
  const most = Math.max(...layer.experts.map((expert) => expert.weight));
  const label = layer.experts.map((expert) => `expert ${expert.id}: ${expert.weight.toFixed(3)}`).join(', ');
  return (
    <figure class="experts">
      <svg viewBox={`0 0 ${columns * 10} ${rows * 10}`} role="img" aria-label={`Experts of ${total}: ${label}`}>
        {Array.from({ length: total }, (_, id) => (
          <rect key={id} class="cell" x={(id % columns) * 10 + 1} y={Math.floor(id / columns) * 10 + 1} width="8" height="8" rx="1.5" />
        ))}
        {layer.experts.map(({ id, weight }) => (
          <rect
            key={`on ${id}`}
            class="on"
            x={(id % columns) * 10 + 1}
            y={Math.floor(id / columns) * 10 + 1}
            width="8"
            height="8"
            rx="1.5"
            fill-opacity={0.35 + (0.65 * weight) / most}
          />
        ))}
      </svg>
      <figcaption>
        {layer.experts.map(({ id, weight }) => `${id} (${weight.toFixed(2)})`).join(', ')}
        {layer.hash_routing ? ', by the token’s id' : ''}
      </figcaption>
    </figure>
  );
}

/** Where the attention lies: over the text from left to right, entries above, the window below. */
function Attention({ layer, position }: { layer: InsideLayer; position: number }) {
  const width = 600;
  const x = (token: number) => (token / (position + 1)) * width;
  const inWindow = layer.window.weights.reduce((sum, weight) => sum + weight, 0);
  const inEntries = layer.entries.reduce((sum, entry) => sum + entry.weight, 0);
  const most = Math.max(1e-9, ...layer.entries.map((entry) => entry.weight));
  const mostWindow = Math.max(1e-9, ...layer.window.weights);
  const label =
    `window ${percent(inWindow)}, ` + (layer.kind === 'swa' ? '' : `entries ${percent(inEntries)}, `) +
    `nothing (sink) ${percent(layer.sink)}`;
  // An entry of CSA overlaps the one before it: only the second half of its span is its own.
  const own = (entry: { from: number; to: number }) => Math.max(entry.from, entry.to - layer.ratio + 1);
  return (
    <figure class="attention">
      <svg viewBox={`0 0 ${width} 76`} role="img" aria-label={`Attention: ${label}`} preserveAspectRatio="none">
        <line class="axis" x1="0" x2={width} y1="36" y2="36" />
        <line class="axis" x1="0" x2={width} y1="75" y2="75" />
        {layer.entries.map((entry) => (
          <g key={entry.id}>
            <rect class="read" x={x(own(entry))} y="0" width={Math.max(0.8, x(entry.to + 1) - x(own(entry)))} height="36" />
            <rect
              class="entry"
              x={x(own(entry))}
              y={36 - 34 * (entry.weight / most)}
              width={Math.max(0.8, x(entry.to + 1) - x(own(entry)) - 0.2)}
              height={34 * (entry.weight / most)}
            />
          </g>
        ))}
        {layer.window.weights.map((weight, i) => (
          <rect
            key={i}
            class="raw"
            x={x(layer.window.from + i)}
            y={75 - 34 * (weight / mostWindow)}
            width={Math.max(0.8, x(1) - 0.2)}
            height={34 * (weight / mostWindow)}
          />
        ))}
      </svg>
      <figcaption>
        {label}
        {layer.kind === 'csa' && `; read ${count(layer.entries.length)} of ${count(layer.entries_visible)} entries`}
        {layer.kind === 'hca' && `; all ${count(layer.entries_visible)} entries`}
      </figcaption>
    </figure>
  );
}

function EntryTable({ layer, text }: { layer: InsideLayer; text: (from: number, to: number) => string }) {
  const heaviest = [...layer.entries].sort((a, b) => b.weight - a.weight).slice(0, 50);
  const scored = heaviest.some((entry) => entry.score !== undefined);
  if (!heaviest.length) return null;
  return (
    <details>
      <summary>Entries by weight</summary>
      <div class="table-frame" tabIndex={0} role="group" aria-label={`Entries of layer ${layer.layer}`}>
        <table>
          <thead>
            <tr>
              <th>Entry</th>
              <th>Tokens</th>
              <th class="align-right">Weight</th>
              {scored && <th class="align-right">Indexer’s score</th>}
              <th>Text</th>
            </tr>
          </thead>
          <tbody>
            {heaviest.map((entry) => (
              <tr key={entry.id}>
                <td>{entry.id}</td>
                <td>
                  {entry.from}–{entry.to}
                </td>
                <td class="align-right">{percent(entry.weight)}</td>
                {scored && <td class="align-right">{entry.score?.toFixed(3)}</td>}
                <td class="mono">{shown(text(entry.from, entry.to))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function InsidePanel({ app, turn, close }: { app: App; turn: Turn; close: () => void }) {
  const [tokens, setTokens] = useState<InsideTokens | null>(null);
  const [chosen, choose] = useState(-1);
  const [view, setView] = useState<InsideView | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const control = new AbortController();
    insideTokens(app.insideBody(turn), control.signal).then(
      (found) => {
        setTokens(found);
        choose(found.tokens.length - 1);
      },
      (error) => !control.signal.aborted && setProblem((error as Error).message),
    );
    return () => control.abort();
  }, [turn]);
  useEffect(() => {
    if (chosen < 0) return;
    const control = new AbortController();
    insideView(app.insideBody(turn), chosen, control.signal).then(
      (found) => {
        setView(found);
        setProblem('');
      },
      (error) => !control.signal.aborted && setProblem((error as Error).message),
    );
    return () => control.abort();
  }, [turn, chosen]);
  const text = (from: number, to: number) =>
    tokens?.tokens.slice(from, to + 1).map((token) => token.text).join('') ?? '';
  return (
    <Panel title="Inside" wide close={close}>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <p class="hint">
        Choose a token: what the model did when it read it, on the way to the next one. Arrow keys move, Enter chooses.
      </p>
      {tokens && <Tokens tokens={tokens} chosen={chosen} choose={choose} />}
      {view && (
        <section aria-label="Layers" aria-busy={view.position !== chosen}>
          <h3 aria-live="polite">
            Position {count(view.position)}: <span class="mono">{shown(view.token.text)}</span>
          </h3>
          <p class="hint">
            Left to right the text up to this token. Upper half: entries that were read (shaded) and their weights; lower
            half: the last tokens themselves. Weights are means over the heads.
          </p>
          {view.layers.map((layer) => (
            <div class="layer" key={layer.layer}>
              <h4>
                Layer {layer.layer} <span class="hint">{kKinds[layer.kind]}</span>
              </h4>
              <div class="layer-views">
                <Experts layer={layer} total={view.experts_total} />
                <Attention layer={layer} position={view.position} />
              </div>
              <EntryTable layer={layer} text={text} />
            </div>
          ))}
        </section>
      )}
    </Panel>
  );
}
