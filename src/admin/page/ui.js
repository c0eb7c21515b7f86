// The building blocks that the pages share: loading, acting, problems, dialogs, fields.

import { ApiError, call } from "./api.js";
import { t } from "./i18n/index.js";
import { deny, useLive } from "./live.js";
import { useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";
import { h } from "./vendor/preact.js";

export const html = htm.bind(h);

/** Says it to a screen reader. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** What is to be shown of an error; a refused token leads to the form for one, and an abort is nothing. */
function problem(error) {
  if (error.name === "AbortError") return null;
  if (error instanceof ApiError && error.status === 401) deny(true);
  if (!(error instanceof ApiError)) console.error(error);
  return error;
}

/**
 * What `GET path` answers, asked again when the path changes, after a lost connection, on `reload()`, every `every` ms, and
 * when `version` is another one.
 */
export function useLoad(path, { every, version } = {}) {
  const [state, setState] = useState({ data: null, error: null });
  const [turn, again] = useState(0);
  const connected = useLive().connection === "live";
  useEffect(() => {
    if (!connected) return undefined;
    const leaving = new AbortController();
    const load = () =>
      call("GET", path, undefined, leaving.signal).then(
        (data) => setState({ data, error: null }),
        (error) => !leaving.signal.aborted && setState((old) => ({ data: old.data, error: problem(error) })),
      );
    load();
    const timer = every && setInterval(() => document.hidden || load(), every);
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, [path, turn, every, version, connected]);
  const reload = useCallback(() => again((count) => count + 1), []);
  const set = useCallback((data) => setState({ data, error: null }), []);
  return { ...state, reload, set };
}

/** An action that the owner starts: whether it runs, and what went wrong. */
export function useAction(act) {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (...values) => {
    setState({ busy: true, error: null });
    try {
      const result = await act(...values);
      setState({ busy: false, error: null });
      return result;
    } catch (error) {
      setState({ busy: false, error: problem(error) });
      return undefined;
    }
  };
  return { run, busy: state.busy, error: state.error, clear: () => setState({ busy: false, error: null }) };
}

/** The time, told anew every second while somebody looks. */
export function useNow() {
  const [now, tick] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => tick(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** An error with its hint, where it happened. */
export function Problem({ error, onClose, children }) {
  const note = useRef(null);
  useEffect(() => note.current?.scrollIntoView({ block: "nearest" }), [error]);
  if (!error) return null;
  const message = error.status === 0 ? t("error.unreachable") : error.message;
  return html`<div class="note bad" role="alert" ref=${note}>
    <div class="note-text">
      <p>${message}</p>
      ${error.hint && html`<p class="hint">${error.hint}</p>`}
      ${children}
    </div>
    ${onClose && html`<button type="button" class="plain" onClick=${onClose}>${t("dismiss")}</button>`}
  </div>`;
}

export const Warning = ({ children, live }) =>
  html`<div class="note warn" role=${live ? "status" : null}><div class="note-text">${children}</div></div>`;

/** What stands in the place of something that is not there yet. */
export const Empty = ({ title, children }) =>
  html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;

/** Copies `text()` and says that it did. */
export function Copy({ text, label, what }) {
  const [done, setDone] = useState(null);
  useEffect(() => {
    const timer = done !== null && setTimeout(() => setDone(null), 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    const copied = await navigator.clipboard.writeText(text()).then(() => true, () => false);
    setDone(copied);
    announce(copied ? t("copied") : t("copy.failed"));
  };
  const shown = done === null ? (label ?? t("copy")) : done ? t("copied") : t("copy.failed");
  return html`<button type="button" class="copy" onClick=${copy} aria-label=${what && t("copy.what", { what })}>
    ${shown}
  </button>`;
}

/** A modal dialog, which Escape closes; `side` stands it at the right edge, and a click beside it closes it as well. */
export function Dialog({ title, side, onClose, children }) {
  const dialog = useRef(null);
  const name = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown.showModal();
    return () => {
      if (shown.open) shown.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const cancel = (event) => {
    if (event.target !== dialog.current) return;
    event.preventDefault();
    onClose();
  };
  const beside = (event) => side && event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} class=${side ? "side" : ""} aria-labelledby=${name} onCancel=${cancel} onMouseDown=${beside}>
    <div class="dialog">
      <header class="dialog-head">
        <h2 id=${name}>${title}</h2>
        <button type="button" class="plain" onClick=${onClose}>${t("close")}</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, text, action, danger, onClose, onConfirm }) {
  const confirm = useAction(onConfirm);
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p>${text}</p>
    <${Problem} error=${confirm.error} />
    <div class="row end">
      <button type="button" onClick=${onClose}>${t("cancel")}</button>
      <button type="button" class=${danger ? "danger" : "primary"} disabled=${confirm.busy} onClick=${() => confirm.run()}>
        ${action}
      </button>
    </div>
  <//>`;
}

/** A label, its input (made by `children(id, describedBy)`), what it means and what is wrong with it. */
export function Field({ label, help, wrong, note, children }) {
  const id = useId();
  const about = [help && `${id}h`, wrong && `${id}w`, note && `${id}n`].filter(Boolean).join(" ") || null;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children(id, about)}
    ${help && html`<p class="help" id=${`${id}h`}>${help}</p>`}
    ${note && html`<p class="help" id=${`${id}n`}>${note}</p>`}
    ${wrong && html`<p class="wrong" id=${`${id}w`}>${wrong}</p>`}
  </div>`;
}

/** A switch with its label. */
export function Switch({ label, help, checked, disabled, onChange }) {
  const id = useId();
  return html`<div class="switch-row">
    <input id=${id} type="checkbox" role="switch" class="switch" checked=${checked} disabled=${disabled}
      aria-describedby=${help ? `${id}h` : null} onChange=${(event) => onChange(event.target.checked)} />
    <div>
      <label for=${id}>${label}</label>
      ${help && html`<p class="help" id=${`${id}h`}>${help}</p>`}
    </div>
  </div>`;
}

/** One of a few: radio buttons that look like one control. */
export function Choice({ label, options, value, onChange }) {
  const name = useId();
  return html`<fieldset class="choice">
    <legend class="unseen">${label}</legend>
    ${options.map(([option, text]) => html`<label key=${option}>
      <input type="radio" name=${name} value=${option} checked=${option === value} onChange=${() => onChange(option)} />
      <span>${text}</span>
    </label>`)}
  </fieldset>`;
}

export const Select = ({ id, value, options, onChange, ...rest }) =>
  html`<select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)} ...${rest}>
    ${options.map(([option, text]) => html`<option key=${option} value=${option} selected=${option === value}>${text}</option>`)}
  </select>`;

/** Terms and what they are. */
export const Facts = ({ of }) =>
  html`<dl class="facts">
    ${of.filter(Boolean).map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd>${value ?? t("none")}</dd></div>`)}
  </dl>`;
