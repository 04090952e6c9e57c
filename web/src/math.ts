// Formulas in Markdown: $...$ and \(...\) in a line, $$...$$ and \[...\] on their own. A rule only marks the
// place; KaTeX draws there once the HTML has been cleaned.
import type { MarkdownIt } from 'markdown-it';

const kOpen: [open: string, close: string, block: boolean][] = [
  ['$$', '$$', true],
  ['\\[', '\\]', true],
  ['\\(', '\\)', false],
  ['$', '$', false],
];

const unclosed = new Map<string, { text: string; from: number; to: number }>();

/** The end of a formula that opens at `from`, before `to`; -1: it does not close. */
function closeOf(text: string, from: number, to: number, close: string): number {
  // Where one formula does not close, no later one does: without this, many open ones take quadratic time.
  const known = unclosed.get(close);
  if (known && known.text === text && known.to === to && from >= known.from) return -1;
  for (let at = from; at < to; ++at) {
    if (text.startsWith(close, at)) return at;
    if (text[at] === '\\') ++at;
  }
  unclosed.set(close, { text, from, to });
  return -1;
}

// A dollar sign before a digit or after a space is money more often than mathematics.
function looksLikeMoney(text: string, open: number, close: number): boolean {
  const inner = text.slice(open + 1, close);
  return inner === '' || /^\s|\s$/.test(inner) || /^\d/.test(text.slice(close + 1));
}

export function mathRules(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'math', (state, silent) => {
    const { src, pos, posMax } = state;
    if (src[pos] !== '$' && src[pos] !== '\\') return false;
    for (const [open, close, block] of kOpen) {
      if (!src.startsWith(open, pos)) continue;
      const end = closeOf(src, pos + open.length, posMax, close);
      if (end < 0 || (open === '$' && looksLikeMoney(src, pos, end))) continue;
      if (!silent) {
        const token = state.push('math', 'span', 0);
        token.content = src.slice(pos + open.length, end);
        token.meta = { block };
      }
      state.pos = end + close.length;
      return true;
    }
    return false;
  });

  md.block.ruler.before(
    'paragraph',
    'math_block',
    (state, first, last, silent) => {
      const start = state.bMarks[first] + state.tShift[first];
      const rule = kOpen.find(([open, , block]) => block && state.src.startsWith(open, start));
      if (!rule || state.sCount[first] - state.blkIndent >= 4) return false;
      const from = start + rule[0].length;
      const end = closeOf(state.src, from, state.eMarks[last - 1], rule[1]);
      if (end < 0) return false;
      let line = first;
      while (line < last && state.eMarks[line] < end) ++line;
      // More text after the formula, or a blank line in it: it belongs to a paragraph.
      if (state.src.slice(end + rule[1].length, state.eMarks[line]).trim() !== '') return false;
      if (/\n\s*\n/.test(state.src.slice(from, end))) return false;
      if (silent) return true;
      const token = state.push('math', 'span', 0);
      token.block = true;
      token.content = state.src.slice(from, end);
      token.meta = { block: true };
      token.map = [first, line + 1];
      state.line = line + 1;
      return true;
    },
    { alt: ['paragraph', 'blockquote', 'list'] },
  );

  md.renderer.rules.math = (tokens, at) => {
    const text = md.utils.escapeHtml(tokens[at].content.trim());
    const span = `<span class="math ${tokens[at].meta?.block ? 'math-block' : 'math-inline'}">${text}</span>`;
    return tokens[at].block ? `<p>${span}</p>` : span;
  };
}
