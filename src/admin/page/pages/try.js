// A real request through the proxy port, and what came of it.

import { call } from "../api.js";
import { duration } from "../format.js";
import { t } from "../i18n/index.js";
import { href } from "../route.js";
import { Facts, Field, Problem, Select, html, useAction } from "../ui.js";
import { useState } from "../vendor/hooks.js";

const DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini"];

export function Try({ status, asked }) {
  const [dialect, speak] = useState(DIALECTS[0]);
  const [prompt, say] = useState(t("try.hello"));
  const [answer, hear] = useState(null);
  const send = useAction(async () => {
    hear(null);
    hear(await call("POST", "/api/try", { dialect, model: asked.model, prompt }));
  });
  const running = status.state === "running";
  const submit = (event) => {
    event.preventDefault();
    if (running && !send.busy) send.run();
  };
  return html`<section class="card" aria-labelledby="try">
    <h2 id="try">${t("try")}</h2>
    <form onSubmit=${submit}>
      <div class="pair">
        <${Field} label=${t("dialect")}>
          ${(id) => html`<${Select} id=${id} value=${dialect} onChange=${speak} options=${DIALECTS.map((each) => [each, t(`dialect.${each}`)])} />`}
        <//>
        <${Field} label=${t("model")}>
          ${(id) => html`<input id=${id} spellcheck=${false} autocomplete="off" value=${asked.model} onInput=${(event) => asked.choose(event.target.value)} />`}
        <//>
      </div>
      <${Field} label=${t("try.prompt")}>
        ${(id) => html`<textarea id=${id} rows="2" value=${prompt} onInput=${(event) => say(event.target.value)}></textarea>`}
      <//>
      <div class="row">
        <button type="submit" class="primary" disabled=${!running || send.busy || !prompt.trim() || !asked.model.trim()}>
          ${send.busy ? t("try.waiting") : t("try.send")}
        </button>
        <span class="dim">${running ? t("try.costs") : t("try.stopped")}</span>
      </div>
    </form>
    <${Problem} error=${send.error} onClose=${send.clear} />
    <div class="said-live" aria-live="polite">${answer && html`<${Answer} of=${answer} />`}</div>
  </section>`;
}

function Answer({ of }) {
  return html`<div class="answer">
    ${of.error
      ? html`<div class="note bad"><div class="note-text"><p>${of.error}</p></div></div>`
      : html`<blockquote class="said">${of.text}</blockquote>`}
    <${Facts} of=${[
      [t("column.status"), String(of.status ?? t("none"))],
      [t("column.account"), of.account],
      [t("column.model"), of.model],
      [t("column.first_byte"), duration(of.first_byte_ms)],
      [t("column.total"), duration(of.total_ms)],
    ]} />
    <p><a href=${href("monitor")}>${t("try.monitor")}</a></p>
  </div>`;
}
