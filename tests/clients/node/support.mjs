// What the client checks have in common: servers on free ports, and checks that are counted.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts `fathom serve` and returns {url, stop}. Fails after a minute. */
export async function startServer(binary, args = []) {
  const child = spawn(binary, ['serve', '--port', '0', '--drain-seconds', '2', '--log', 'none', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no ready line within a minute')), 60_000);
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      const ready = /ready (http:\/\/\S+)/.exec(text);
      if (ready) {
        clearTimeout(timer);
        resolve(ready[1]);
      }
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const stop = () =>
    new Promise((resolve) => {
      child.removeAllListeners('exit');
      child.on('exit', (code) => resolve(code));
      child.kill('SIGTERM');
    });
  return { url, stop };
}

/**
 * A server that asks for keys: `free` has no limits, `once` one request a minute, `poor` no money, `none` no model.
 */
export async function startKeyedServer(binary) {
  const folder = mkdtempSync(join(tmpdir(), 'fathom-clients-'));
  const file = join(folder, 'keys.toml');
  const add = (...args) => {
    const text = execFileSync(
      binary, ['keys', file, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.trim().split(/\s+/).at(-1);
  };
  const keys = {
    free: add('free'),
    once: add('once', '--requests-per-minute', '1'),
    poor: add('poor', '--balance', '0'),
    none: add('none', '--model', 'another'),
  };
  const server = await startServer(binary, ['--keys', file, '--ledger', join(folder, 'ledger.sqlite')]);
  const stop = async () => {
    const code = await server.stop();
    rmSync(folder, { recursive: true });
    return code;
  };
  return { url: server.url, keys, stop };
}

/**
 * A server that has failures to show: one row, a queue of one, two seconds in the queue, six seconds an answer (of v4-10m,
 * whose context is too long to be filled in that time).
 * busy() takes its row, and returns a function that gives it back; queued() waits until somebody waits.
 */
export async function startNarrowServer(binary) {
  const server = await startServer(
    binary, ['-m', 'v4-10m', '--max-rows', '1', '--max-queue', '1', '--queue-seconds', '2', '--max-seconds', '6']);
  const busy = async () => {
    const controller = new AbortController();
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST', signal: controller.signal, headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...endless, stream: true }),
    });
    await response.body.getReader().read();
    while ((await rowsOf(server.url)) === 0);  // the first chunk comes while it still waits
    return () => controller.abort();
  };
  const queued = async () => {
    const text = async () => (await fetch(`${server.url}/metrics`)).text();
    while (!/^fathom_queue_depth\{priority="normal"\} 1/m.test(await text()));
  };
  return { ...server, busy, queued };
}

/** A request whose answer does not end by itself: the end of a turn is never sampled. */
export const endless = {
  model: 'deepseek-v4-flash', thinking: { type: 'disabled' }, max_tokens: 60_000, logit_bias: { 1: -100 },
  temperature: 1.5, messages: [{ role: 'user', content: 'Write a story.' }],
};

/** The requests in the batch of a server. */
export async function rowsOf(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^fathom_batch_rows (\d+)/m.exec(text)[1]);
}
/** Fails if rows are left after a second or so. */
export async function expectNoRows(url) {
  for (let i = 0; i < 60 && (await rowsOf(url)) > 0; ++i) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.equal(await rowsOf(url), 0);
}

let passed = 0;
let failed = 0;
export async function check(name, work) {
  let timer;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took more than 60 s')), 60_000);
    });
    await Promise.race([work(), late]);
    ++passed;
  } catch (error) {
    ++failed;
    console.log(`failed: ${name}: ${error.stack ?? error}`);
  } finally {
    clearTimeout(timer);
  }
}
export function summary() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
export { assert };
