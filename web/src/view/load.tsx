// Load and batch of the server, as its metrics tell them once a second.
import { useEffect, useState } from 'preact/hooks';
import { getMetrics } from '../api';
import { bytes, count, money } from '../format';
import { type Load, loadOf, parseMetrics } from '../metrics';
import { Panel } from './panel';

const kKept = 120; // samples: two minutes

function Line({ values, label }: { values: number[]; label: string }) {
  const width = 240;
  const height = 48;
  const top = Math.max(1, ...values);
  const step = width / (kKept - 1);
  const points = values
    .map((value, i) => `${(width - (values.length - 1 - i) * step).toFixed(1)},${(height - 2 - (value / top) * (height - 6)).toFixed(1)}`)
    .join(' ');
  return (
    <svg class="line" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
      <polyline points={points} />
    </svg>
  );
}

function Tile({ name, value, values }: { name: string; value: string; values?: number[] }) {
  return (
    <div class="tile">
      <span class="hint">{name}</span>
      <strong>{value}</strong>
      {values && <Line values={values} label={`${name} over the last two minutes`} />}
    </div>
  );
}

/** A counter's growth per second between samples. */
function rates(loads: Load[], of: (load: Load) => number): number[] {
  return loads.slice(1).map((load, i) => Math.max(0, ((of(load) - of(loads[i])) * 1000) / (load.at - loads[i].at)));
}

export function LoadPanel({ close }: { close: () => void }) {
  const [loads, set] = useState<Load[]>([]);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let ended = false;
    const look = async () => {
      try {
        const text = await getMetrics();
        if (ended) return;
        set((before) => [...before, loadOf(parseMetrics(text), performance.now())].slice(-kKept));
        setProblem('');
      } catch (error) {
        if (!ended) setProblem((error as Error).message);
      }
    };
    void look();
    const timer = setInterval(() => void look(), 1000);
    return () => {
      ended = true;
      clearInterval(timer);
    };
  }, []);
  const now = loads.at(-1);
  const steps = rates(loads, (load) => load.steps);
  const answers = rates(loads, (load) => load.answerTokens);
  return (
    <Panel title="Load" close={close}>
      {problem && <p class="problem">{problem}</p>}
      {now && (
        <div class="tiles">
          <Tile name="Answers in the batch" value={count(now.batch)} values={loads.map((load) => load.batch)} />
          <Tile name="Waiting" value={count(now.queued)} values={loads.map((load) => load.queued)} />
          <Tile name="Steps a second" value={count(Math.round(steps.at(-1) ?? 0))} values={steps} />
          <Tile name="Tokens of finished answers, a second" value={count(Math.round(answers.at(-1) ?? 0))} values={answers} />
          <Tile name="State of running answers" value={bytes(now.kvBytes)} values={loads.map((load) => load.kvBytes)} />
          <Tile name="Cached states" value={bytes(now.cacheBytes)} />
          <Tile name="Memory of the server" value={bytes(now.memoryBytes)} />
          <Tile name="Requests since the start" value={count(now.requests)} />
          <Tile
            name="Prompt tokens (from the cache)"
            value={`${count(now.promptTokens)} (${count(now.hitTokens)})`}
          />
          <Tile name="Answer tokens" value={count(now.answerTokens)} />
          <Tile name="Price of all answers" value={money(now.cost, now.currency)} />
        </div>
      )}
    </Panel>
  );
}
