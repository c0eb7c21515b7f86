// Whether every page can be read by everyone: axe's rules in light and dark, and no scrolling sideways on a narrow screen.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { PAGES, enter, settle, visit } from "./gateway.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env.LEVITY_SHOTS;

const SCREENS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  narrow: { colorScheme: "light", viewport: { width: 360, height: 740 } },
};

export const looks = Object.fromEntries(Object.entries(SCREENS).map(([name, options]) => [
  `every page is accessible: ${name}`,
  async ({ browser }) => {
    // The policy of the page forbids a script from outside; lesson.mjs runs under it.
    const page = await enter(browser, { ...options, bypassCSP: true });
    const wrong = [];
    for (const each of PAGES) {
      await visit(page, each);
      await settle(page);
      if (shots) await photograph(page, `${each}-${name}`);
      wrong.push(...(await violations(page)).map((violation) => `${each}: ${violation}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) wrong.push(`${each}: ${wide} px too wide`);
    }
    assert.deepEqual(wrong, []);
    await page.context().close();
  },
]));

looks["dialogs are accessible"] = async ({ browser }) => {
  const page = await enter(browser, { bypassCSP: true });
  await visit(page, "accounts");
  await page.getByRole("button", { name: "Add an account" }).click();
  const form = await violations(page);
  if (shots) await photograph(page, "account-form");
  await page.keyboard.press("Escape");
  await visit(page, "monitor");
  await page.locator("table.log tbody tr", { hasText: "200" }).first().getByRole("link").click();
  await page.locator(".timing").waitFor();
  if (shots) await photograph(page, "request");
  assert.deepEqual([...form, ...(await violations(page))], []);
  await page.context().close();
};

async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html.slice(0, 200)} ${failureSummary}`));
}

async function photograph(page, name) {
  mkdirSync(shots, { recursive: true });
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}
