// The form that adds or changes an account: the keys of its YAML entry.

import { call } from "../api.js";
import { t } from "../i18n/index.js";
import { Dialog, Field, Problem, Select, Switch, announce, html, useAction } from "../ui.js";
import { useId, useState } from "../vendor/hooks.js";

const PROVIDERS = ["gemini", "vertex", "openai", "anthropic", "zai", "custom"];
const DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini"];
const DISPATCHES = ["pooled", "exclusive", "fallback", "off"];

/** What the account's entry says now, as the fields of the form. */
function fields(account) {
  return {
    name: account?.name ?? "",
    provider: account?.provider ?? PROVIDERS[0],
    api_key: "",
    // These may hold what is secret, or the API does not say them.
    credentials: "",
    project: "",
    region: "",
    outbound_proxy: "",
    headers: "",
    base_url: account?.base_url ?? "",
    dialect: account?.provider === "custom" ? (account.dialects[0] ?? "") : "",
    models: (account?.models ?? []).join("\n"),
    model_map: Object.entries(account?.model_map ?? {}).map((pair) => pair.join(": ")).join("\n"),
    dispatch: account?.dispatch ?? DISPATCHES[0],
    clients: account?.clients ?? DIALECTS,
    weight: String(account?.weight ?? 1),
    max_concurrency: String(account?.max_concurrency ?? 0),
    enabled: account?.enabled ?? true,
  };
}

const lines = (text) => text.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
const whole = (text) => (/^\d+$/.test(text.trim()) ? Number(text) : text);

