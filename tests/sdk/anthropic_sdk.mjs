// The @anthropic-ai/sdk package.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, rejects, run } from "./cases.mjs";

const connected = (apiKey, baseURL = BASE) => new Anthropic({ apiKey, baseURL, maxRetries: 0 });
const client = connected(KEY);
const stranger = connected("sk-wrong-0123456789");

const asked = (content) => ({ model: MODEL, max_tokens: 1024, messages: [{ role: "user", content }] });
const tools = [{ name: "get_weather", description: "The weather.", input_schema: CITY }];
const said = (answer) => answer.content.map((block) => block.text ?? "").join("");

await run("js anthropic", {
  "messages answers": async () => {
    const answer = await client.messages.create(asked(SAY));
    assert(said(answer).includes(WORD));
    assert.equal(answer.stop_reason, "end_turn");
    assert(answer.usage.input_tokens && answer.usage.output_tokens);
  },

  "messages streams": async () => {
    const texts = [];
    const stream = client.messages.stream(asked(SAY)).on("text", (text) => texts.push(text));
    const answer = await stream.finalMessage();
    assert(texts.length > 1, "it came in one piece");
    assert(said(answer).includes(WORD));
    assert.equal(said(answer), texts.join(""));
  },

  "messages streams its raw events": async () => {
    const events = [];
    const stream = await client.messages.create({ ...asked(SAY), stream: true });
    for await (const event of stream) events.push(event.type);
    assert.equal(events.at(0), "message_start");
    assert.equal(events.at(-1), "message_stop");
  },

  "messages calls a tool and reads its result": async () => {
    const request = { ...asked(USE_TOOL), tools };
    await client.messages.create(request);
    const first = await client.messages.stream(request).finalMessage();
    assert.equal(first.stop_reason, "tool_use");
    const call = first.content.find((block) => block.type === "tool_use");
    assert(call.input.city);
    const result = { type: "tool_result", tool_use_id: call.id, content: WEATHER };
    request.messages.push({ role: "assistant", content: first.content });
    request.messages.push({ role: "user", content: [result] });
    assert(said(await client.messages.create(request)).includes(WEATHER));
  },

  "tokens are counted": async () => {
    const { model, messages } = asked(SAY);
    assert((await client.messages.countTokens({ model, messages })).input_tokens > 0);
  },

  "models are listed": async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert(names.length);
    assert.equal((await client.models.retrieve(names[0])).id, names[0]);
  },

  "a base URL with /v1 is understood": async () => {
    const doubled = connected(KEY, `${BASE}/v1`);
    assert(said(await doubled.messages.create(asked(SAY))).includes(WORD));
  },

  "a wrong key is an AuthenticationError": async () => {
    const error = await rejects(Anthropic.AuthenticationError, () => stranger.messages.create(asked(SAY)));
    assert(error.message.includes("x-api-key"));
    assert.equal(error.error.error.type, "authentication_error");
  },
});
