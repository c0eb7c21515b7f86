// One request in detail: its attempts in time, its tokens, what was dropped, how its account was chosen, its bodies.

import { duration, moment, number } from "../format.js";
import { t } from "../i18n/index.js";
import { Copy, Dialog, Facts, Problem, html, useLoad } from "../ui.js";
import { Status } from "./monitor.js";

export function RequestDetail({ id, onClose }) {
  const { data: row, error } = useLoad(`/api/log/${encodeURIComponent(id)}`);
  return html`<${Dialog} side title=${t("request", { id })} onClose=${onClose}>
    <${Problem} error=${error} />
    ${!row && !error && html`<p class="dim" aria-busy="true">${t("loading")}</p>`}
    ${row && html`<${Detail} row=${row} />`}
  <//>`;
}

function Detail({ row }) {
  const renamed = row.used && row.used !== row.model;
  return html`
    <p class="detail-head"><${Status} row=${row} /> <code>${row.method} ${row.path}</code></p>
    ${row.outcome && html`<p>${row.outcome}</p>`}
    ${row.error && html`<div class="note bad"><div class="note-text"><p>${row.error}</p></div></div>`}
    <${Facts} of=${[
      [t("column.time"), moment(row.time)],
      [t("column.client"), row.client],
      row.caller && [t("column.caller"), row.caller],
      [t("column.dialect"), t(`dialect.${row.dialect}`)],
      [t("column.model"), row.model],
      renamed && [t("column.used"), row.used],
      [t("column.account"), row.account],
      [t("column.stream"), row.stream ? t("yes") : t("no")],
    ]} />
    <${Timing} row=${row} />
    <section>
      <h3>${t("tokens")}</h3>
      <${Facts} of=${[
        [t("column.input"), number(row.input)],
        [t("column.cached"), number(row.cached)],
        [t("column.output"), number(row.output)],
        row.reasoning > 0 && [t("column.reasoning"), number(row.reasoning)],
      ]} />
    </section>
    ${row.dropped.length > 0 && html`<section>
      <h3>${t("request.dropped")}</h3>
      <ul class="plain-list">${row.dropped.map((what) => html`<li key=${what}><code>${what}</code></li>`)}</ul>
      <p class="help">${t("request.dropped.help")}</p>
    </section>`}
    ${row.explain.length > 0 && html`<section>
      <h3>${t("request.explain")}</h3>
      <ol class="trail">${row.explain.map((step, at) => html`<li key=${at}>${step.replaceAll("; ", "\n")}</li>`)}</ol>
    </section>`}
    ${row.bodies && html`<section>
      <h3>${t("request.bodies")}</h3>
      ${row.bodies.truncated && html`<p class="help">${t("request.truncated")}</p>`}
      <${Body} name=${t("request.body")} text=${row.bodies.request} />
      <${Body} name=${t("response.body")} text=${row.bodies.response} />
    </section>`}
  `;
}

/** Every part of the request's time as a bar on one scale: the wait for an account, each attempt, the answer. */
function Timing({ row }) {
  const bars = spans(row);
  const end = Math.max(row.total_ms, ...bars.map((bar) => bar.from + bar.ms), 1);
  const place = (from, ms) => ({ left: `${(from / end) * 100}%`, width: `${Math.max((ms / end) * 100, 0.6)}%` });
  return html`<section>
    <h3>${t("timing")}</h3>
    ${bars.length > 0 && html`<table class="timing">
      <caption class="unseen">${t("timing")}</caption>
      <colgroup><col class="part" /><col /><col class="took" /></colgroup>
      <thead class="unseen"><tr><th scope="col">${t("timing.part")}</th><th scope="col">${t("timing.span")}</th><th scope="col">${t("timing.took")}</th></tr></thead>
      <tbody>${bars.map((bar, at) => html`<tr key=${at}>
        <th scope="row">${bar.name}${bar.note && html`<span class="dim"> ${bar.note}</span>`}</th>
        <td class="track"><span class="span" data-kind=${bar.kind} style=${place(bar.from, bar.ms)}></span></td>
        <td class="num">${duration(bar.ms)}</td>
      </tr>`)}</tbody>
    </table>`}
    <${Facts} of=${[[t("column.first_byte"), duration(row.first_byte_ms)], [t("column.total"), duration(row.total_ms)]]} />
  </section>`;
}

function spans(row) {
  const bars = [];
  let from = 0;
  if (row.waited_ms > 0) {
    bars.push({ name: t("timing.waited"), kind: "wait", from, ms: row.waited_ms });
    from += row.waited_ms;
  }
  for (const attempt of row.trail) {
    const good = attempt.status !== null && attempt.status < 400;
    const note = [attempt.status, attempt.note].filter((part) => part !== null && part !== "").join(" · ");
    const ms = attempt.ms ?? 0;
    // One that was asked beside another began while that one was under way.
    const began = attempt.hedge_ms ?? from;
    bars.push({ name: attempt.account, note, kind: good ? "good" : "bad", from: began, ms });
    from = Math.max(from, began + ms);
  }
  if (row.first_byte_ms !== null && row.total_ms > row.first_byte_ms) {
    bars.push({ name: t("timing.answer"), kind: "answer", from: row.first_byte_ms, ms: row.total_ms - row.first_byte_ms });
  }
  return bars;
}

function Body({ name, text }) {
  if (!text) return null;
  return html`<div class="snippet">
    <div class="snippet-head"><span class="dim">${name}</span><${Copy} text=${() => text} what=${name} /></div>
    <pre tabindex="0" class="body"><code>${pretty(text)}</code></pre>
  </div>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
