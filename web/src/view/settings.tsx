// Settings: model, system text, tools, limits, look.
import type { App } from '../app';
import { getKey } from '../api';
import { count } from '../format';
import { parseTools } from '../request';
import type { Settings } from '../types';
import { Panel } from './panel';

const kToolExample = `[
  {
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
      "type": "object",
      "properties": { "city": { "type": "string" } },
      "required": ["city"]
    }
  }
]`;

function toolsProblem(text: string): string {
  try {
    parseTools(text);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

export function SettingsPanel({ app, close }: { app: App; close: () => void }) {
  const { settings, props } = app;
  const number = (key: 'maxTokens' | 'temperature' | 'seed', label: string, hint: string) => (
    <label>
      {label}
      <input
        inputMode="decimal"
        value={settings[key]}
        placeholder={hint}
        onInput={(event) => app.set({ [key]: event.currentTarget.value })}
      />
    </label>
  );
  const problem = toolsProblem(settings.tools);
  return (
    <Panel title="Settings" close={close}>
      <label>
        Model
        <select value={settings.model} onChange={(event) => app.set({ model: event.currentTarget.value })}>
          {props?.models.map((model) => (
            <option key={model.id} value={model.id}>
              {model.id}
            </option>
          ))}
        </select>
      </label>
      {app.model && (
        <p class="hint">
          {count(app.model.context_window)} tokens of context · prompt encoding {app.model.prompt_encoding} · numerics{' '}
          {app.model.numerics} · kernels {app.model.target} · fathom {props!.build}
        </p>
      )}
      <label>
        System text
        <textarea rows={3} value={settings.system} onInput={(event) => app.set({ system: event.currentTarget.value })} />
      </label>
      <label>
        Tools (JSON: functions with name, description, parameters)
        <textarea
          class="mono"
          rows={8}
          spellcheck={false}
          value={settings.tools}
          placeholder={kToolExample}
          aria-invalid={problem !== ''}
          aria-describedby="tools-problem"
          onInput={(event) => app.set({ tools: event.currentTarget.value })}
        />
      </label>
      <p id="tools-problem" class="problem">
        {problem}
      </p>
      <div class="columns">
        {number('maxTokens', 'Longest answer, tokens', 'as the server sets it')}
        {number('temperature', 'Temperature (Non-think)', '1')}
        {number('seed', 'Seed', 'drawn anew')}
        <label>
          Look
          <select
            value={settings.theme}
            onChange={(event) => app.set({ theme: event.currentTarget.value as Settings['theme'] })}
          >
            <option value="auto">as the system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
      </div>
      {props?.keys && (
        <label>
          API key (kept until this tab is closed)
          <input
            type="password"
            autocomplete="off"
            defaultValue={getKey()}
            onChange={(event) => void app.useKey(event.currentTarget.value)}
          />
        </label>
      )}
    </Panel>
  );
}
