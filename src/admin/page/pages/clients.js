// How a client is pointed at the gateway: base URLs, and lines to copy for each of them.

import { t } from "../i18n/index.js";
import { CLIENTS } from "../snippets.js";
import { Choice, Copy, Field, html } from "../ui.js";
import { useId, useRef, useState } from "../vendor/hooks.js";

const ANY_KEY = "sk-anything";

export function Clients({ status, asked, secret, shown }) {
  const [client, choose] = useState(CLIENTS[0].id);
  const [place, reach] = useState("here");
  const tabs = useId();
  const lan = status.proxy.allow_lan_access ? status.proxy.lan_address : null;
  const urls = lan && place === "lan" ? elsewhere(status.base_urls, lan) : status.base_urls;
  const needed = status.proxy.effective_auth !== "off";
  const use = { ...urls, model: asked.model, key: needed ? (secret ?? "sk-…") : ANY_KEY };
  // The key is hidden here as long as it is hidden beside; what is copied has it.
  const seen = needed && !shown ? { ...use, key: "sk-••••••" } : use;
  const { parts } = CLIENTS.find((each) => each.id === client);
  const copied = parts(use);
  return html`<section class="card" aria-labelledby="clients">
    <h2 id="clients">${t("clients")}</h2>
    <dl class="urls">
      ${["openai", "anthropic", "gemini"].map((dialect) => html`<div key=${dialect}>
        <dt>${t(`clients.${dialect}`)}</dt>
        <dd><code>${urls[dialect]}</code><${Copy} text=${() => urls[dialect]} what=${t("clients.url", { dialect: t(`clients.${dialect}`) })} /></dd>
      </div>`)}
    </dl>
    ${lan && html`<${Choice} label=${t("clients.from")} value=${place} onChange=${reach} options=${[["here", t("clients.here")], ["lan", t("clients.lan")]]} />`}
    <${Field} label=${t("model")}>
      ${(id) => html`<input id=${id} list=${`${tabs}models`} spellcheck=${false} autocomplete="off" value=${asked.model}
        onInput=${(event) => asked.choose(event.target.value)} />
        <datalist id=${`${tabs}models`}>${asked.served.map((name) => html`<option key=${name} value=${name} />`)}</datalist>`}
    <//>
    <${Tabs} id=${tabs} chosen=${client} choose=${choose} />
    <div role="tabpanel" id=${`${tabs}panel`} aria-labelledby=${tabs + client} class="snippets">
      ${parts(seen).map((part, at) => html`<div key=${client + at} class="snippet">
        <div class="snippet-head">
          <span class="dim">${part.file ?? part.install ?? t("clients.shell")}</span>
          <${Copy} text=${() => copied[at].code} what=${part.file ?? CLIENTS.find((each) => each.id === client).name} />
        </div>
        <pre tabindex="0"><code>${part.code}</code></pre>
      </div>`)}
      <p class="help">${needed ? t("clients.key_copied") : t("clients.any_key")}</p>
    </div>
  </section>`;
}

/** As other machines say it. */
function elsewhere(urls, lan) {
  return Object.fromEntries(Object.entries(urls).map(([dialect, text]) => {
    const url = new URL(text);
    url.hostname = lan;
    return [dialect, url.href.replace(/\/$/, "")];
  }));
}

/** One stop of the keyboard; the arrow keys go from tab to tab. */
function Tabs({ id, chosen, choose }) {
  const list = useRef(null);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = CLIENTS.findIndex((each) => each.id === chosen);
    const next = CLIENTS.at((at + step) % CLIENTS.length);
    choose(next.id);
    list.current.children[CLIENTS.indexOf(next)].focus();
  };
  return html`<div role="tablist" class="tabs" aria-label=${t("clients")} ref=${list} onKeyDown=${move}>
    ${CLIENTS.map((client) => html`<button key=${client.id} type="button" role="tab" id=${id + client.id}
      aria-selected=${client.id === chosen} aria-controls=${`${id}panel`} tabindex=${client.id === chosen ? 0 : -1}
      onClick=${() => choose(client.id)}>${client.name}</button>`)}
  </div>`;
}
