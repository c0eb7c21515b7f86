// What a first-time owner does on the console, step by step, and what they must see.

import assert from "node:assert/strict";

import OpenAI from "openai";

import { LONELY, api, enter, knock, occupy, open, visit } from "./gateway.mjs";

const KEY = /^sk-.{7,}$/;

/** Each step begins where the one before ended: on the page of one owner. */
export const steps = {
  async "a wrong token is refused, and the form says what names the file"({ browser }) {
    const page = await open(browser, { path: "#token=wrong" });
    await page.getByRole("alert").waitFor();
    assert.match(await page.locator("main").innerText(), /levity status/);
    await page.getByLabel("Token").fill(process.env.LEVITY_TOKEN);
    await page.keyboard.press("Enter");
    await page.locator(".state-name").waitFor();
    assert.deepEqual(page.faults, []);
    await page.context().close();
  },

  async "the token does not stay in the address"({ page }) {
    assert.equal(new URL(page.url()).hash, "#/proxy");
    assert.equal(await page.evaluate(() => sessionStorage.length > 0 && localStorage.getItem("levity-token") === null), true);
  },

  async "it is running, with the number of active accounts beside it"({ page }) {
    await state(page, "running");
    assert.match(await page.locator(".state").innerText(), /[1-9]\d* active account/);
  },

  async "the port is disabled while it runs, and the base URLs are right"({ page, port }) {
    assert.equal(await page.getByLabel("Port", { exact: true }).isDisabled(), true);
    const urls = await page.locator(".urls").innerText();
    assert.match(urls, new RegExp(`http://127\\.0\\.0\\.1:${port}/v1\\b`));
    for (const tab of ["Anthropic SDK", "Gemini SDK", "Claude Code", "Codex", "Gemini CLI", "curl", "OpenAI SDK"]) {
      await page.getByRole("tab", { name: tab }).click();
      const shown = await page.getByRole("tabpanel").innerText();
      const v1 = ["OpenAI SDK", "Codex", "curl"].includes(tab);
      assert.match(shown, new RegExp(`http://127\\.0\\.0\\.1:${port}${v1 ? "/v1" : "(?!/)"}`), tab);
    }
  },

  async "Stop closes the port, and the console stays"({ page, port }) {
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await state(page, "stopped");
    assert.equal(await knock(port), "ECONNREFUSED");
    assert.equal(await page.getByLabel("Port", { exact: true }).isEnabled(), true);
    assert.equal((await api("GET", "/api/status")).state, "stopped");
  },

  async "a port that is taken is named with the system's reason"({ page, port }) {
    const leave = await occupy(port);
    await page.getByRole("button", { name: "Start", exact: true }).click();
    const refusal = await page.getByRole("alert").innerText().finally(leave);
    assert.match(refusal, new RegExp(`127\\.0\\.0\\.1:${port}`));
    assert.match(refusal, /in use/);
    await state(page, "stopped");
  },

  async "Start and Stop with the keyboard alone"({ page, port }) {
    await page.reload();
    await state(page, "stopped");
    await tabTo(page, "steer");
    await page.keyboard.press("Enter");
    await state(page, "running");
    assert.equal(await knock(port), "open");
    assert.equal(await page.evaluate(() => document.activeElement.id), "steer");
    await page.keyboard.press("Space");
    await state(page, "stopped");
    await page.keyboard.press("Enter");
    await state(page, "running");
    assert.match(await page.locator(".state").innerText(), /[1-9]\d* active account/);
  },

  async "an SDK's request is answered, and seen in the monitor as it ends"({ page, port }) {
    await visit(page, "monitor");
    const before = await page.locator("table.log tbody tr").count();
    assert.match(await ask(port, "sk-anything"), /\S/);
    await page.locator("table.log tbody tr").nth(before).waitFor();
    const row = page.locator("table.log tbody tr").first();
    assert.match(await row.innerText(), /200/);
    assert.match(await row.innerText(), /gemini-3-flash/);
    assert.match(await row.innerText(), /OpenAI Chat/);
  },

  async "its detail opens and closes with the keyboard"({ page }) {
    await page.locator("table.log tbody tr a").first().focus();
    await page.keyboard.press("Enter");
    const detail = page.getByRole("dialog");
    await detail.locator(".timing tbody tr").first().waitFor();
    assert.match(await detail.innerText(), /\/v1\/chat\/completions/);
    await page.keyboard.press("Escape");
    await detail.waitFor({ state: "detached" });
  },

  async "while it is paused nothing moves, and afterwards nothing is missing"({ page, port }) {
    const rows = page.locator("table.log tbody tr");
    const before = await rows.count();
    await page.getByRole("button", { name: "Pause" }).click();
    await ask(port, "sk-anything");
    await page.getByText("1 new request waits").waitFor();
    assert.equal(await rows.count(), before);
    await page.getByRole("button", { name: "Resume" }).click();
    await rows.nth(before).waitFor();
  },

  async "filters choose, and the export holds what they choose"({ page }) {
    await page.getByLabel("Status").selectOption("404");
    await page.getByText("No request passes these filters").waitFor();
    await page.getByLabel("Status").selectOption("2xx");
    await page.locator("table.log tbody tr").first().waitFor();
    const saving = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export JSON lines" }).click();
    const lines = (await readAll(await (await saving).createReadStream())).trim().split("\n");
    assert.ok(lines.length > 0);
    for (const line of lines) assert.equal(JSON.parse(line).status, 200);
    await page.getByRole("button", { name: "Clear filters" }).click();
  },

  async "Try it shows the answer, the time and the account"({ page }) {
    await visit(page, "proxy");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    const answer = page.locator(".answer");
    await answer.waitFor();
    assert.match(await answer.locator(".said").innerText(), /\S/);
    assert.match(await answer.innerText(), /\d ms|\d s/);
  },

  async "LAN access without auth is warned of before it is applied"({ page }) {
    await page.getByRole("switch", { name: "LAN access" }).check();
    await page.getByRole("radio", { name: "off", exact: true }).check();
    await page.getByText("whoever reaches this port can spend your accounts").waitFor();
    await page.locator("form", { has: page.getByRole("switch", { name: "LAN access" }) }).getByRole("button", { name: "Discard" }).click();
    assert.equal(await page.getByRole("switch", { name: "LAN access" }).isChecked(), false);
    assert.equal((await api("GET", "/api/status")).proxy.allow_lan_access, false);
  },

  async "with auth mode strict a request without the key is a 401, and is in the monitor"({ page, port }) {
    await page.getByRole("radio", { name: "strict", exact: true }).check();
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    await page.getByText("Auth in effect").locator("xpath=..").getByText("strict").waitFor();
    const refused = await ask(port, "sk-wrong-0123456789").catch((error) => error);
    assert.equal(refused.status, 401);
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 401);
    await visit(page, "monitor");
    await page.locator("table.log tbody tr", { hasText: "401" }).first().waitFor();
  },

  async "the key is shown, and opens it"({ page, port }) {
    await visit(page, "proxy");
    const field = page.getByLabel("Key that clients send", { exact: true });
    assert.equal(await field.getAttribute("type"), "password");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    const key = await field.inputValue();
    assert.match(key, KEY);
    assert.match(await ask(port, key), /\S/);
  },

  async "a key is checked while it is typed, and a new one takes effect"({ page, port }) {
    const field = page.getByLabel("Key that clients send", { exact: true });
    const use = page.getByRole("button", { name: "Use this key" });
    await field.fill("pk-0123456789");
    await page.getByText("A key begins with sk-").waitFor();
    assert.equal(await use.isDisabled(), true);
    await field.fill("sk-123456");
    await page.getByText("at least 10 characters").waitFor();
    await field.fill("sk-browser-0123456789");
    await use.click();
    await use.waitFor({ state: "detached" });
    assert.match(await ask(port, "sk-browser-0123456789"), /\S/);
  },

  async "an account is added, disabled and deleted"({ page }) {
    await visit(page, "accounts");
    await page.getByRole("button", { name: "Add an account" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("local");
    await dialog.getByLabel("Provider", { exact: true }).selectOption("custom");
    await dialog.getByLabel("Dialect").selectOption("openai_chat");
    await dialog.getByLabel("Base URL").fill("http://127.0.0.1:9/v1");
    await dialog.getByText("More", { exact: true }).click();
    await dialog.getByLabel("Models").fill("llama*\nqwen*");
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    const account = page.getByRole("listitem", { name: "local", exact: true });
    assert.match(await account.innerText(), /llama\*, qwen\*/);
    await account.getByRole("button", { name: "Disable" }).click();
    await account.getByRole("button", { name: "Enable" }).waitFor();
    await account.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await account.waitFor({ state: "detached" });
  },

  async "an alias is added, and answers"({ page, port }) {
    await visit(page, "models");
    await page.getByRole("button", { name: "Add an alias" }).click();
    const rows = page.locator("table.aliases tbody tr");
    await rows.last().getByPlaceholder("gpt-*").fill("my-*");
    await rows.last().getByPlaceholder("gemini-3-flash").fill("gemini-3-flash");
    const applied = page.waitForResponse((response) => response.request().method() === "PATCH");
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    assert.equal((await applied).status(), 200);
    assert.match(await ask(port, "sk-browser-0123456789", "my-model"), /\S/);
    await visit(page, "monitor");
    await page.locator("table.log tbody tr", { hasText: "my-model → gemini-3-flash" }).waitFor();
  },

  async "the usage page counts what was asked"({ page }) {
    await visit(page, "usage");
    await page.locator(".tiles dd").first().waitFor();
    assert.match(await page.locator(".tiles dd").first().innerText(), /[1-9]/);
    await page.locator(".chart canvas").first().waitFor();
  },

  async "with no account Start says to add one"({ browser }) {
    const page = await enter(browser, { origin: LONELY, token: process.env.LEVITY_LONELY_TOKEN });
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await state(page, "stopped");
    await visit(page, "accounts");
    await page.getByRole("button", { name: "Disable" }).click();
    await page.locator(".state", { hasText: "0 active accounts" }).waitFor();
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("alert").getByRole("link", { name: "Add an account" }).waitFor();
    await state(page, "stopped");
    await page.getByRole("button", { name: "Enable" }).click();
    await page.locator(".state", { hasText: "1 active account" }).waitFor();
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await state(page, "running");
    assert.deepEqual(page.faults, []);
    await page.context().close();
  },

  async "a lost connection is said, and found again"({ page }) {
    await page.context().setOffline(true);
    await page.getByText("The connection to the gateway is lost.").waitFor();
    await state(page, "not reached");
    await page.context().setOffline(false);
    await state(page, "running");
    await page.getByText("The connection to the gateway is lost.").waitFor({ state: "detached" });
  },

  async "at the end Stop closes the port again"({ page, port }) {
    await page.getByRole("button", { name: "Stop", exact: true }).click();
    await state(page, "stopped");
    assert.equal(await knock(port), "ECONNREFUSED");
    assert.deepEqual(page.faults, []);
  },
};

const state = (page, name) => page.locator(".state-name", { hasText: new RegExp(`^${name}$`) }).waitFor();

async function ask(port, apiKey, model = "gemini-3-flash") {
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey, maxRetries: 0, timeout: 10_000 });
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Hello" }] });
  return answer.choices[0].message.content;
}

async function tabTo(page, id) {
  for (let presses = 0; presses < 20; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.id) === id) return;
  }
  assert.fail(`the keyboard does not reach ${id}`);
}

async function readAll(stream) {
  let text = "";
  for await (const piece of stream) text += piece;
  return text;
}

export const start = (browser) => enter(browser);
