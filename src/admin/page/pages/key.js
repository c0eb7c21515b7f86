// The key that clients send: shown, copied, changed and made anew.

import { call } from "../api.js";
import { t } from "../i18n/index.js";
import { Confirm, Copy, Field, Problem, announce, html, useAction } from "../ui.js";
import { useState } from "../vendor/hooks.js";

/** Why this is not a key, as the gateway would say it; `null` when it is one. */
export function wrongKey(key) {
  if (!key.startsWith("sk-")) return t("key.begin");
  if (new TextEncoder().encode(key).length < 10) return t("key.length");
  return null;
}

export function Key({ status, loaded, shown, show }) {
  const { data, error } = loaded;
  const [draft, edit] = useState(null);
  const [asking, ask] = useState(false);
  const save = useAction(async (body) => {
    loaded.set(await call("POST", "/api/key", body));
    edit(null);
    announce(t("key.saved"));
  });
  const regenerate = async () => {
    loaded.set(await call("POST", "/api/key", {}));
    edit(null);
    ask(false);
    announce(t("key.saved"));
  };
  const key = draft ?? data?.key ?? "";
  const wrong = draft === null || draft === data?.key ? null : wrongKey(draft);
  const changed = draft !== null && draft !== (data?.key ?? "");
  const submit = (event) => {
    event.preventDefault();
    if (changed && !wrong && !save.busy) save.run({ key: draft });
  };
  return html`<section class="card" aria-labelledby="key">
    <h2 id="key">${t("key")}</h2>
    <${Problem} error=${error} />
    ${data && html`<form onSubmit=${submit}>
      <${Field} label=${t("key.label")} wrong=${wrong} help=${help(data, status)}>
        ${(id, about) => html`<input id=${id} class="key" type=${shown ? "text" : "password"} autocomplete="off" spellcheck=${false}
          aria-describedby=${about} aria-invalid=${wrong ? "true" : null} placeholder="sk-…" value=${key}
          onInput=${(event) => edit(event.target.value)} />`}
      <//>
      <div class="row">
        <button type="button" aria-pressed=${shown} onClick=${() => show(!shown)}>${shown ? t("key.hide") : t("key.show")}</button>
        ${data.key && html`<${Copy} text=${() => data.key} what=${t("key.label")} />`}
        <button type="button" onClick=${() => ask(true)}>${data.key ? t("key.regenerate") : t("key.make")}</button>
        ${changed && html`<span class="grow"></span>
          <button type="button" onClick=${() => edit(null)}>${t("discard")}</button>
          <button type="submit" class="primary" disabled=${!!wrong || save.busy}>${t("key.use")}</button>`}
      </div>
      <${Problem} error=${save.error} onClose=${save.clear} />
    </form>`}
    ${asking && html`<${Confirm} title=${t("key.regenerate.title")} text=${t("key.regenerate.text")}
      action=${t("key.regenerate")} onClose=${() => ask(false)} onConfirm=${regenerate} />`}
  </section>`;
}

function help(data, status) {
  const needed = status.proxy.effective_auth === "off" ? t("key.not_needed") : t("key.needed");
  return `${t(`key.source.${data.source}`)} ${needed}`;
}
