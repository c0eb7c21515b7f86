// How each client is pointed at the gateway: the lines to copy, with its base URL, key and model.

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

client = OpenAI(base_url="${url}", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`;

const anthropic = ({ anthropic: url, key, model }) => `from anthropic import Anthropic

client = Anthropic(base_url="${url}", api_key="${key}")
answer = client.messages.create(
    model="${model}",
    max_tokens=1000,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`;

const gemini = ({ gemini: url, key, model }) => `import google.generativeai as genai

genai.configure(
    api_key="${key}",
    transport="rest",
    client_options={"api_endpoint": "${url}"},
)
answer = genai.GenerativeModel("${model}").generate_content("Hello")
print(answer.text)`;

const claudeCode = ({ anthropic: url, key, model }) => `export ANTHROPIC_BASE_URL=${url}
export ANTHROPIC_AUTH_TOKEN=${key}
export ANTHROPIC_MODEL=${model}
claude`;

const codex = ({ openai: url, key, model }) => [
  {
    file: "~/.codex/config.toml",
    code: `model = "${model}"
model_provider = "levity"

[model_providers.levity]
name = "Levity"
base_url = "${url}"
env_key = "LEVITY_API_KEY"
wire_api = "responses"`,
  },
  { code: `export LEVITY_API_KEY=${key}\ncodex` },
];

const geminiCli = ({ gemini: url, key, model }) => [
  {
    file: "~/.gemini/settings.json",
    code: `{ "security": { "auth": { "selectedType": "gemini-api-key" } } }`,
  },
  {
    code: `export GOOGLE_GEMINI_BASE_URL=${url}
export GEMINI_API_KEY=${key}
gemini -m ${model}`,
  },
];

const curl = ({ openai: url, key, model }) => `curl ${url}/chat/completions \\
  -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\
  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'`;
