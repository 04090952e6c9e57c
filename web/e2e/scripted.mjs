// Answers that the small bundled model would not write: Markdown, hostile markup, calls. They come over the same
// route in the server's own form; the next request after them goes to the server again.
const chunk = (delta, finish_reason, more = {}) =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-0',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'v4-10m',
    choices: [{ index: 0, delta, logprobs: null, finish_reason, token_ids: [] }],
    ...more,
  })}\n\n`;

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const end = (reason) => chunk({ content: '' }, reason, { usage, fathom: { decode_ms: 1 } }) + 'data: [DONE]\n\n';

/** The next answer is this one. Resolves with the body of the request that it answers. */
export function answerOnce(page, events) {
  return new Promise((resolve, reject) => {
    page
      .route('**/v1/chat/completions', async (route) => {
        resolve(route.request().postDataJSON());
        await route.fulfill({ status: 200, contentType: 'text/event-stream; charset=utf-8', body: events });
      }, { times: 1 })
      .catch(reject);
  });
}

export const textAnswer = (text) => {
  let events = chunk({ role: 'assistant', content: '' }, null);
  for (let at = 0; at < text.length; at += 7) events += chunk({ content: text.slice(at, at + 7) }, null);
  return events + end('stop');
};

export const callsAnswer = (calls) => {
  let events = chunk({ role: 'assistant', content: '' }, null);
  calls.forEach(({ name, args }, index) => {
    const id = `call_0${index}_abcdefghij0123456789`;
    events += chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] }, null);
    for (let at = 0; at < args.length; at += 5)
      events += chunk({ tool_calls: [{ index, function: { arguments: args.slice(at, at + 5) } }] }, null);
  });
  return events + end('tool_calls');
};

export const kMarkdown = `### A loop, and its sum

The sum of the first $n$ squares is

$$\\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}$$

and costs \\(O(n)\\) to compute, or about $5 for the lot.

\`\`\`python
def squares(n: int) -> int:
    """The sum of the first n squares."""
    return sum(k * k for k in range(1, n + 1))
\`\`\`

| n | sum |
|--:|----:|
| 3 | 14 |
| 10 | 385 |

1. **bold**, *italic*, \`code\`
2. [a link](https://example.org/)
`;

export const kHostile = `<script>document.title = 'taken'</script><img src="https://example.org/x.png" onerror="document.title='taken'">
<a href="javascript:document.title='taken'">a</a> [b](javascript:document.title='taken') ![c](https://example.org/y.png)
<iframe src="https://example.org/"></iframe> <svg onload="document.title='taken'"></svg>
<style>body { display: none }</style> $\\href{javascript:document.title='taken'}{x}$ $\\includegraphics{https://example.org/z.png}$
`;
