import { describe, expect, it } from 'vitest';
import { markdownNodes } from '../src/markdown';

function html(text: string): HTMLElement {
  const place = document.createElement('div');
  place.append(markdownNodes(text));
  return place;
}

describe('Markdown of answers', () => {
  it('shows the usual forms', () => {
    const place = html('# T\n\n**b** *i* `c`\n\n1. x\n\n| a | b |\n|---|--:|\n| 1 | 2 |');
    for (const wanted of ['h1', 'strong', 'em', 'code', 'ol li', 'table td.align-right'])
      expect(place.querySelector(wanted), wanted).not.toBeNull();
    expect(place.querySelector('[style]')).toBeNull();
  });

  it('colours code of known languages, and shows code of others as it is', () => {
    expect(html('```python\ndef f(): pass\n```').querySelector('.hljs-keyword')?.textContent).toBe('def');
    const unknown = html('```zzz\n<b>&\n```').querySelector('code')!;
    expect(unknown.textContent).toBe('<b>&\n');
    expect(unknown.children).toHaveLength(0);
    expect(html('```c++\nint x;\n```').querySelector('.code-head')?.textContent).toBe('c++Copy');
  });

  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '[x](javascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '![x](https://elsewhere.example/pixel.png)',
    '<svg/onload=alert(1)>',
    '```"onmouseover="alert(1)\ncode\n```',
    '<style>*{display:none}</style><iframe src="//elsewhere.example"></iframe>',
    '$\\href{javascript:alert(1)}{x}$',
    '$\\htmlStyle{color:red}{x}$',
    '$\\includegraphics{https://elsewhere.example/x.png}$',
  ])('keeps %s from doing anything', (text) => {
    const place = html(text);
    expect(place.querySelector('script, style, iframe, img, object, embed, form')).toBeNull();
    for (const element of place.querySelectorAll('*'))
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on/);
        expect(value).not.toMatch(/^\s*(javascript|data):/i);
      }
  });

  it('opens links elsewhere without saying where from', () => {
    const link = html('https://example.com').querySelector('a')!;
    expect(link.target).toBe('_blank');
    expect(link.rel).toBe('noopener noreferrer');
  });

  it.each([
    ['$a^2$', 1, 0],
    ['\\(a\\) and \\[b\\]', 2, 1],
    ['$$\nx = y\n$$', 1, 1],
    ['\\[\nx = y\n\\]', 1, 1],
    ['- item\n\n  $$z$$', 1, 1],
    ['It costs $5 or $10.', 0, 0],
    ['a $ b $ c', 0, 0],
    ['`$x$`', 0, 0],
    ['an open $x', 0, 0],
    ['\\$x\\$', 0, 0],
  ])('finds the formulas of %s', (text, formulas, blocks) => {
    const place = html(text);
    expect(place.querySelectorAll('.math .katex')).toHaveLength(formulas);
    expect(place.querySelectorAll('.katex-display')).toHaveLength(blocks);
    expect(place.querySelectorAll('math')).toHaveLength(formulas); // for screen readers
  });

  it('shows a broken formula as it was written', () => {
    expect(html('$\\frac{1}$').querySelector('.math-error')?.textContent).toBe('$\\frac{1}$');
  });

  it('comes to an end on deeply nested input', () => {
    for (const text of ['$', '\\[', '[(', '>', '`', '**_'])
      expect(html(text.repeat(5000)).textContent, text).not.toBeNull();
  }, 30_000);
});
