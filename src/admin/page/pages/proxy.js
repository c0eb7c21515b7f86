// The Proxy page: the state, the settings of the port, and how clients are pointed at it.

import { call } from "../api.js";
import { long, moment } from "../format.js";
import { t } from "../i18n/index.js";
import { learn } from "../live.js";
import { Facts, Problem, Warning, html, useAction, useLoad, useNow } from "../ui.js";
import { useState } from "../vendor/hooks.js";
import { Clients } from "./clients.js";
import { Key } from "./key.js";
import { Settings } from "./settings.js";
import { Try } from "./try.js";

const FIRST_MODEL = "gemini-3-flash";

export function Proxy({ status }) {
  const version = status.config.loaded;
  const models = useLoad("/api/models", { version });
  const key = useLoad("/api/key", { version });
  const [shown, show] = useState(false);
  const [model, choose] = useState(null);
  const served = models.data?.models.map((each) => each.id) ?? [];
  const first = served.includes(FIRST_MODEL) || !served.length ? FIRST_MODEL : served[0];
  const asked = { model: model ?? first, choose, served };
  return html`
    <${Overview} status=${status} />
    <div class="columns uneven">
      <div class="stack">
        <${Settings} status=${status} />
        <${Key} status=${status} loaded=${key} shown=${shown} show=${show} />
      </div>
      <div class="stack">
        <${Clients} status=${status} asked=${asked} secret=${key.data?.key ?? null} shown=${shown} />
        <${Try} status=${status} asked=${asked} />
      </div>
    </div>
  `;
}

function Overview({ status }) {
  const reload = useAction(() => call("POST", "/api/reload").then(learn));
  const now = useNow();
  const { accounts, config, proxy } = status;
  const uptime = status.started && long(Math.max(0, Math.floor((now - new Date(status.started)) / 1000)));
  return html`<section class="card" aria-label=${t("overview")}>
    <${Facts} of=${[
      [t("overview.address"), proxy.address ?? t("overview.closed")],
      proxy.lan_address && proxy.address && [t("overview.lan"), `${proxy.lan_address}:${proxy.port}`],
      status.started && [t("overview.since"), html`<span title=${moment(status.started)}>${uptime}</span>`],
      [t("overview.accounts"), t("overview.available", accounts)],
      [t("overview.open"), String(status.requests.open)],
      status.hedges.after !== "off" && [t("overview.hedges"), t("overview.hedged", status.hedges)],
      [t("overview.auth"), t(`auth.${proxy.effective_auth}`)],
    ]} />
    ${status.demo && html`<p class="dim">${t("overview.demo")}</p>`}
    ${status.warnings.map((text) => html`<${Warning} key=${text} live><p>${text}</p><//>`)}
    ${config.error && html`<${Warning} live><p>${t("config.stale")}</p><p class="hint">${config.error}</p><//>`}
    <div class="row spread">
      <span class="dim wrap">${config.path ? html`${t("config.file")} <code>${config.path}</code>` : t("config.none")}</span>
      <button type="button" onClick=${() => reload.run()} disabled=${reload.busy}>${t("reload")}</button>
    </div>
    <${Problem} error=${reload.error} onClose=${reload.clear} />
  </section>`;
}
