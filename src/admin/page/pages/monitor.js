// The Monitor page: requests as they end, older ones by filters, and each in detail.

import { call, download } from "../api.js";
import { duration, moment, number, short, when } from "../format.js";
import { t } from "../i18n/index.js";
import { useLive, useRequests } from "../live.js";
import { go, href } from "../route.js";
import { Confirm, Empty, Field, Problem, Select, Warning, html, useAction, useLoad } from "../ui.js";
import { useCallback, useEffect, useRef, useState } from "../vendor/hooks.js";
import { Component } from "../vendor/preact.js";
import { RequestDetail } from "./request.js";

const PAGE = 100;
/** More rows than this are not kept on the screen; older ones are one press away. */
const KEPT = 300;
const STATUSES = ["2xx", "error", "401", "404", "429", "4xx", "5xx"];
const DIALECTS = ["openai_chat", "openai_responses", "anthropic", "gemini"];
const FILTERS = ["status", "model", "account", "dialect", "caller", "text"];

export function Monitor({ status, route }) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, route.query[name] ?? ""]));
  const [paused, pause] = useState(false);
  const [emptying, empty] = useState(false);
  const list = useRows(filters, paused);
  const save = useAction(() => exportLines(filters));
  const close = useCallback(() => go(href("monitor", null, route.query)), [route]);
  if (!status.monitor.enabled) return html`<${Empty} title=${t("monitor.off")}><p>${t("monitor.off.help")}</p><//>`;
  return html`
    ${status.monitor.dropped > 0 && html`<${Warning}><p>${t("monitor.dropped", { count: status.monitor.dropped })}</p><//>`}
    <${Filters} filters=${filters} />
    <div class="row spread">
      <button type="button" aria-pressed=${paused} onClick=${() => pause(!paused)}>${paused ? t("monitor.resume") : t("monitor.pause")}</button>
      <span class="dim grow" aria-live="polite">${paused ? t("monitor.held", { count: list.held }) : t("monitor.live")}</span>
      <button type="button" disabled=${save.busy} onClick=${() => save.run()}>${t("monitor.export")}</button>
      <button type="button" class="danger-text" onClick=${() => empty(true)}>${t("monitor.empty")}</button>
    </div>
    <${Problem} error=${list.error ?? save.error} onClose=${save.error && save.clear} />
    <${Rows} list=${list} query=${route.query} filtered=${Object.values(filters).some(Boolean)} />
    ${route.detail && html`<${RequestDetail} key=${route.detail} id=${route.detail} onClose=${close} />`}
    ${emptying && html`<${Confirm} danger title=${t("monitor.empty.title")} text=${t("monitor.empty.text")} action=${t("monitor.empty")}
      onClose=${() => empty(false)} onConfirm=${() => call("DELETE", "/api/log").then(() => (empty(false), list.reload()))} />`}
  `;
}

function query(filters, more) {
  const set = Object.entries({ ...filters, ...more }).filter(([, value]) => value !== "" && value !== null);
  return new URLSearchParams(set).toString();
}

/** The newest rows that pass the filters, new ones on top as they come, older ones on `older`. */
function useRows(filters, paused) {
  const asked = query(filters);
  const { connection, hearings } = useLive();
  const connected = connection === "live";
  const [state, setState] = useState({ rows: null, next: null, error: null });
  const [held, setHeld] = useState(0);
  const [turn, again] = useState(0);
  const waiting = useRef([]);
  const loaded = useRef(false);

  useEffect(() => {
    if (!connected) return undefined;
    const leaving = new AbortController();
    waiting.current = [];
    loaded.current = false;
    call("GET", `/api/log?${query(filters, { limit: PAGE })}`, undefined, leaving.signal).then(
      ({ requests, next }) => {
        loaded.current = true;
        setState({ rows: requests, next, error: null });
      },
      (error) => leaving.signal.aborted || setState((old) => ({ ...old, error })),
    );
    return () => leaving.abort();
  }, [asked, turn, connected, hearings]);

  // A busy gateway ends thousands of requests a second: they are drawn four times a second, together.
  useEffect(() => {
    const timer = setInterval(() => {
      setHeld(paused ? waiting.current.length : 0);
      if (paused || !loaded.current || !waiting.current.length) return;
      const fresh = waiting.current;
      waiting.current = [];
      setState((old) => merge(fresh, old));
    }, 250);
    return () => clearInterval(timer);
  }, [paused]);

  useRequests(useCallback((row) => {
    if (!passes(row, filters)) return;
    waiting.current.unshift(row);
    waiting.current.length = Math.min(waiting.current.length, KEPT);
  }, [asked]));

  // What is asked now, for an answer that comes when it is another question.
  const current = useRef(asked);
  current.current = asked;
  const older = useAction(async () => {
    const { requests, next } = await call("GET", `/api/log?${query(filters, { limit: PAGE, before: state.next })}`);
    if (current.current !== asked) return;
    setState((old) => ({ ...old, rows: [...old.rows, ...requests], next }));
  });
  return { ...state, error: state.error ?? older.error, held, older, reload: () => again((count) => count + 1) };
}

/** Fresh rows before those that are there, each once; those that leave at the end can be asked for again. */
function merge(fresh, old) {
  const seen = new Set(fresh.map((row) => row.id));
  const all = [...fresh, ...old.rows.filter((row) => !seen.has(row.id))];
  const rows = all.slice(0, Math.max(KEPT, old.rows.length));
  const next = rows.length < all.length ? rows.at(-1).id : old.next;
  return { ...old, rows, next };
}

/** Whether a row that comes live is one that the log's own filters would give. */
function passes(row, filters) {
  const { status, model, account, dialect, caller, text } = filters;
  if (status === "error" && !failed(row)) return false;
  if (/^\dxx$/.test(status) && String(row.status)[0] !== status[0]) return false;
  if (/^\d+$/.test(status) && String(row.status) !== status) return false;
  if (model && ![row.model, row.used].includes(model)) return false;
  if (account && row.account !== account) return false;
  if (dialect && row.dialect !== dialect) return false;
  if (caller && row.caller !== caller) return false;
  const places = [row.path, row.model, row.used, row.account, row.outcome, row.id];
  return !text || places.some((place) => place?.toLowerCase().includes(text.toLowerCase()));
}

const failed = (row) => row.status === null || row.status >= 400 || (row.outcome !== null && row.outcome !== undefined);

function Filters({ filters }) {
  const { data } = useLoad("/api/accounts");
  const names = data?.accounts.map((account) => account.name) ?? [];
  const change = (name, value) => go(href("monitor", null, { ...filters, [name]: value }), { replace: true });
  const choice = (name, options) => html`<${Field} label=${t(`column.${name}`)}>
    ${(id) => html`<${Select} id=${id} value=${filters[name]} onChange=${(value) => change(name, value)} options=${[["", t("any")], ...options]} />`}
  <//>`;
  const set = Object.values(filters).filter(Boolean).length;
  return html`<form class="filters" role="search" aria-label=${t("monitor.filters")} onSubmit=${(event) => event.preventDefault()}>
    ${choice("status", STATUSES.map((each) => [each, each === "error" ? t("monitor.errors") : each]))}
    ${choice("dialect", DIALECTS.map((each) => [each, t(`dialect.${each}`)]))}
    ${choice("account", [...new Set([...names, filters.account])].filter(Boolean).map((each) => [each, each]))}
    <${Typed} name="model" value=${filters.model} change=${change} />
    <${Typed} name="caller" value=${filters.caller} change=${change} />
    <${Typed} name="text" value=${filters.text} change=${change} />
    <button type="button" class="plain" disabled=${!set} onClick=${() => go(href("monitor"), { replace: true })}>${t("monitor.clear")}</button>
  </form>`;
}

