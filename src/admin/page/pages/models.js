// The Models page: other names for models, and which account serves what.

import { call } from "../api.js";
import { t } from "../i18n/index.js";
import { learn } from "../live.js";
import { href } from "../route.js";
import { Empty, Problem, announce, html, useAction, useLoad } from "../ui.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";

export function Models({ status }) {
  const { data, error, reload } = useLoad("/api/models", { version: status.config.loaded });
  return html`
    <${Problem} error=${error} />
    ${data && html`<div class="columns">
      <${Aliases} written=${data.aliases} served=${data.models.map((model) => model.id)} reload=${reload} />
      <${Served} data=${data} />
    </div>`}
  `;
}

function Aliases({ written, served, reload }) {
  const [draft, edit] = useState(null);
  const added = useRef(null);
  const rows = draft ?? written;
  const save = useAction(async () => {
    const kept = rows.filter((row) => row.pattern.trim() || row.model.trim());
    const aliases = Object.fromEntries(kept.map((row) => [row.pattern.trim(), row.model.trim()]));
    const answer = await call("PATCH", "/api/config", { "models.aliases": aliases });
    learn(answer.status);
    announce(t("settings.applied"));
    edit(null);
    reload();
  });
  const change = (at, key, value) => edit(rows.map((row, index) => (index === at ? { ...row, [key]: value } : row)));
  const add = () => {
    added.current = rows.length;
    edit([...rows, { pattern: "", model: "" }]);
  };
  const twice = rows.find((row, at) => row.pattern && rows.findIndex((other) => other.pattern.trim() === row.pattern.trim()) !== at);
  const submit = (event) => {
    event.preventDefault();
    if (draft && !twice && !save.busy) save.run();
  };
  return html`<section class="card" aria-labelledby="aliases">
    <h2 id="aliases">${t("aliases")}</h2>
    <p class="help">${t("aliases.help")}</p>
    <form onSubmit=${submit}>
      ${rows.length === 0 && html`<p class="dim">${t("aliases.none")}</p>`}
      ${rows.length > 0 && html`<table class="aliases">
        <thead><tr><th scope="col">${t("aliases.pattern")}</th><th scope="col">${t("aliases.model")}</th><th><span class="unseen">${t("aliases.remove")}</span></th></tr></thead>
        <tbody>${rows.map((row, at) => html`<tr key=${at}>
          <td><${Cell} label=${t("aliases.pattern.of", { at: at + 1 })} value=${row.pattern} focus=${added.current === at} onInput=${(value) => change(at, "pattern", value)} placeholder="gpt-*" /></td>
          <td><${Cell} label=${t("aliases.model.of", { at: at + 1 })} value=${row.model} list="served" onInput=${(value) => change(at, "model", value)} placeholder="gemini-3-flash" /></td>
          <td><button type="button" class="plain icon" aria-label=${t("aliases.remove.of", { pattern: row.pattern })} onClick=${() => edit(rows.filter((_, index) => index !== at))}><span aria-hidden="true">✕</span></button></td>
        </tr>`)}</tbody>
      </table>`}
      <datalist id="served">${served.map((id) => html`<option key=${id} value=${id} />`)}</datalist>
      ${twice && html`<p class="wrong" role="status">${t("aliases.twice", { pattern: twice.pattern })}</p>`}
      <${Problem} error=${save.error} onClose=${save.clear} />
      <div class="row">
        <button type="button" onClick=${add}>${t("aliases.add")}</button>
        <span class="grow"></span>
        <button type="button" disabled=${!draft || save.busy} onClick=${() => (edit(null), save.clear())}>${t("discard")}</button>
        <button type="submit" class="primary" disabled=${!draft || save.busy || !!twice}>${t("apply")}</button>
      </div>
    </form>
  </section>`;
}

function Cell({ label, focus, onInput, ...rest }) {
  const input = useRef(null);
  useEffect(() => {
    if (focus) input.current.focus();
  }, []);
  return html`<input ref=${input} aria-label=${label} spellcheck=${false} autocomplete="off" onInput=${(event) => onInput(event.target.value)} ...${rest} />`;
}

function Served({ data }) {
  const nothing = !data.models.length && !data.patterns.length;
  return html`<section class="card" aria-labelledby="served-by">
    <h2 id="served-by">${t("served")}</h2>
    ${nothing && html`<${Empty} title=${t("served.none")}><p><a href=${href("accounts")}>${t("start.add_account")}</a></p><//>`}
    ${data.models.length > 0 && html`<table>
      <thead><tr><th scope="col">${t("column.model")}</th><th scope="col">${t("served.by")}</th></tr></thead>
      <tbody>${data.models.map((model) => html`<tr key=${model.id}><th scope="row"><code>${model.id}</code></th><td>${model.accounts.join(", ")}</td></tr>`)}</tbody>
    </table>`}
    ${data.patterns.length > 0 && html`<div>
      <h3>${t("served.patterns")}</h3>
      <table>
        <thead><tr><th scope="col">${t("column.account")}</th><th scope="col">${t("served.pattern")}</th></tr></thead>
        <tbody>${grouped(data.patterns).map(([account, patterns]) => html`<tr key=${account}><th scope="row">${account}</th><td><code class="wrap">${patterns.join(", ")}</code></td></tr>`)}</tbody>
      </table>
    </div>`}
    ${data.maps.length > 0 && html`<div>
      <h3>${t("served.maps")}</h3>
      <table>
        <thead><tr><th scope="col">${t("column.account")}</th><th scope="col">${t("served.asked")}</th><th scope="col">${t("column.used")}</th></tr></thead>
        <tbody>${data.maps.map((map) => html`<tr key=${map.account + map.pattern}><th scope="row">${map.account}</th><td><code>${map.pattern}</code></td><td><code>${map.model}</code></td></tr>`)}</tbody>
      </table>
    </div>`}
  </section>`;
}

function grouped(patterns) {
  const accounts = new Map();
  for (const { account, pattern } of patterns) accounts.set(account, [...(accounts.get(account) ?? []), pattern]);
  return [...accounts];
}
