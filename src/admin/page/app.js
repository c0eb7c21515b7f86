// What frames every page: the token, the way between pages, the state with Start and Stop, and lost connections.

import { call, hasToken, keepToken, takeToken } from "./api.js";
import { has, t } from "./i18n/index.js";
import { connect, deny, learn, retryNow, useLive } from "./live.js";
import { Accounts } from "./pages/accounts.js";
import { Models } from "./pages/models.js";
import { Monitor } from "./pages/monitor.js";
import { Proxy } from "./pages/proxy.js";
import { Usage } from "./pages/usage.js";
import { PAGES, href, useRoute } from "./route.js";
import { Field, Problem, announce, html, useAction, useNow } from "./ui.js";
import { useEffect, useRef, useState } from "./vendor/hooks.js";
import { render } from "./vendor/preact.js";

const VIEWS = { proxy: Proxy, accounts: Accounts, monitor: Monitor, usage: Usage, models: Models };

function App() {
  const live = useLive();
  const route = useRoute();
  if (live.connection === "denied") return html`<${Gate} refused=${live.refused} />`;
  const View = VIEWS[route.page];
  return html`
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <${Top} live=${live} page=${route.page} />
    <main id="main" tabindex="-1">
      <${Title} page=${route.page} />
      ${live.status ? html`<${View} status=${live.status} route=${route} />` : html`<p class="dim" aria-busy="true">${t("loading")}</p>`}
    </main>
    <footer class="foot">${live.status && html`<span>Levity ${live.status.version}</span>`}</footer>
  `;
}

/** A link to a fragment would be taken for a page. */
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

