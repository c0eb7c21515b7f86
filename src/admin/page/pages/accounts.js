// The Accounts page: how each account is, what it does, and what its owner can do about it.

import { call } from "../api.js";
import { duration, left, moment, number, short } from "../format.js";
import { has, t } from "../i18n/index.js";
import { href } from "../route.js";
import { Confirm, Empty, Facts, Problem, announce, html, useAction, useLoad, useNow } from "../ui.js";
import { useId, useState } from "../vendor/hooks.js";
import { AccountForm } from "./account_form.js";

export function Accounts() {
  const { data, error, reload } = useLoad("/api/accounts", { every: 3000 });
  // `new`, or the account that is changed or deleted.
  const [open, setOpen] = useState(null);
  const close = () => setOpen(null);
  const done = () => {
    close();
    reload();
  };
  return html`
    <div class="row spread">
      <p class="dim">${data && t("accounts.count", { count: data.accounts.length })}</p>
      <button type="button" class="primary" onClick=${() => setOpen({ form: null })}>${t("accounts.add")}</button>
    </div>
    <${Problem} error=${error} />
    ${data?.accounts.length === 0 && html`<${Empty} title=${t("accounts.none")}>
      <p>${t("accounts.none.help")}</p>
    <//>`}
    <ul class="accounts">
      ${data?.accounts.map((account) => html`<${Account} key=${account.name} account=${account} reload=${reload}
        change=${() => setOpen({ form: account })} remove=${() => setOpen({ remove: account })} />`)}
    </ul>
    ${open && "form" in open && html`<${AccountForm} account=${open.form} onClose=${close} onDone=${done} />`}
    ${open?.remove && html`<${Confirm} danger title=${t("account.delete.title", { name: open.remove.name })}
      text=${t("account.delete.text")} action=${t("account.delete")} onClose=${close}
      onConfirm=${() => call("DELETE", path(open.remove)).then(done)} />`}
  `;
}

const path = (account, verb = "") => `/api/accounts/${encodeURIComponent(account.name)}${verb}`;

function Account({ account, reload, change, remove }) {
  // A name may hold spaces, so it is no id.
  const id = useId();
  const [tested, setTested] = useState(null);
  const test = useAction(async () => {
    setTested(null);
    const result = await call("POST", path(account, "/test"), {});
    setTested(result);
    announce(`${account.name}: ${result.ok ? t("account.test.ok") : t("account.test.failed")}`);
  });
  const reset = useAction(() => call("POST", path(account, "/reset")).then(reload));
  const toggle = useAction(() => call("PATCH", path(account), { enabled: !account.enabled }).then(reload));
  const cooling = ["resting", "limited", "rejected"].includes(account.health) || account.resting_models.length > 0;
  const own = account.from === "file";
  return html`<li class="card account" aria-labelledby=${id}>
    <div class="account-head">
      <h2 id=${id}>${account.name}</h2>
      <span class="badge" data-health=${account.health}>${t(`health.${account.health}`)}</span>
      <span class="dim">${account.provider}${account.dispatch !== "pooled" ? ` · ${account.dispatch}` : ""}</span>
      ${account.from !== "file" && html`<span class="tag">${t(`account.from.${account.from}`)}</span>`}
      <span class="grow"></span>
      <div class="row tight">
        ${cooling && html`<button type="button" disabled=${reset.busy} onClick=${() => reset.run()}>${t("account.reset")}</button>`}
        <button type="button" disabled=${test.busy} onClick=${() => test.run()}>${test.busy ? t("account.testing") : t("account.test")}</button>
        ${own && html`
          <button type="button" disabled=${toggle.busy} onClick=${() => toggle.run()}>${account.enabled ? t("account.disable") : t("account.enable")}</button>
          <button type="button" onClick=${change}>${t("account.change")}</button>
          <button type="button" class="danger-text" onClick=${remove}>${t("account.delete")}</button>`}
      </div>
    </div>
    <${Health} account=${account} />
    <${Facts} of=${[
      [t("account.in_flight"), account.max_concurrency ? `${account.in_flight} / ${account.max_concurrency}` : String(account.in_flight)],
      [t("account.served"), html`<a href=${href("monitor", null, { account: account.name })}>${number(account.tally.served)}</a>`],
      [t("account.limited"), number(account.tally.limited)],
      [t("account.failed"), number(account.tally.failed + account.tally.refused)],
      [t("column.input"), html`${short(account.tokens.input)}${account.tokens.cached > 0 && html` <span class="dim">${t("cached", { count: short(account.tokens.cached) })}</span>`}`],
      [t("column.output"), short(account.tokens.output)],
      [t("account.models"), html`<span class="wrap">${account.models.join(", ")}</span>`],
    ]} />
    ${account.limits.length > 0 && html`<${Limits} of=${account.limits} />`}
    ${tested && html`<${Tested} result=${tested} onClose=${() => setTested(null)} />`}
    <${Problem} error=${test.error ?? reset.error ?? toggle.error} onClose=${() => [test, reset, toggle].forEach((each) => each.clear())} />
  </li>`;
}

/** Why the account rests, and the clock until it is asked again; then the models that rest alone. */
function Health({ account }) {
  const now = useNow();
  const clock = (until) => until && new Date(until) > now && html` <span title=${moment(until)}>${t("account.back", { clock: left(until, now) })}</span>`;
  if (!account.reason && !account.resting_models.length) return null;
  return html`<div class="health">
    ${account.reason && html`<p>${account.reason}${clock(account.until)}</p>`}
    ${account.resting_models.map((resting) => html`<p key=${resting.model}>
      <span class="badge" data-health=${resting.health}>${t(`health.${resting.health}`)}</span>
      ${" "}<code>${resting.model}</code>${" "}${resting.reason}${clock(resting.until)}
    </p>`)}
  </div>`;
}

/** What the provider's rate-limit headers said last. */
function Limits({ of }) {
  const now = useNow();
  return html`<ul class="limits" aria-label=${t("account.limits")}>
    ${of.map((limit) => html`<li key=${`${limit.model} ${limit.what}`}>
      <code>${limit.model}</code>
      <span>${has(`limit.${limit.what}`) ? t(`limit.${limit.what}`) : limit.what}</span>
      <meter min="0" max=${limit.limit || 1} low=${limit.limit * 0.15} value=${limit.remaining} aria-label=${`${limit.model} ${limit.what}`}></meter>
      <span>${t("limit.left", { remaining: short(limit.remaining), limit: short(limit.limit) })}</span>
      ${limit.resets && new Date(limit.resets) > now && html`<span class="dim">${t("limit.resets", { clock: left(limit.resets, now) })}</span>`}
    </li>`)}
  </ul>`;
}

function Tested({ result, onClose }) {
  const time = result.total_ms === null ? "" : ` · ${duration(result.total_ms)}`;
  return html`<div class=${`note ${result.ok ? "good" : "bad"}`}>
    <div class="note-text">
      <p>${result.ok ? t("account.test.ok") : t("account.test.failed")}${result.status ? ` · ${result.status}` : ""}${time}${result.model ? ` · ${result.model}` : ""}</p>
      ${result.message && html`<p class="hint">${result.message}</p>`}
    </div>
    <button type="button" class="plain" onClick=${onClose}>${t("dismiss")}</button>
  </div>`;
}
