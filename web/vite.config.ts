import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

// KaTeX offers each font in three formats; every browser that can show this page reads the first.
const woff2Only: Plugin = {
  name: 'woff2-only',
  enforce: 'pre',
  transform(code, id) {
    if (!id.includes('katex') || !id.endsWith('.css')) return null;
    return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\("(?:woff|truetype)"\)/g, '');
  },
};

// The licences of what the bundle holds travel with it.
const kBundled = [
  'preact', 'markdown-it', 'linkify-it', 'mdurl', 'uc.micro', 'entities', 'punycode.js', 'dompurify',
  'highlight.js', 'katex',
];
const licences: Plugin = {
  name: 'licences',
  generateBundle() {
    const texts = kBundled.map((name) => {
      const folder = new URL(`node_modules/${name}/`, import.meta.url);
      const { version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      if (!file) throw new Error(`${name}: no licence file`);
      return `${name} ${version}\n\n${readFileSync(new URL(file, folder), 'utf8').trim()}\n`;
    });
    this.emitFile({ type: 'asset', name: 'licences.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) });
  },
};

export default defineConfig({
  plugins: [woff2Only, licences],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0, // a data: address would need a weaker Content-Security-Policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
  test: { environment: 'jsdom', include: ['test/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);
