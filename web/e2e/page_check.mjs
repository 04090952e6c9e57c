// The page in headless Chromium against the real server: every view and everything that can be done.
// usage: page_check.mjs FATHOM CHROMIUM [FOLDER of screenshots]
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { answerOnce, callsAnswer, kHostile, kMarkdown, textAnswer } from './scripted.mjs';
import { serve } from './server.mjs';

const axe = createRequire(import.meta.url)('axe-core');
const [fathom, executablePath, pictures] = process.argv.slice(2);
const server = await serve(fathom, '--log', 'none', '-m', 'v4-10m');
// No name but the server's leads anywhere: the page works without a network.
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
context.setDefaultTimeout(60_000);
const page = await context.newPage();
const errors = [], asked = new Set();
page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
page.on('pageerror', (error) => errors.push(String(error)));
page.on('request', (request) => asked.add(new URL(request.url()).origin));

const button = (name) => page.getByRole('button', { name, exact: true });
const draft = page.getByRole('textbox', { name: 'Message', exact: true });
const answers = page.getByRole('article', { name: 'Answer' });
const questions = page.getByRole('article', { name: 'You' });
const conversations = page.getByRole('navigation', { name: 'Conversations' }).getByRole('listitem');
const figures = (article) => article.locator('.figures');
const choose = (mode) => page.getByText(mode, { exact: true }).click();
/** The last answer is complete. */
const done = async (count) => {
  await page.waitForFunction(
    (wanted) => {
      const all = document.querySelectorAll('article.answer');
      return all.length >= wanted && all[all.length - 1].querySelector('.figures');
    },
    count,
  );
  await button('Send').waitFor();
};
const ask = async (text) => {
  const before = await answers.count();
  await draft.fill(text);
  await page.keyboard.press('Enter');
  await done(before + 1);
};
const fresh = async () => {
  await button('New conversation').click();
  await page.getByText(/^Runs on this machine/).waitFor();
};
const requestOf = (path) => page.waitForRequest((request) => new URL(request.url()).pathname === path);
const until = async (condition, what) => {
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(50)) if (await condition()) return;
  assert.fail(what);
};
const metric = async (name) => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

// Nothing serious for people who use a screen reader or a keyboard; a picture of the view.
const look = async (name) => {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
    assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes[0].html}`), [], `${name}, ${colorScheme}`);
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-${colorScheme}.png` });
  }
  await page.emulateMedia({ colorScheme: 'light' });
};
let passed = 0;
const check = async (name, body) => {
  await body();
  ++passed;
  console.log(`ok: ${name}`);
};

