// How numbers, times and durations are written.

import { locale, t } from "./i18n/index.js";

const whole = new Intl.NumberFormat(locale);
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumSignificantDigits: 3 });
const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const clocks = new Intl.DateTimeFormat(locale, { timeStyle: "medium", hourCycle: "h23" });
const moments = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const utcDays = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
const hours = new Intl.DateTimeFormat(locale, { timeStyle: "short", hourCycle: "h23" });

export const number = (value) => whole.format(value);
/** 48,123,456 → 48.1M */
export const short = (value) => (Math.abs(value) < 10_000 ? whole.format(value) : compact.format(value));
export const percent = (part, all) => percents.format(all ? part / all : 0);

export const clock = (time) => clocks.format(new Date(time));
export const moment = (time) => moments.format(new Date(time));
/** The time of day, and the day where it is another one. */
export function when(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? clocks.format(date) : `${days.format(date)}, ${clocks.format(date)}`;
}

/** A mark under a chart: the hour, or the day where it begins one. */
export function tick(time, whole, utc) {
  const date = new Date(time);
  const midnight = utc ? date.getUTCHours() === 0 : date.getHours() === 0 && date.getMinutes() === 0;
  if (whole || midnight) return (utc ? utcDays : days).format(date);
  return hours.format(date);
}

/** 212 ms, 4.21 s, 3 min 20 s */
export function duration(ms) {
  if (ms === null || ms === undefined) return t("none");
  if (ms < 1000) return t("unit.ms", { ms: Math.round(ms) });
  if (ms < 60_000) return t("unit.s", { s: (ms / 1000).toFixed(ms < 10_000 ? 2 : 1) });
  return long(Math.round(ms / 1000));
}

/** 8 s, 3 min 20 s, 2 h 5 min, 3 d 4 h */
export function long(seconds) {
  const [d, h, m, s] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (d) return t("unit.d", { d, h });
  if (h) return t("unit.h", { h, m });
  return m ? t("unit.m", { m, s }) : t("unit.s", { s });
}

/** What is left until a moment, as a clock shows it: 0:47, 1:59:03. */
export function left(until, now) {
  const seconds = Math.max(0, Math.ceil((new Date(until) - now) / 1000));
  const two = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
