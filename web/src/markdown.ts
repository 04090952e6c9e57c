// Markdown of answers as nodes of the page. What the model wrote never becomes markup of its own: HTML in it is
// text, the HTML that markdown-it makes goes through DOMPurify, and nothing is fetched (images become links).
import DOMPurify from 'dompurify';
import katex from 'katex';
import MarkdownIt from 'markdown-it';
import { highlighted } from './highlight';
import { mathRules } from './math';

const md = new MarkdownIt({ html: false, linkify: true, breaks: false });
md.use(mathRules);

const escape = md.utils.escapeHtml;

md.renderer.rules.fence = (tokens, at) => {
  const language = tokens[at].info.trim().split(/\s+/)[0] ?? '';
  const code = tokens[at].content;
  return `<pre class="code" title="${escape(language)}"><code class="hljs">${highlighted(code, language) ?? escape(code)}</code></pre>`;
};
md.renderer.rules.code_block = (tokens, at) =>
  `<pre class="code"><code class="hljs">${escape(tokens[at].content)}</code></pre>`;
md.renderer.rules.image = (tokens, at) => {
  const source = String(tokens[at].attrGet('src') ?? '');
  return `<a href="${escape(source)}" rel="noopener noreferrer" target="_blank">${escape(tokens[at].content || source)}</a>`;
};
md.renderer.rules.link_open = (tokens, at, options, _env, self) => {
  tokens[at].attrSet('target', '_blank');
  tokens[at].attrSet('rel', 'noopener noreferrer');
  return self.renderToken(tokens, at, options);
};
// Alignment as a class: the page's policy allows no style attributes.
for (const cell of ['th_open', 'td_open'] as const)
  md.renderer.rules[cell] = (tokens, at) => {
    const align = /text-align:(\w+)/.exec(String(tokens[at].attrGet('style') ?? ''))?.[1];
    return `<${tokens[at].tag}${align ? ` class="align-${align}"` : ''}>`;
  };

const kClean = {
  RETURN_DOM_FRAGMENT: true as const,
  ALLOWED_TAGS: [
    'a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p',
    'pre', 's', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul',
  ],
  ALLOWED_ATTR: ['class', 'href', 'rel', 'start', 'target', 'title'],
  ALLOW_DATA_ATTR: false,
};

function renderMath(place: HTMLElement): void {
  const tex = place.textContent ?? '';
  const displayMode = place.classList.contains('math-block');
  try {
    katex.render(tex, place, { displayMode, throwOnError: true, strict: 'ignore', maxExpand: 300, maxSize: 30 });
  } catch {
    place.textContent = displayMode ? `$$${tex}$$` : `$${tex}$`;
    place.classList.add('math-error');
  }
}

function addCopyButton(block: HTMLElement): void {
  const head = document.createElement('div');
  head.className = 'code-head';
  const name = document.createElement('span');
  name.textContent = block.title || 'code';
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.onclick = async () => {
    await navigator.clipboard.writeText(block.querySelector('code')?.textContent ?? '');
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  };
  head.append(name, button);
  block.removeAttribute('title');
  block.tabIndex = 0; // scrolls sideways
  block.setAttribute('role', 'group');
  block.setAttribute('aria-label', `Code: ${name.textContent}`);
  const frame = document.createElement('div');
  frame.className = 'code-frame';
  block.replaceWith(frame);
  frame.append(head, block);
}

function wrapTable(table: HTMLElement): void {
  const frame = document.createElement('div');
  frame.className = 'table-frame';
  frame.tabIndex = 0;
  frame.setAttribute('role', 'group');
  frame.setAttribute('aria-label', 'Table');
  table.replaceWith(frame);
  frame.append(table);
}

export function markdownNodes(text: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(md.render(text), kClean);
  fragment.querySelectorAll<HTMLElement>('.math').forEach(renderMath);
  fragment.querySelectorAll<HTMLElement>('pre.code').forEach(addCopyButton);
  fragment.querySelectorAll<HTMLElement>('table').forEach(wrapTable);
  return fragment;
}
