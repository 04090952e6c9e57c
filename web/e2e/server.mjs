// Starts `fathom serve` on a free port and ends it.
import { spawn } from 'node:child_process';
import readline from 'node:readline';

export async function serve(fathom, ...options) {
  const child = spawn(fathom, ['serve', '--port', '0', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = new Promise((resolve, reject) => {
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /^ready (http:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
    child.on('exit', (code) => reject(new Error(`serve ended with ${code} before it was ready`)));
    setTimeout(() => reject(new Error('serve was not ready within a minute')), 60_000).unref();
  });
  const url = await ready;
  return {
    url,
    pid: child.pid,
    async end() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    },
  };
}
