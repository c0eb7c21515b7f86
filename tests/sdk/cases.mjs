// Runs the cases of one JavaScript SDK and prints a line for each.

export const BASE = process.env.LEVITY_URL;
export const KEY = process.env.LEVITY_KEY;
export const MODEL = "gemini-3-flash";
export const WORD = "marzipan";
export const SAY = `Say the word ${WORD}.`;
export const USE_TOOL = "Use the tool get_weather for Paris.";
export const WEATHER = "21 degrees and sunny";
export const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

/** The error of this kind that the call must end in. */
export async function rejects(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`no ${kind.name}`);
}

/** Runs each case; a case fails by throwing. */
export async function run(sdk, cases) {
  let failed = 0;
  for (const [name, check] of Object.entries(cases)) {
    try {
      await check();
      console.log(`PASS ${sdk}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${sdk}: ${name}: ${error.name}: ${String(error.message).slice(0, 300)}`);
      console.error(error);
    }
  }
  process.exit(failed ? 1 : 0);
}