try {
  await page.goto(server.url);
  await check('the empty page', () => look('empty'));

  await check('an answer with thinking, folded, with tokens, time and price', async () => {
    await ask('Compute 37 * 24.');
    await page.getByText('888', { exact: true }).waitFor();
    assert.equal(await answers.last().locator('details.thinking').getAttribute('open'), null);
    await page.getByText(/^Thought/).first().click();
    assert.match(await answers.last().innerText(), /\d+ tokens[\s\S]*888/);
    assert.match(await figures(answers.last()).innerText(), /13 in · \d+ out · [\d.]+ tokens\/s · .* · \$0\.0000/);
    await look('thinking');
  });

  await check('the modes', async () => {
    for (const [mode, thinking, effort] of [['Max', 'enabled', 'max'], ['High', 'enabled', 'high'], ['Non-think', 'disabled']]) {
      await choose(mode);
      const request = requestOf('/v1/chat/completions');
      await ask('Compute 12 + 30.');
      const body = (await request).postDataJSON();
      assert.equal(body.thinking.type, thinking);
      assert.equal(body.reasoning_effort, effort);
      assert.equal(await answers.last().locator('details.thinking').count(), mode === 'Non-think' ? 0 : 1);
    }
  });

  await check('the context meter', async () => {
    const used = async () => Number(/^([\d,]+) of 65,536 tokens$/.exec(await page.locator('.meter span').innerText())[1]);
    const counted = async (change) => {
      const answer = page.waitForResponse((response) => response.url().endsWith('/tokenize'));
      await change();
      const { count } = await (await answer).json();
      await until(async () => (await used()) === count, 'the meter shows what the server counts');
      return count;
    };
    const one = await counted(() => draft.fill('one'));
    const more = await counted(() => draft.fill('one two three four five'));
    assert.ok(more > one);
    await draft.fill('');
  });

  await check('regenerating and editing make branches, and both stay', async () => {
    await fresh();
    await ask('Compute 2 + 3.');
    await button('Regenerate').last().click();
    await answers.last().getByText(/2\s*\/\s*2/).waitFor();
    await done(1);
    await answers.last().getByRole('button', { name: 'Previous branch' }).click();
    await answers.last().getByText(/1\s*\/\s*2/).waitFor();
    await button('Edit').click();
    await page.getByRole('textbox', { name: 'Edited question' }).fill('Compute 40 + 2.');
    await button('Send as a new branch').click();
    await questions.last().getByText(/2\s*\/\s*2/).waitFor();
    await done(1);
    assert.match(await answers.last().innerText(), /42/);
    await questions.last().getByRole('button', { name: 'Previous branch' }).click();
    await questions.last().getByText('Compute 2 + 3.').waitFor();
    assert.match(await answers.last().innerText(), /5[\s\S]*1\s*\/\s*2/);
  });

  await check('conversations are kept, found, renamed and deleted', async () => {
    await page.reload();
    await questions.last().getByText('Compute 2 + 3.').waitFor();
    assert.equal(await conversations.count(), 2);
    const search = page.getByPlaceholder(/Search/);
    await search.fill('no such words anywhere');
    await page.getByText('Nothing found.').waitFor();
    await search.fill('37 24');
    await until(async () => (await conversations.count()) === 1, 'one conversation is found');
    await conversations.getByRole('button').first().click();
    await page.getByText('888', { exact: true }).first().waitFor();
    await button('Rename Compute 37 * 24.').click();
    await page.getByRole('textbox', { name: 'Title' }).fill('A product');
    await page.keyboard.press('Enter');
    await search.fill('');
    await button('A product').waitFor();
    page.once('dialog', (dialog) => dialog.accept());
    await button('Delete Compute 2 + 3.').click();
    await until(async () => (await conversations.count()) === 1, 'one conversation is left');
    await page.reload();
    await button('A product').waitFor();
    assert.equal(await conversations.count(), 1);
  });

  await check('Markdown, code in colours and formulas', async () => {
    await fresh();
    answerOnce(page, textAnswer(kMarkdown));
    await ask('Explain.');
    const answer = answers.last();
    assert.equal(await answer.locator('.katex').count(), 3);
    assert.ok((await answer.locator('pre.code .hljs-keyword').count()) >= 3);
    assert.equal(await answer.locator('table td').count(), 4);
    assert.equal(await answer.locator('h3, strong, em, ol').count(), 4);
    assert.match(await answer.innerText(), /about \$5 for the lot/);
    assert.equal(await answer.locator('a').getAttribute('rel'), 'noopener noreferrer');
    await look('markdown');
  });

  await check("what the model and the user write is text, never the page's own", async () => {
    answerOnce(page, textAnswer(kHostile));
    await ask('<img src=x onerror="document.title=1"> <script>document.title=1</script> [x](javascript:alert(1))');
    const live = 'img, script, iframe, style, svg[onload], a[href^=javascript], [onerror]';
    assert.equal(await page.locator('article').locator(live).count(), 0);
    assert.match(await answers.last().innerText(), /<script>/);
    assert.doesNotMatch(await page.title(), /taken|^1$/);
  });

  await check('calls of tools and their results', async () => {
    await button('Settings').click();
    const tool = { name: 'weather', description: 'The weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
    const field = page.getByRole('textbox', { name: /^Tools/ });
    await field.fill('{"name": ');
    await page.getByText(/^Tools: not JSON/).waitFor();
    await field.fill(JSON.stringify(tool));
    await look('settings');
    await page.keyboard.press('Escape');
    await fresh();
    const first = answerOnce(page, callsAnswer([
      { name: 'weather', args: '{"city": "Oslo"}' },
      { name: 'weather', args: '{"city": "Rome"}' },
    ]));
    await ask('How is the weather in Oslo and Rome?');
    assert.equal((await first).tools[0].function.name, 'weather');
    const calls = page.getByRole('form', { name: 'Tool calls' });
    assert.match(await calls.innerText(), /weather[\s\S]*"city": "Oslo"[\s\S]*"city": "Rome"/);
    await look('tools');
    await calls.getByRole('textbox').nth(0).fill('rain');
    await calls.getByRole('textbox').nth(1).fill('sun');
    const second = answerOnce(page, textAnswer('Rain in Oslo, sun in Rome.'));
    await button('Send the results').click();
    const { messages } = await second;
    assert.deepEqual(messages.slice(-2).map((m) => [m.role, m.content]), [['tool', 'rain'], ['tool', 'sun']]);
    assert.deepEqual(messages.at(-3).tool_calls.map((call) => call.id), messages.slice(-2).map((m) => m.tool_call_id));
    await page.getByText('Rain in Oslo, sun in Rome.').waitFor();
    await button('Settings').click();
    await field.fill('');
    await page.keyboard.press('Escape');
  });

  const drop = async (name, text) => {
    const data = await page.evaluateHandle(([file, content]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([content], file, { type: 'text/plain' }));
      return transfer;
    }, [name, text]);
    for (const event of ['dragover', 'drop'])
      await page.dispatchEvent('form.composer', event, { dataTransfer: data });
  };
  await check('files dropped into the context', async () => {
    await fresh();
    await drop('notes.txt', 'the code word is heron\n');
    await drop('other.txt', 'nothing\n');
    await drop('picture.bin', 'a\0b');
    await page.getByText('picture.bin: expected text in UTF-8.').waitFor();
    await button('Remove other.txt').click();
    const request = requestOf('/v1/chat/completions');
    await ask('What is the code word?');
    const { content } = (await request).postDataJSON().messages.at(-1);
    assert.equal(content, '[file name]: notes.txt\n[file content begin]\nthe code word is heron\n[file content end]\nWhat is the code word?');
    await questions.last().getByText('notes.txt').click();
    await look('files');
  });

  await check('stop, by its button and by Escape; the server is free at once', async () => {
    for (const stop of [() => button('Stop').click(), () => page.keyboard.press('Escape')]) {
      await fresh();
      const salt = Math.random(); // else the second one is read from the cache
      await drop('long.txt', Array.from({ length: 9000 }, (_, i) => `${Math.floor((salt * i * 7919) % 1000)} `).join(''));
      await button('Remove long.txt').waitFor();
      await draft.fill('Sort them.');
      await page.keyboard.press('Enter');
      await until(async () => (await metric('fathom_batch_rows')) > 0, 'the prompt is being read');
      await stop();
      await page.getByText('Stopped.').waitFor();
      await until(async () => (await metric('fathom_batch_rows')) === 0, 'nothing runs after the stop');
    }
    await button('Send').waitFor();
  });

  await check('the inside of the model, by click and by keys', async () => {
    await conversations.getByText('A product').click();
    await button('Inside').first().click();
    const panel = page.getByRole('dialog', { name: 'Inside' });
    const tokens = panel.getByRole('group', { name: 'Tokens' }).getByRole('button');
    const heading = panel.getByRole('heading', { name: /^Position/ });
    const at = async () => Number(/^Position ([\d,]+)/.exec(await heading.innerText())[1].replace(',', ''));
    await heading.waitFor();
    assert.equal(await panel.getByRole('heading', { name: /^Layer \d/ }).count(), 6);
    assert.equal(await panel.getByRole('img', { name: /^Experts of 16/ }).count(), 6);
    assert.equal(await panel.getByRole('img', { name: /^Attention: window .* entries/ }).count(), 4);
    const last = await at();
    await tokens.nth(10).click();
    await until(async () => (await at()) < last, 'the view of another token');
    const here = await at();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await until(async () => (await at()) === here + 1, 'the view of the next token');
    await tokens.last().click();
    await until(async () => (await at()) === last, 'the view of the last token');
    const table = panel.locator('details', { hasText: 'Entries by weight' }).first();
    await table.locator('summary').click();
    assert.ok((await table.locator('tbody tr').count()) >= 5);
    assert.match(await table.locator('thead').innerText(), /Indexer/);
    await panel.evaluate((dialog) => [dialog, ...dialog.querySelectorAll('*')].forEach((one) => one.scrollTo(0, 0)));
    await look('inside');
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'Inside');
  });

  await check('load of the server, live', async () => {
    await button('Load').click();
    const tile = page.locator('.tiles > *', { hasText: 'Requests since the start' });
    const value = async () => Number((await tile.innerText()).replace(/[^\d]/g, ''));
    await tile.waitFor();
    const before = await value();
    await fetch(`${server.url}/health`);
    await until(async () => (await value()) > before, 'the count of requests grows by itself');
    await until(async () => (await page.locator('.tiles svg').count()) > 0, 'curves are drawn');
    await look('load');
    await page.keyboard.press('Escape');
  });

  await check('everything by keys alone', async () => {
    await page.reload();
    await draft.waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), 'Skip to the input');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'draft');
    await page.keyboard.press('Alt+n');
    await page.getByText(/^Runs on this machine/).waitFor();
    await page.keyboard.type('Compute 20 + 3.');
    await page.keyboard.press('Shift+Enter');
    assert.equal(await draft.inputValue(), 'Compute 20 + 3.\n');
    await page.keyboard.press('Enter');
    await done(1);
    await page.keyboard.press('Control+k');
    await until(() => page.evaluate(() => document.activeElement.id === 'search'), 'Ctrl+K searches');
    // Whatever can be pressed is reached by Tab, and shows that it is.
    const wanted = await page.locator('button:visible:enabled').count();
    const reached = new Set();
    for (let i = 0; i < 60; ++i) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const element = document.activeElement;
        if (element.tagName !== 'BUTTON') return null;
        const { outlineStyle } = getComputedStyle(element);
        return [element.getAttribute('aria-label') ?? element.textContent.trim(), outlineStyle !== 'none'];
      });
      if (!seen) continue;
      assert.ok(seen[1], `${seen[0]} shows its focus`);
      reached.add(seen[0]);
    }
    for (const name of ['New conversation', 'Load', 'Settings', 'Edit', 'Regenerate', 'Copy', 'Inside'])
      assert.ok(reached.has(name), `${name} is reached by Tab (${wanted} buttons)`);
  });

  await check('a phone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await page.reload();
    await answers.last().waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} pixels wider than the screen`);
    await look('phone');
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await button('A product').waitFor();
    await look('phone-list');
    await button('Close the list').waitFor();
    await conversations.getByRole('button', { name: 'A product', exact: true }).click();
    await page.getByText('888', { exact: true }).first().waitFor();
    await button('Inside').first().click();
    await page.getByRole('heading', { name: /^Layer 5/ }).waitFor();
    const over = await page.evaluate(() => {
      const body = document.querySelector('dialog .panel-body');
      return body.scrollWidth - body.clientWidth;
    });
    assert.ok(over <= 0, `the inside view is ${over} pixels wider than the screen`);
    await page.keyboard.press('Escape');
  });

  await check('nothing was asked of another machine, and nothing went wrong unseen', () => {
    assert.deepEqual([...asked], [server.url]);
    assert.deepEqual(errors, [], 'messages of the console');
  });
  console.log(`page in Chromium: ${passed} of ${passed} passed`);
} finally {
  await browser.close();
  await server.end();
}