/** The page's heading; it gets the focus when another page is chosen, so that a screen reader follows. */
function Title({ page }) {
  const heading = useRef(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${t(`page.${page}`)} – Levity`;
    if (!first.current) heading.current.focus({ preventScroll: true });
    if (!first.current) scrollTo(0, 0);
    first.current = false;
  }, [page]);
  return html`<h1 ref=${heading} tabindex="-1">${t(`page.${page}`)}</h1>`;
}

function Top({ live, page }) {
  const start = useAction(() => call("POST", "/api/start").then(learn));
  const stop = useAction(() => call("POST", "/api/stop", {}).then(learn));
  const error = start.error ?? stop.error;
  const clear = () => [start, stop].forEach((action) => action.clear());
  // Whatever was refused, it was refused as things stood then.
  useEffect(clear, [live.status?.state, live.status?.accounts.active]);
  return html`<header class="top">
    <div class="bar">
      <a class="brand" href=${href("proxy")} aria-label="Levity">
        <img src="/assets/icon.svg" alt="" width="24" height="24" /><span>Levity</span>
      </a>
      <nav aria-label=${t("pages")}>
        ${PAGES.map((name) => html`<a key=${name} href=${href(name)} aria-current=${name === page ? "page" : null}>${t(`page.${name}`)}</a>`)}
      </nav>
      <div class="steer">
        <${Theme} />
        ${live.status && html`<${State} live=${live} />`}
        ${live.status && html`<${Steer} live=${live} start=${start} stop=${stop} clear=${clear} />`}
      </div>
    </div>
    ${live.connection === "lost" && html`<${Lost} at=${live.retryAt} />`}
    ${live.connection === "live" && live.status?.state === "stopping" && html`<${Draining} status=${live.status} />`}
    ${error && html`<div class="band"><${Problem} error=${error} onClose=${clear}>
      ${error.status === 409 && live.status?.accounts.active === 0 && html`<p><a href=${href("accounts")}>${t("start.add_account")}</a></p>`}
    <//></div>`}
  </header>`;
}

/** The state and, beside it, how many accounts are active; each change is said once. */
function State({ live }) {
  const { state, accounts } = live.status;
  const lost = live.connection === "lost";
  const said = useRef(state);
  useEffect(() => {
    if (said.current !== state) announce(`${t(`state.${state}`)}, ${t("accounts.active", { count: accounts.active })}`);
    said.current = state;
  }, [state]);
  return html`<div class="state" data-state=${lost ? "lost" : state}>
    <span class="dot" aria-hidden="true"></span>
    <span class="state-name">${lost ? t("state.lost") : t(`state.${state}`)}</span>
    <span class="state-accounts">${t("accounts.active", { count: accounts.active })}</span>
  </div>`;
}

/** One button that stays where it is, so that the keyboard's focus does too. */
function Steer({ live, start, stop, clear }) {
  const { state } = live.status;
  const stopped = state === "stopped";
  const busy = start.busy || stop.busy || state === "stopping" || live.connection !== "live";
  const press = () => {
    if (busy) return;
    clear();
    (stopped ? start : stop).run();
  };
  const label = state === "stopping" ? t("state.stopping") : stopped ? t("start") : t("stop");
  return html`<button type="button" id="steer" class=${stopped ? "primary" : ""} aria-disabled=${busy} onClick=${press}>${label}</button>`;
}

/** What still runs after Stop, and the way to end it. */
function Draining({ status }) {
  const end = useAction(() => call("POST", "/api/stop", { deadline_ms: 0 }).then(learn));
  return html`<div class="band"><div class="note warn">
    <div class="note-text">
      <p>${t("draining", { count: status.requests.open })}</p>
      <${Problem} error=${end.error} onClose=${end.clear} />
    </div>
    <button type="button" disabled=${end.busy} onClick=${() => end.run()}>${t("draining.end")}</button>
  </div></div>`;
}

function Lost({ at }) {
  const now = useNow();
  const seconds = Math.max(0, Math.ceil((at - now) / 1000));
  return html`<div class="band"><div class="note bad">
    <div class="note-text">
      <p role="alert">${t("lost")}</p>
      <p class="hint">${seconds ? t("lost.retry", { seconds }) : t("lost.trying")}</p>
    </div>
    <button type="button" onClick=${retryNow}>${t("lost.now")}</button>
  </div></div>`;
}

const THEMES = ["system", "light", "dark"];

function Theme() {
  const [theme, set] = useState(localStorage.getItem("levity-theme") ?? "system");
  const change = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    set(next);
    if (next === "system") {
      localStorage.removeItem("levity-theme");
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem("levity-theme", next);
      document.documentElement.dataset.theme = next;
    }
    dispatchEvent(new Event("levity-theme"));
    announce(t(`theme.${next}`));
  };
  const name = has(`theme.${theme}`) ? t(`theme.${theme}`) : theme;
  return html`<button type="button" class="plain theme" data-shows=${theme} aria-label=${name} title=${name} onClick=${change}>
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path class="theme-half" d="M8 1.75a6.25 6.25 0 0 1 0 12.5z" fill="currentColor" />
      <circle class="theme-full" cx="8" cy="8" r="6.25" fill="currentColor" />
    </svg>
  </button>`;
}

/** The form for the token, and which file holds it. */
function Gate({ refused }) {
  const [token, type] = useState("");
  const open = (event) => {
    event.preventDefault();
    keepToken(token.trim());
    connect();
  };
  return html`<main class="gate" id="main">
    <form onSubmit=${open}>
      <h1><img src="/assets/icon.svg" alt="" width="28" height="28" /> Levity</h1>
      <p>${t("gate.why")}</p>
      <p class="dim">${t("gate.link")}</p>
      <p class="dim">${t("gate.where")} <code>levity status</code></p>
      ${refused && html`<div class="note bad" role="alert"><div class="note-text"><p>${t("gate.refused")}</p></div></div>`}
      <${Field} label=${t("gate.token")}>
        ${(id) => html`<input id=${id} type="password" autocomplete="off" spellcheck=${false} required autofocus
          value=${token} onInput=${(event) => type(event.target.value)} />`}
      <//>
      <button type="submit" class="primary" disabled=${!token.trim()}>${t("gate.open")}</button>
    </form>
  </main>`;
}

takeToken();
addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#token=")) return;
  takeToken();
  connect();
});
render(html`<${App} />`, document.getElementById("app"));
if (hasToken()) connect();
else deny(false);