/** A text filter: asked for once the owner stops typing. */
function Typed({ name, value, change }) {
  const [text, type] = useState(value);
  const asked = useRef(value);
  useEffect(() => {
    if (value !== asked.current) type(value);
    asked.current = value;
  }, [value]);
  useEffect(() => {
    if (text.trim() === asked.current) return undefined;
    const timer = setTimeout(() => {
      asked.current = text.trim();
      change(name, asked.current);
    }, 300);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<${Field} label=${t(`column.${name}`)}>
    ${(id) => html`<input id=${id} type="search" spellcheck=${false} autocomplete="off" value=${text} onInput=${(event) => type(event.target.value)} />`}
  <//>`;
}

function Rows({ list, query: route, filtered }) {
  if (!list.rows) return list.error ? null : html`<p class="dim" aria-busy="true">${t("loading")}</p>`;
  if (!list.rows.length) {
    return html`<${Empty} title=${filtered ? t("monitor.nothing") : t("monitor.none")}>
      ${!filtered && html`<p>${t("monitor.none.help")} <a href=${href("proxy")}>${t("page.proxy")}</a></p>`}
    <//>`;
  }
  return html`
    <table class="log">
      <caption class="unseen">${t("monitor.caption")}</caption>
      <thead><tr>
        <th scope="col">${t("column.time")}</th>
        <th scope="col">${t("column.status")}</th>
        <th scope="col" class="from-m">${t("column.dialect")}</th>
        <th scope="col">${t("column.model")}</th>
        <th scope="col" class="from-s">${t("column.account")}</th>
        <th scope="col" class="from-l num">${t("column.first_byte")}</th>
        <th scope="col" class="num">${t("column.total")}</th>
        <th scope="col" class="from-m num">${t("column.input")}</th>
        <th scope="col" class="from-m num">${t("column.output")}</th>
        <th scope="col" class="from-l">${t("column.notes")}</th>
      </tr></thead>
      <tbody>${list.rows.map((row) => html`<${Row} key=${row.id} row=${row} route=${route} />`)}</tbody>
    </table>
    ${list.next && html`<div class="row center"><button type="button" disabled=${list.older.busy} onClick=${() => list.older.run()}>${t("monitor.older")}</button></div>`}
  `;
}

/** A row that is drawn once: what it says does not change, whatever comes above it. */
class Row extends Component {
  shouldComponentUpdate(next) {
    return next.row !== this.props.row || next.route !== this.props.route;
  }

  render({ row, route }) {
    const target = href("monitor", row.id, route);
    const press = (event) => event.target.closest("a") || getSelection().toString() || go(target);
    const renamed = row.used && row.used !== row.model;
    return html`<tr class=${failed(row) ? "failed" : ""} onClick=${press}>
      <td class="time"><a href=${target} title=${moment(row.time)}>${when(row.time)}</a></td>
      <td><${Status} row=${row} /></td>
      <td class="from-m">${t(`dialect.${row.dialect}`)}</td>
      <td class="model" title=${renamed ? `${row.model} → ${row.used}` : row.model}>${row.model ?? html`<span class="dim">${row.path}</span>`}${renamed && html` <span class="dim">→ ${row.used}</span>`}</td>
      <td class="from-s">${row.account ?? html`<span class="dim">${t("none")}</span>`}</td>
      <td class="from-l num">${duration(row.first_byte_ms)}</td>
      <td class="num">${duration(row.total_ms)}</td>
      <td class="from-m num">${short(row.input)}</td>
      <td class="from-m num">${short(row.output)}</td>
      <td class="from-l notes">
        ${row.outcome && html`<span>${row.outcome}</span>`}
        ${row.attempts > 1 && html`<span class="tag">${t("attempts", { count: row.attempts })}</span>`}
        ${row.dropped.length > 0 && html`<span class="tag" title=${row.dropped.join(", ")}>${t("dropped", { count: number(row.dropped.length) })}</span>`}
      </td>
    </tr>`;
  }
}

/** A status in its colour; what broke off after a good one is not well. */
export function Status({ row }) {
  const kind = row.status === null ? "bad" : row.status >= 500 ? "bad" : row.status >= 400 ? "warn" : row.outcome ? "warn" : "good";
  return html`<span class="status" data-kind=${kind}>${row.status ?? t("none")}</span>`;
}

/** What the filters give, as a file of JSON lines. */
async function exportLines(filters) {
  const url = URL.createObjectURL(await download(`/api/log?${query(filters, { format: "jsonl" })}`));
  const link = document.createElement("a");
  link.href = url;
  link.download = `levity-log-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
