// How the page speaks to the gateway: one call of the admin API, and its stream of events.

import { decoded } from "./route.js";

const STORE = "levity-token";

/** What the admin API refused, or why it could not be asked (then `status` is 0). */
export class ApiError extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** Takes the token out of `#token=…`, so that it stands neither in the address nor in the history. */
export function takeToken() {
  const found = location.hash.match(/^#token=([^&]+)/);
  if (!found) return;
  keepToken(decoded(found[1]));
  history.replaceState(null, "", location.pathname + location.search + "#/proxy");
}

export const keepToken = (token) => sessionStorage.setItem(STORE, token);
export const forgetToken = () => sessionStorage.removeItem(STORE);
export const hasToken = () => sessionStorage.getItem(STORE) !== null;

/** The answer of `/api/…` as JSON (`null` for 204); throws an `ApiError`. */
export async function call(method, path, body, signal) {
  const response = await ask(method, path, body, signal);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    throw unreachable(error);
  }
}

/** A body to be saved as a file. */
export const download = async (path) => (await ask("GET", path)).blob();

async function ask(method, path, body, signal) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(STORE) ?? ""}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
  } catch (error) {
    throw unreachable(error);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new ApiError(response.status, said?.error?.message ?? `HTTP ${response.status}`, said?.error?.hint);
}

function unreachable(error) {
  return error.name === "AbortError" ? error : new ApiError(0, "");
}

// The gateway writes a comment every 15 s; silence for longer than this means that it is gone.
const SILENCE = 40_000;

/**
 * Reads `/api/events` until it ends or `signal` aborts, and gives each event to `hear(name, data)`.
 * Throws an `ApiError`. (`EventSource` cannot send the Authorization header.)
 */
export async function listen(hear, signal) {
  const silence = new AbortController();
  const response = await ask("GET", "/api/events", undefined, AbortSignal.any([signal, silence.signal]));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => silence.abort(), SILENCE);
    const { done, value } = await reader.read().catch((error) => {
      throw signal.aborted ? error : new ApiError(0, "");
    }).finally(() => clearTimeout(timer));
    if (done) return;
    const events = (rest + value).split(/\r?\n\r?\n/);
    rest = events.pop();
    for (const event of events) tell(event, hear);
  }
}

function tell(event, hear) {
  let name = "message";
  const data = [];
  for (const line of event.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5));
  }
  if (data.length) hear(name, JSON.parse(data.join("\n")));
}
