// How each client is pointed at the gateway: the lines to copy, with its base URL, key and model.

/** A text as Python and JavaScript, TOML and JSON write it. */
const quoted = (text) => JSON.stringify(text);
/** A text as one word of a shell; what needs no quotes gets none. */
const word = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** Each client: what it is called, and its files or commands. `use` holds the base URLs, `key` and `model`. */
export const CLIENTS = [
  { id: "openai", name: "OpenAI SDK", parts: (use) => [{ install: "pip install openai", code: openai(use) }] },
  { id: "anthropic", name: "Anthropic SDK", parts: (use) => [{ install: "pip install anthropic", code: anthropic(use) }] },
  { id: "gemini", name: "Gemini SDK", parts: (use) => [{ install: "pip install google-generativeai", code: gemini(use) }] },
  { id: "claude_code", name: "Claude Code", parts: (use) => [{ code: claudeCode(use) }] },
  { id: "codex", name: "Codex", parts: (use) => codex(use) },
  { id: "gemini_cli", name: "Gemini CLI", parts: (use) => geminiCli(use) },
  { id: "curl", name: "curl", parts: (use) => [{ code: curl(use) }] },
];

const openai = ({ openai: url, key, model }) => `from openai import OpenAI

client = OpenAI(base_url=${quoted(url)}, api_key=${quoted(key)})
answer = client.chat.completions.create(
    model=${quoted(model)},
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`;

const anthropic = ({ anthropic: url, key, model }) => `from anthropic import Anthropic

client = Anthropic(base_url=${quoted(url)}, api_key=${quoted(key)})
answer = client.messages.create(
    model=${quoted(model)},
    max_tokens=1000,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`;

const gemini = ({ gemini: url, key, model }) => `import google.generativeai as genai

genai.configure(
    api_key=${quoted(key)},
    transport="rest",
    client_options={"api_endpoint": ${quoted(url)}},
)
answer = genai.GenerativeModel(${quoted(model)}).generate_content("Hello")
print(answer.text)`;

const claudeCode = ({ anthropic: url, key, model }) => `export ANTHROPIC_BASE_URL=${word(url)}
export ANTHROPIC_AUTH_TOKEN=${word(key)}
export ANTHROPIC_MODEL=${word(model)}
claude`;

const codex = ({ openai: url, key, model }) => [
  {
    file: "~/.codex/config.toml",
    code: `model = ${quoted(model)}
model_provider = "levity"

[model_providers.levity]
name = "Levity"
base_url = ${quoted(url)}
env_key = "LEVITY_API_KEY"
wire_api = "responses"`,
  },
  { code: `export LEVITY_API_KEY=${word(key)}\ncodex` },
];

const geminiCli = ({ gemini: url, key, model }) => [
  {
    file: "~/.gemini/settings.json",
    code: `{ "security": { "auth": { "selectedType": "gemini-api-key" } } }`,
  },
  {
    code: `export GOOGLE_GEMINI_BASE_URL=${word(url)}
export GEMINI_API_KEY=${word(key)}
gemini -m ${word(model)}`,
  },
];

const curl = ({ openai: url, key, model }) => {
  const body = { model, messages: [{ role: "user", content: "Hello" }] };
  return `curl ${word(`${url}/chat/completions`)} \\
  -H ${word(`Authorization: Bearer ${key}`)} -H 'Content-Type: application/json' \\
  -d ${word(JSON.stringify(body))}`;
};
