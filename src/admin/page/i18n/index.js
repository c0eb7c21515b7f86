// Every text of the page, in the language of the reader where there is one.

import en from "./en.js";

// A further language is a module like en.js; the first that the browser prefers is taken.
const LANGUAGES = { en };
const wanted = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => tag in LANGUAGES) ?? "en";
const texts = LANGUAGES[wanted];
const plurals = new Intl.PluralRules(wanted);

document.documentElement.lang = wanted;

/** The locale of the texts, for what is written with them. */
export const locale = wanted;

/** The text of this name, with `{place}` (small letters) filled in; a text with plural forms chooses by `count`. */
export function t(name, values = {}) {
  const text = texts[name] ?? en[name];
  if (text === undefined) throw new Error(`no text is named ${name}`);
  const form = typeof text === "string" ? text : text[plurals.select(values.count)] ?? text.other;
  return form.replace(/\{([a-z]+)\}/g, (_, place) => values[place] ?? "");
}

/** Whether there is such a text. */
export const has = (name) => name in texts;
