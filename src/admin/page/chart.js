// Stacked bars over time, in the colours of the page.

import { short, tick } from "./format.js";
import { html } from "./ui.js";
import { useEffect, useRef } from "./vendor/hooks.js";
import uPlot from "./vendor/uplot.js";

/**
 * `times` in seconds, `series` as `[{ label, color, values }]`, the lowest part of the bar first;
 * `color` is a custom property of the style sheet. `utc` writes the axis in UTC, as whole days are.
 */
export function Chart({ label, times, series, step, utc }) {
  const box = useRef(null);
  useEffect(() => {
    const element = box.current;
    let plot = null;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(options(element, series, step, utc), stack(times, series), element);
    };
    draw();
    const resized = new ResizeObserver(() => plot.setSize(size(element)));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("levity-theme", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      removeEventListener("levity-theme", draw);
      plot.destroy();
    };
  }, [times, series, step, utc]);
  return html`<div class="chart" role="img" aria-label=${label} ref=${box}></div>`;
}

const HEIGHT = 200;
const DAY = 86_400;
const size = (box) => ({ width: box.clientWidth, height: HEIGHT });

/** Each series with those below it added, the highest first: a lower one is painted over it. */
function stack(times, series) {
  const sums = times.map(() => 0);
  const layers = series.map(({ values }) => values.map((value, at) => (sums[at] += value)));
  return [times, ...layers.reverse()];
}

function options(box, series, step, utc) {
  const style = getComputedStyle(box);
  // uPlot wants a colour; `light-dark()` is one only once the browser has worked it out.
  const color = (name) => {
    box.style.color = `var(${name})`;
    const worked = style.color;
    box.style.color = "";
    return worked;
  };
  const axis = { stroke: color("--dim"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const bars = uPlot.paths.bars({ size: [0.8, 48], align: 1 });
  return {
    ...size(box),
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    tzDate: (seconds) => (utc ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
    scales: {
      x: { time: true, range: (_, from, to) => [from, to + step] },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] },
    },
    axes: [{ ...axis, size: 30, values: (_, marks, __, ___, apart) => marks.map((mark) => tick(mark * 1000, apart >= DAY, utc)) }, { ...axis, size: 52, values: (_, marks) => marks.map((mark) => (Number.isInteger(mark) ? short(mark) : "")) }],
    series: [{}, ...series.map(({ label, color: name }) => ({ label, fill: color(name), stroke: color(name), width: 0, paths: bars, points: { show: false } })).reverse()],
  };
}