/** `claude-*: gemini-3-flash`, one a line. The first colon parts them, but in a model's name, where the last `: ` does. */
function pairs(text, part = (line) => line.indexOf(":")) {
  const written = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(written.map((line) => {
    const at = part(line);
    return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

const modelsPart = (line) => (line.includes(": ") ? line.lastIndexOf(": ") : line.indexOf(":"));

/** Each field as the key of the entry; `null` stands for the default. */
const ENTRY = {
  name: (form) => form.name.trim(),
  provider: (form) => form.provider,
  api_key: (form) => form.api_key.trim() || null,
  credentials: (form) => form.credentials.trim() || null,
  project: (form) => form.project.trim() || null,
  region: (form) => form.region.trim() || null,
  outbound_proxy: (form) => form.outbound_proxy.trim() || null,
  base_url: (form) => form.base_url.trim() || null,
  dialect: (form) => form.dialect || null,
  models: (form) => (lines(form.models).length ? lines(form.models) : null),
  model_map: (form) => (form.model_map.trim() ? pairs(form.model_map, modelsPart) : null),
  headers: (form) => (form.headers.trim() ? pairs(form.headers) : null),
  dispatch: (form) => form.dispatch,
  clients: (form) => (form.clients.length < DIALECTS.length ? form.clients : null),
  weight: (form) => whole(form.weight),
  max_concurrency: (form) => whole(form.max_concurrency),
  enabled: (form) => form.enabled,
};

/** What is sent: of a new account all that differs from a default, of another what was changed. */
function entry(form, before, isNew) {
  const changed = Object.keys(ENTRY).filter((key) => String(form[key]) !== String(before[key]));
  const needed = isNew ? ["name", "provider", ...changed] : changed;
  return Object.fromEntries([...new Set(needed)].map((key) => [key, ENTRY[key](form)]).filter(([, value]) => !isNew || value !== null));
}

export function AccountForm({ account, onClose, onDone }) {
  const [before] = useState(() => fields(account));
  const [form, edit] = useState(before);
  const isNew = account === null;
  const set = (key) => (value) => edit((old) => ({ ...old, [key]: value }));
  const save = useAction(async () => {
    const body = entry(form, before, isNew);
    if (isNew) await call("POST", "/api/accounts", body);
    else await call("PATCH", `/api/accounts/${encodeURIComponent(account.name)}`, body);
    announce(t("account.saved", { name: form.name }));
    onDone();
  });
  const submit = (event) => {
    event.preventDefault();
    if (!save.busy) save.run();
  };
  const custom = form.provider === "custom";
  const text = (key, more = {}) => html`<${Text} name=${key} form=${form} set=${set} ...${more} />`;
  return html`<${Dialog} title=${isNew ? t("accounts.add") : t("account.change.title", { name: account.name })} onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class="pair">
        ${text("name", { required: true, maxlength: 64 })}
        <${Field} label=${t("entry.provider")}>
          ${(id) => html`<${Select} id=${id} value=${form.provider} onChange=${set("provider")}
            options=${[...new Set([...PROVIDERS, form.provider])].map((each) => [each, t(`provider.${each}`)])} />`}
        <//>
      </div>
      ${form.provider === "vertex" ? html`<${Vertex} text=${text} isNew=${isNew} />` : text("api_key", { type: "password", autocomplete: "new-password", help: isNew || !account.has_key ? t("entry.api_key.help") : t("entry.api_key.keep") })}
      ${custom && html`<${Endpoint} form=${form} set=${set} text=${text} required />`}
      <details class="more">
        <summary>${t("entry.more")}</summary>
        ${!custom && html`<${Endpoint} form=${form} set=${set} text=${text} />`}
        <${Lines} name="models" form=${form} set=${set} />
        <${Lines} name="model_map" form=${form} set=${set} />
        <${Field} label=${t("entry.dispatch")} help=${t(`dispatch.${form.dispatch}`)}>
          ${(id, about) => html`<${Select} id=${id} aria-describedby=${about} value=${form.dispatch} onChange=${set("dispatch")} options=${DISPATCHES.map((each) => [each, each])} />`}
        <//>
        <${ClientsServed} form=${form} set=${set} />
        <div class="pair">
          ${text("weight", { inputmode: "numeric" })}
          ${text("max_concurrency", { inputmode: "numeric" })}
        </div>
        <${Lines} name="headers" form=${form} set=${set} unseen=${!isNew} />
        ${text("outbound_proxy", { help: isNew ? t("entry.outbound_proxy.help") : t("entry.unseen") })}
        <${Switch} label=${t("entry.enabled")} checked=${form.enabled} onChange=${set("enabled")} />
      </details>
      <${Problem} error=${save.error} onClose=${save.clear} />
      <div class="row end">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button type="submit" class="primary" disabled=${save.busy}>${isNew ? t("account.add") : t("account.save")}</button>
      </div>
    </form>
  <//>`;
}

function Text({ name, form, set, help, ...rest }) {
  return html`<${Field} label=${t(`entry.${name}`)} help=${help}>
    ${(id, about) => html`<input id=${id} aria-describedby=${about} spellcheck=${false} autocomplete="off" value=${form[name]}
      onInput=${(event) => set(name)(event.target.value)} ...${rest} />`}
  <//>`;
}

function Vertex({ text, isNew }) {
  return html`
    ${text("credentials", { help: isNew ? t("entry.credentials.help") : t("entry.unseen") })}
    <div class="pair">${text("project")}${text("region", { placeholder: "global" })}</div>
  `;
}

function Lines({ name, form, set, unseen }) {
  return html`<${Field} label=${t(`entry.${name}`)} help=${t(`entry.${name}.help`)} note=${unseen ? t("entry.unseen") : null}>
    ${(id, about) => html`<textarea id=${id} aria-describedby=${about} rows="3" spellcheck=${false} value=${form[name]}
      onInput=${(event) => set(name)(event.target.value)}></textarea>`}
  <//>`;
}

function Endpoint({ form, set, text, required }) {
  return html`<div class="pair">
    <${Field} label=${t("entry.dialect")}>
      ${(id) => html`<${Select} id=${id} required=${required} value=${form.dialect} onChange=${set("dialect")}
        options=${[["", required ? t("entry.dialect.choose") : t("entry.dialect.own")], ...DIALECTS.map((each) => [each, t(`dialect.${each}`)])]} />`}
    <//>
    ${text("base_url", { type: "url", required, help: t("entry.base_url.help") })}
  </div>`;
}

function ClientsServed({ form, set }) {
  const name = useId();
  const toggle = (dialect, on) => set("clients")(DIALECTS.filter((each) => (each === dialect ? on : form.clients.includes(each))));
  return html`<fieldset class="checks">
    <legend>${t("entry.clients")}</legend>
    ${DIALECTS.map((dialect) => html`<span key=${dialect}>
      <input type="checkbox" id=${name + dialect} checked=${form.clients.includes(dialect)} onChange=${(event) => toggle(dialect, event.target.checked)} />
      <label for=${name + dialect}>${t(`dialect.${dialect}`)}</label>
    </span>`)}
  </fieldset>`;
}
