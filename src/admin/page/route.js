// Which page is asked for: `#/monitor/ID?account=google-1` ↔ page, detail and filters.

import { useEffect, useState } from "./vendor/hooks.js";

export const PAGES = ["proxy", "accounts", "monitor", "usage", "models"];

function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...detail] = path.split("/");
  return {
    page: PAGES.includes(page) ? page : PAGES[0],
    detail: detail.length ? decoded(detail.join("/")) : null,
    query: Object.fromEntries(new URLSearchParams(query ?? "")),
  };
}

/** What was escaped, as it was; what is no escape stays as it is. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function href(page, detail, query) {
  const set = Object.entries(query ?? {}).filter(([, value]) => value);
  const filters = set.length ? `?${new URLSearchParams(set)}` : "";
  return `#/${page}${detail ? `/${encodeURIComponent(detail)}` : ""}${filters}`;
}

/** Goes there without a new entry in the history where only filters change. */
export function go(target, { replace = false } = {}) {
  if (!replace) {
    location.hash = target;
    return;
  }
  history.replaceState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute() {
  const [route, change] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => change(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
