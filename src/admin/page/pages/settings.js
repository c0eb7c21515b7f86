// The settings of the config: the port's at hand, the others below; changed together, refused together.

import { call } from "../api.js";
import { has, t } from "../i18n/index.js";
import { learn } from "../live.js";
import { Field, Problem, Select, Switch, Warning, announce, html, useAction, useLoad } from "../ui.js";
import { useId, useState } from "../vendor/hooks.js";

const AUTH_MODES = ["auto", "off", "all_except_health", "strict"];

/** Every other key that can be changed here, where the gateway has it: its kind, and what it may be. */
const MORE = [
  ["pool.scheduling", "choice", ["cache_first", "balance", "performance_first"]],
  ["pool.max_attempts", "number"],
  ["pool.max_concurrency", "number"],
  ["pool.queue.size", "number"],
  ["pool.queue.wait", "text"],
  ["pool.hedge.after", "text"],
  ["pool.hedge.budget", "text"],
  ["proxy.strict", "truth"],
  ["proxy.expose_routing", "truth"],
  ["proxy.max_body", "text"],
  ["proxy.timeouts.connect", "text"],
  ["proxy.timeouts.first_byte", "text"],
  ["proxy.timeouts.idle", "text"],
  ["proxy.timeouts.drain", "text"],
  ["proxy.keepalive", "text"],
  ["monitor.enabled", "truth"],
  ["monitor.bodies", "truth"],
  ["monitor.retention.days", "number"],
  ["monitor.retention.rows", "number"],
  ["monitor.retention.size", "text"],
];

export function Settings({ status }) {
  const loaded = useLoad("/api/config", { version: status.config.loaded });
  const { data: config } = loaded;
  const [draft, edit] = useState({});
  const save = useAction(async () => {
    const answer = await call("PATCH", "/api/config", draft);
    loaded.set(answer.config);
    learn(answer.status);
    edit({});
    announce(t("settings.applied"));
  });
  if (!config) return html`<section class="card"><h2>${t("settings")}</h2><${Problem} error=${loaded.error} /></section>`;

  const written = (key) => key.split(".").reduce((part, name) => part?.[name], config.values);
  const form = {
    value: (key) => (key in draft ? draft[key] : written(key)),
    set: (key, value) => {
      const { [key]: _, ...rest } = draft;
      edit(value === written(key) ? rest : { ...rest, [key]: value });
    },
    fixed: (key) => config.overridden[key],
    wrong: (key) => (save.error?.message.includes(key) ? save.error.message : null),
  };
  const apply = (event) => {
    event.preventDefault();
    if (Object.keys(draft).length && !save.busy) save.run();
  };
  const changed = Object.keys(draft).length;
  return html`<section class="card" aria-labelledby="settings">
    <h2 id="settings">${t("settings")}</h2>
    <form onSubmit=${apply} novalidate>
      <${Port} status=${status} form=${form} />
      <${Lan} status=${status} form=${form} />
      <${Auth} form=${form} />
      <details class="more">
        <summary>${t("settings.more")}</summary>
        <div class="pair">
          ${MORE.map(([key, kind, options]) => written(key) !== undefined && html`<${Other} key=${key} name=${key} kind=${kind} options=${options} form=${form} />`)}
        </div>
      </details>
      <${Problem} error=${save.error} onClose=${save.clear} />
      <div class="row end">
        ${changed > 0 && html`<span class="dim">${t("settings.changed", { count: changed })}</span>`}
        <button type="button" disabled=${!changed || save.busy} onClick=${() => (edit({}), save.clear())}>${t("discard")}</button>
        <button type="submit" class="primary" disabled=${!changed || save.busy || !config.writable}>${t("apply")}</button>
      </div>
      ${!config.writable && html`<p class="help">${t("settings.read_only")}</p>`}
    </form>
  </section>`;
}

function Port({ status, form }) {
  const running = status.state !== "stopped";
  const fixed = form.fixed("proxy.port");
  const help = fixed ? t("settings.fixed", { by: fixed }) : running ? t("port.running") : t("port.help");
  return html`<${Field} label=${t("port")} help=${help} wrong=${form.wrong("proxy.port")}>
    ${(id, about) => html`<input id=${id} aria-describedby=${about} type="number" class="number" min="0" max="65535" inputmode="numeric"
      disabled=${running || !!fixed} value=${form.value("proxy.port")}
      onInput=${(event) => form.set("proxy.port", event.target.value === "" ? "" : Number(event.target.value))} />`}
  <//>`;
}

function Lan({ status, form }) {
  const open = form.value("proxy.allow_lan_access");
  const mode = form.value("proxy.auth_mode");
  const naked = open && mode === "off";
  const fixed = form.fixed("proxy.allow_lan_access");
  const { address, lan_address: lan, port } = status.proxy;
  const help = fixed ? t("settings.fixed", { by: fixed }) : open && lan && address ? t("lan.at", { url: `http://${lan}:${port}` }) : t("lan.help");
  return html`<div>
    <${Switch} label=${t("lan")} help=${help} checked=${open} disabled=${!!fixed}
      onChange=${(on) => form.set("proxy.allow_lan_access", on)} />
    <div role="status" class="below">
      ${naked && html`<${Warning}>
        <p>${t("lan.open")}</p>
        <p><button type="button" onClick=${() => form.set("proxy.auth_mode", "all_except_health")}>${t("lan.guard")}</button></p>
      <//>`}
    </div>
  </div>`;
}

function Auth({ form }) {
  const name = useId();
  const mode = form.value("proxy.auth_mode");
  const fixed = form.fixed("proxy.auth_mode");
  const meant = form.value("proxy.allow_lan_access") ? "all_except_health" : "off";
  return html`<fieldset class="modes" disabled=${!!fixed}>
    <legend>${t("auth")}</legend>
    ${AUTH_MODES.map((each) => html`<div key=${each} class="mode">
      <input type="radio" id=${name + each} name=${name} value=${each} checked=${each === mode}
        aria-describedby=${`${name + each}h`} onChange=${() => form.set("proxy.auth_mode", each)} />
      <label for=${name + each}>${t(`auth.${each}`)}</label>
      <p class="help" id=${`${name + each}h`}>${t(`auth.${each}.help`, { meant: t(`auth.${meant}`) })}</p>
    </div>`)}
    ${fixed && html`<p class="help">${t("settings.fixed", { by: fixed })}</p>`}
  </fieldset>`;
}

/** A key of little use day by day; empty means its default. */
function Other({ name, kind, options, form }) {
  const fixed = form.fixed(name);
  const help = fixed ? t("settings.fixed", { by: fixed }) : has(`key.${name}.help`) ? t(`key.${name}.help`) : null;
  const value = form.value(name);
  if (kind === "truth") {
    return html`<${Switch} label=${t(`key.${name}`)} help=${help} checked=${value} disabled=${!!fixed} onChange=${(on) => form.set(name, on)} />`;
  }
  const typed = (text) => form.set(name, text.trim() === "" ? null : kind === "number" && /^\d+$/.test(text) ? Number(text) : text);
  return html`<${Field} label=${t(`key.${name}`)} help=${help} wrong=${form.wrong(name)}>
    ${(id, about) => kind === "choice"
      ? html`<${Select} id=${id} value=${value} options=${options.map((each) => [each, each])} disabled=${!!fixed} onChange=${typed} />`
      : html`<input id=${id} aria-describedby=${about} class="number" value=${value ?? ""} disabled=${!!fixed}
          inputmode=${kind === "number" ? "numeric" : null} onInput=${(event) => typed(event.target.value)} />`}
  <//>`;
}
