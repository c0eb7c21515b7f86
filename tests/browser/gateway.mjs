// The gateway under test and the browser that looks at its console.

import { connect, createServer } from "node:net";

import { chromium } from "playwright-core";

export const CONSOLE = process.env.LEVITY_CONSOLE;
export const TOKEN = process.env.LEVITY_TOKEN;
/** The console of a gateway with one account of its owner's, and no demo. */
export const LONELY = process.env.LEVITY_LONELY;
export const PAGES = ["proxy", "accounts", "monitor", "usage", "models"];

/** No request of the browser's own, nothing kept from another run. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const launch = () => chromium.launch({ executablePath: process.env.LEVITY_CHROMIUM, headless: true, args: FLAGS });

/**
 * A page of a fresh browser profile; what it must not do is gathered in `page.faults`: errors on its console, violations
 * of the Content-Security-Policy, requests to another host. Answers that are refused on purpose are not among them.
 */
export async function open(browser, { path = "", origin = CONSOLE, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.faults = [];
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !["data:", "blob:"].includes(url.protocol)) page.faults.push(`asks ${url.origin}`);
  });
  page.waits = new Set();
  context.on("request", (request) => new URL(request.url()).pathname !== "/api/events" && page.waits.add(request));
  for (const end of ["requestfinished", "requestfailed"]) context.on(end, (request) => page.waits.delete(request));
  page.on("pageerror", (error) => page.faults.push(`throws ${error.stack}`));
  page.on("console", (message) => {
    const refused = message.text().startsWith("Failed to load resource") && message.location().url.includes("/api/");
    if (["error", "warning"].includes(message.type()) && !refused) page.faults.push(`says ${message.text()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`violates ${event.violatedDirective}: ${event.blockedURI}`));
  });
  await page.goto(`${origin}/${path}`);
  return page;
}

/** A console as somebody sees it who followed the link with the token. */
export async function enter(browser, { token = TOKEN, ...options } = {}) {
  const page = await open(browser, { ...options, path: `#token=${encodeURIComponent(token)}` });
  await page.locator(".state-name").waitFor();
  return page;
}

export async function visit(page, name) {
  await page.getByRole("navigation").getByRole("link", { name, exact: false }).click();
  await page.getByRole("heading", { level: 1, name: new RegExp(name, "i") }).waitFor();
}

/** Waits until nothing is asked for any more, and what was answered is drawn. */
export async function settle(page) {
  for (let quiet = 0; quiet < 3; quiet = page.waits.size ? 0 : quiet + 1) await page.waitForTimeout(50);
}

/** Asks the admin API, as a script would. */
export async function api(method, path, body) {
  const response = await fetch(CONSOLE + path, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** `open`, or the system's reason why a connection to the port fails. */
export function knock(port) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => (socket.destroy(), done("open")));
    socket.on("error", (error) => done(error.code));
  });
}

/** Takes a port, and gives it back when what is returned is called. */
export async function occupy(port) {
  const server = createServer();
  await new Promise((done, failed) => server.once("error", failed).listen(port, "127.0.0.1", done));
  return () => server.close();
}
