// What the client checks have in common: a server on a free port, and checks that are counted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/** Starts `fathom serve` and returns {url, stop}. Fails after a minute. */
export async function startServer(binary, args = []) {
  const child = spawn(binary, ['serve', '--port', '0', '--drain-seconds', '2', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
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
