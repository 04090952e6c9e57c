// The page in headless Chromium against the real server. usage: page_check.mjs FATHOM CHROMIUM [FOLDER of screenshots]
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { serve } from './server.mjs';

const axe = createRequire(import.meta.url)('axe-core');
const [fathom, executablePath, pictures] = process.argv.slice(2);
const server = await serve(fathom);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
context.setDefaultTimeout(20_000);
const page = await context.newPage();
const errors = [];
page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
page.on('pageerror', (error) => errors.push(String(error)));

const button = (name) => page.getByRole('button', { name, exact: true });
const idle = () => button('Send').waitFor();
const ask = async (text) => {
  await page.getByRole('textbox').last().fill(text);
  await page.keyboard.press('Enter');
  await page.getByText('tokens/s').last().waitFor();
  await idle();
};
// Nothing serious for people who use a screen reader or a keyboard; a picture of the view.
const look = async (name) => {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
    assert.deepEqual(serious.map((v) => v.id), [], `${name}, ${colorScheme}`);
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
    const thought = page.getByText(/^Thought/).first();
    await thought.click();
    assert.match(await page.locator('article').last().innerText(), /\d+ tokens[\s\S]*888[\s\S]*13 in · \d+ out[\s\S]*\$0\.0000/);
    await look('thinking');
  });
  await check('the mode without thinking', async () => {
    await page.getByText('Non-think', { exact: true }).click();
    await ask('Compute 12 + 30.');
    assert.doesNotMatch(await page.locator('article').last().innerText(), /Thought/);
  });
  await check('regenerating makes a branch', async () => {
    await button('Regenerate').last().click();
    await page.getByText(/2\s*\/\s*2/).first().waitFor();
    await idle();
  });
  await check('conversations are kept and found', async () => {
    await page.reload();
    await page.getByText('888', { exact: true }).first().waitFor();
    const list = page.getByRole('navigation', { name: 'Conversations' }).getByRole('listitem');
    await page.getByPlaceholder(/Search/).fill('no such words anywhere');
    await page.waitForFunction(() => document.querySelectorAll('nav.sidebar li').length === 0);
    await page.getByPlaceholder(/Search/).fill('12 + 30');
    await list.first().waitFor();
    assert.equal(await list.count(), 1);
    await page.getByPlaceholder(/Search/).fill('');
  });
  await check("what the model and the user write is text, never the page's own", async () => {
    await button('New conversation').click();
    await ask('<img src=x onerror="document.title=1"> <script>document.title=1</script> [x](javascript:alert(1))');
    assert.equal(await page.locator('article img, article script, article a[href^=javascript]').count(), 0);
    assert.notEqual(await page.title(), '1');
  });
  await check('load of the server', async () => {
    await button('Load').click();
    await look('load');
    await page.keyboard.press('Escape');
  });
  await check('settings', async () => {
    await button('Settings').click();
    await look('settings');
    await page.keyboard.press('Escape');
  });
  await check('a phone', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} pixels wider than the screen`);
    await look('phone');
  });
  assert.deepEqual(errors, [], 'messages of the console');
  console.log(`page in Chromium: ${passed} of ${passed} passed`);
} finally {
  await browser.close();
  await server.end();
}
