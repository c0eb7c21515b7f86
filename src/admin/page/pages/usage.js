// The Usage page: requests and tokens over time, and by model, account, caller and dialect.

import { Chart } from "../chart.js";
import { duration, moment, number, percent, short } from "../format.js";
import { has, t } from "../i18n/index.js";
import { href } from "../route.js";
import { Choice, Empty, Problem, html, useLoad } from "../ui.js";
import { useMemo, useState } from "../vendor/hooks.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const RANGES = { day: { span: DAY, by: "hour" }, week: { span: 7 * DAY, by: "hour" }, month: { span: 30 * DAY, by: "day" }, quarter: { span: 90 * DAY, by: "day" } };
const GROUPS = ["model", "account", "caller", "dialect", "status"];
const REFRESH = 30_000;

export function Usage() {
  const [name, choose] = useState("day");
  const [group, sort] = useState("model");
  const { span, by } = RANGES[name];
  const step = by === "hour" ? HOUR : DAY;
  // Whole steps, so that the path stays the same until the next one begins.
  const since = Math.floor(Date.now() / step) * step - span + step;
  const time = useLoad(`/api/usage?by=${by}&since=${new Date(since).toISOString()}`, { every: REFRESH });
  const split = useLoad(`/api/usage?by=${group}&since=${new Date(since).toISOString()}`, { every: REFRESH });
  const rows = time.data?.rows;
  return html`
    <${Choice} label=${t("usage.range")} value=${name} onChange=${choose} options=${Object.keys(RANGES).map((each) => [each, t(`usage.${each}`)])} />
    <${Problem} error=${time.error} />
    ${rows?.length === 0 && html`<${Empty} title=${t("usage.none")}><p>${t("usage.none.help")}</p><//>`}
    ${rows?.length > 0 && html`
      <${Totals} rows=${rows} />
      <${Charts} rows=${rows} since=${since} step=${step} by=${by} />
      <section class="card" aria-labelledby="split">
        <div class="row spread">
          <h2 id="split">${t("usage.by")}</h2>
          <${Choice} label=${t("usage.by")} value=${group} onChange=${sort} options=${GROUPS.map((each) => [each, t(`column.${each}`)])} />
        </div>
        <${Problem} error=${split.error} />
        ${split.data && html`<${Split} rows=${split.data.rows} group=${group} />`}
      </section>`}
  `;
}

const sum = (rows, key) => rows.reduce((all, row) => all + row[key], 0);

function Totals({ rows }) {
  const requests = sum(rows, "requests");
  const tiles = [
    [t("usage.requests"), short(requests)],
    [t("usage.errors"), percent(sum(rows, "errors"), requests)],
    [t("column.input"), short(sum(rows, "input")), t("usage.cached", { share: percent(sum(rows, "cached"), sum(rows, "input")) })],
    [t("column.output"), short(sum(rows, "output"))],
  ];
  return html`<dl class="tiles">${tiles.map(([term, value, more]) => html`<div key=${term}>
    <dt>${term}</dt><dd>${value}${more && html`<span class="dim"> ${more}</span>`}</dd>
  </div>`)}</dl>`;
}

function Charts({ rows, since, step, by }) {
  const [times, filled] = useMemo(() => {
    const known = new Map(rows.map((row) => [new Date(row.key).getTime(), row]));
    const nothing = { requests: 0, errors: 0, input: 0, cached: 0, output: 0 };
    const moments = [];
    for (let at = since; at <= Date.now(); at += step) moments.push(at);
    return [moments.map((at) => at / 1000), moments.map((at) => known.get(at) ?? nothing)];
  }, [rows, since, step]);
  const charts = useMemo(() => [
    ["requests", [
      { label: t("usage.good"), color: "--chart-1", values: filled.map((row) => row.requests - row.errors) },
      { label: t("usage.errors"), color: "--chart-bad", values: filled.map((row) => row.errors) },
    ]],
    ["tokens", [
      { label: t("column.cached"), color: "--chart-3", values: filled.map((row) => Math.min(row.cached, row.input)) },
      { label: t("usage.fresh"), color: "--chart-1", values: filled.map((row) => Math.max(0, row.input - row.cached)) },
      { label: t("column.output"), color: "--chart-2", values: filled.map((row) => row.output) },
    ]],
  ], [filled]);
  return html`<div class="columns">
    ${charts.map(([name, series]) => html`<section key=${name} class="card" aria-labelledby=${`chart-${name}`}>
      <div class="row spread">
        <h2 id=${`chart-${name}`}>${t(`usage.${name}`)} <span class="dim">${t(`usage.per.${by}`)}</span></h2>
        <ul class="legend">${series.map(({ label, color }) => html`<li key=${label}><span class="swatch" data-color=${color.slice(2)}></span>${label}</li>`)}</ul>
      </div>
      <${Chart} label=${t(`usage.${name}.about`)} times=${times} series=${series} step=${step / 1000} utc=${by === "day"} />
      <details class="more">
        <summary>${t("usage.table")}</summary>
        <${Figures} times=${times} series=${series} by=${by} />
      </details>
    </section>`)}
  </div>`;
}

/** What the bars show, as a table. */
function Figures({ times, series, by }) {
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${t("usage.table")}><table>
    <thead><tr><th scope="col">${t("column.time")}</th>${series.map(({ label }) => html`<th scope="col" key=${label} class="num">${label}</th>`)}</tr></thead>
    <tbody>${times.map((seconds, at) => html`<tr key=${seconds}>
      <th scope="row">${by === "day" ? new Date(seconds * 1000).toISOString().slice(0, 10) : moment(seconds * 1000)}</th>
      ${series.map(({ label, values }) => html`<td key=${label} class="num">${number(values[at])}</td>`)}
    </tr>`).reverse()}</tbody>
  </table></div>`;
}

function Split({ rows, group }) {
  const label = (key) => (group === "dialect" && has(`dialect.${key}`) ? t(`dialect.${key}`) : key || t("none"));
  const most = Math.max(1, ...rows.map((row) => row.requests));
  return html`<table class="split">
    <caption class="unseen">${t("usage.by")}</caption>
    <thead><tr>
      <th scope="col">${t(`column.${group}`)}</th>
      <th scope="col" class="num">${t("usage.requests")}</th>
      <th scope="col" class="num">${t("usage.errors")}</th>
      <th scope="col" class="num from-s">${t("column.input")}</th>
      <th scope="col" class="num from-s">${t("column.cached")}</th>
      <th scope="col" class="num from-s">${t("column.output")}</th>
      <th scope="col" class="num from-m">${t("column.first_byte")}</th>
    </tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.key}>
      <th scope="row">${row.key ? html`<a href=${href("monitor", null, { [group]: row.key })}>${label(row.key)}</a>` : t("none")}
        <span class="share" style=${{ width: `${(row.requests / most) * 100}%` }} aria-hidden="true"></span></th>
      <td class="num">${number(row.requests)}</td>
      <td class="num">${number(row.errors)}</td>
      <td class="num from-s">${short(row.input)}</td>
      <td class="num from-s">${short(row.cached)}</td>
      <td class="num from-s">${short(row.output)}</td>
      <td class="num from-m">${duration(row.first_byte_ms_avg || null)}</td>
    </tr>`)}</tbody>
  </table>`;
}
