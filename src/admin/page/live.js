// What the page knows of the gateway at any moment: its status, whether it can be reached, and each request as it ends.

import { ApiError, call, forgetToken, listen } from "./api.js";
import { useEffect, useState } from "./vendor/hooks.js";

/**
 * `connection`: `connecting`, `live`, `lost` or `denied` (no token, or a wrong one: then `refused` is true).
 * `hearings` counts how often the page began to listen: between two of them it may have missed something.
 */
let known = { connection: "connecting", status: null, retryAt: null, refused: false, hearings: 0 };
const watchers = new Set();
const listeners = new Set();
let wake = () => {};
let stop = new AbortController();
let hearing = new AbortController();

function know(news) {
  known = { ...known, ...news };
  for (const watcher of watchers) watcher(known);
}

/** What is known now; the component is drawn again when that changes. */
export function useLive() {
  const [seen, see] = useState(known);
  useEffect(() => {
    watchers.add(see);
    see(known);
    return () => watchers.delete(see);
  }, []);
  return seen;
}

/** Calls `hear(row)` for every request that ends. */
export function useRequests(hear) {
  useEffect(() => {
    listeners.add(hear);
    return () => listeners.delete(hear);
  }, [hear]);
}

/** Takes a status that some answer held. */
export const learn = (status) => know({ status });

/** Asks for the token again; `refused` says that there was a wrong one. */
export function deny(refused) {
  stop.abort();
  forgetToken();
  know({ connection: "denied", refused });
}

/** Tries at once what is waiting to be tried again. */
export const retryNow = () => wake();

/** Stays connected until the token is refused. */
export async function connect() {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  know({ connection: "connecting", refused: false });
  for (let failures = 0; !signal.aborted; ) {
    try {
      const status = await call("GET", "/api/status", undefined, signal);
      know({ status, connection: "live", retryAt: null, hearings: known.hearings + 1 });
      failures = 0;
      hearing = new AbortController();
      await listen(hear, AbortSignal.any([signal, hearing.signal]));
      // It ended in order, as it does when events came faster than they were read: nothing is lost but those.
      await pause(500);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return deny(true);
      const wait = Math.min(10_000, 500 * 2 ** failures++);
      know({ connection: "lost", retryAt: Date.now() + wait });
      await pause(wait);
    }
  }
}

function hear(name, data) {
  if (name === "state") know({ status: data });
  if (name === "request") for (const listener of listeners) listener(data);
}

/** Waits, unless the owner or the network says that it is worth trying now. */
async function pause(milliseconds) {
  await new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    wake = () => {
      clearTimeout(timer);
      done();
    };
  });
  wake = () => {};
}

addEventListener("online", retryNow);

// Counts (open requests, accounts that rest) change without an event; and a stream may be dead without a word.
setInterval(async () => {
  if (known.connection !== "live" || document.hidden) return;
  await call("GET", "/api/status", undefined, stop.signal).then(learn, (error) => error.status === 0 && hearing.abort());
}, 5_000);
