// Runs the steps in their order and says of each how it went; a failed one does not keep the next from trying.

import { api, launch } from "./gateway.mjs";
import { start, steps } from "./lesson.mjs";
import { looks } from "./looks.mjs";

const browser = await launch();
const page = await start(browser);
const { proxy } = await api("GET", "/api/status");
const port = Number((proxy.address ?? "").split(":").pop());
let failed = 0;

// How it looks is tried while there is something to see: before the last step, which stops the gateway.
const lesson = Object.entries(steps);
for (const [name, step] of [...lesson.slice(0, -1), ...Object.entries(looks), lesson.at(-1)]) {
  try {
    await step({ browser, page, port });
    console.log(`PASS ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}`);
    console.error(`${name}\n${error.stack}\n`);
    if (process.env.LEVITY_SHOTS) await page.screenshot({ path: `${process.env.LEVITY_SHOTS}/failed-${failed}.png` }).catch(() => {});
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
