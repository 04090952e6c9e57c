// Prometheus' text format, as far as the server writes it.

export type Metrics = Map<string, number>;

/** Samples by name with labels as written: `fathom_tokens_total{kind="answer"}`. */
export function parseMetrics(text: string): Metrics {
  const samples: Metrics = new Map();
  for (const line of text.split('\n')) {
    if (!line || line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    const value = Number(line.slice(end + 1));
    if (end > 0 && !Number.isNaN(value)) samples.set(line.slice(0, end), value);
  }
  return samples;
}

/** The sum of all samples of a name, whatever their labels. */
export function total(samples: Metrics, name: string): number {
  let sum = 0;
  for (const [key, value] of samples) if (key === name || key.startsWith(name + '{')) sum += value;
  return sum;
}

/** The value of a label of the first sample of a name. */
export function label(samples: Metrics, name: string, key: string): string | undefined {
  for (const sample of samples.keys()) {
    if (!sample.startsWith(name + '{')) continue;
    const found = new RegExp(`[{,]${key}="((?:[^"\\\\]|\\\\.)*)"`).exec(sample);
    if (found) return found[1]!.replace(/\\(.)/g, '$1');
  }
  return undefined;
}

export interface Load {
  at: number; // ms
  batch: number;
  queued: number;
  kvBytes: number;
  cacheBytes: number;
  memoryBytes: number;
  answerTokens: number; // since the start
  promptTokens: number;
  hitTokens: number;
  requests: number;
  steps: number;
  cost: number;
  currency: string;
}

export function loadOf(samples: Metrics, at: number): Load {
  const kind = (name: string) => samples.get(`fathom_tokens_total{kind="${name}"}`) ?? 0;
  return {
    at,
    batch: total(samples, 'fathom_batch_rows'),
    queued: total(samples, 'fathom_queue_depth'),
    kvBytes: total(samples, 'fathom_kv_bytes'),
    cacheBytes: total(samples, 'fathom_cache_bytes'),
    memoryBytes: total(samples, 'process_resident_memory_bytes'),
    answerTokens: kind('answer') + kind('reasoning'),
    promptTokens: kind('prompt_miss') + kind('prompt_hit'),
    hitTokens: kind('prompt_hit'),
    requests: total(samples, 'fathom_requests_total'),
    steps: total(samples, 'fathom_steps_total'),
    cost: total(samples, 'fathom_cost_total'),
    currency: label(samples, 'fathom_cost_total', 'currency') ?? 'USD',
  };
}
