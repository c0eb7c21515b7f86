// The openai package, both of its dialects.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, rejects, run } from "./cases.mjs";

const connected = (apiKey, baseURL = `${BASE}/v1`) => new OpenAI({ apiKey, baseURL, maxRetries: 0 });
const client = connected(KEY);
const stranger = connected("sk-wrong-0123456789");

const asked = (content) => [{ role: "user", content }];
const tool = { name: "get_weather", description: "The weather.", parameters: CITY };
const chatTools = [{ type: "function", function: tool }];
const tools = [{ type: "function", strict: true, ...tool }];

await run("js openai", {
  "chat answers": async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: asked(SAY) });
    assert(answer.choices[0].message.content.includes(WORD));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert(answer.usage.completion_tokens);
  },

  "chat streams": async () => {
    const request = { model: MODEL, messages: asked(SAY), stream: true };
    request.stream_options = { include_usage: true };
    const texts = [];
    let usage;
    for await (const chunk of await client.chat.completions.create(request)) {
      if (chunk.choices[0]?.delta?.content) texts.push(chunk.choices[0].delta.content);
      usage = chunk.usage ?? usage;
    }
    assert(texts.length > 1, "it came in one piece");
    assert(texts.join("").includes(WORD));
    assert(usage.completion_tokens);
  },

  "chat calls a tool and reads its result": async () => {
    const messages = asked(USE_TOOL);
    const request = { model: MODEL, messages, tools: chatTools };
    const first = await client.chat.completions.stream(request).finalChatCompletion();
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    const [call] = first.choices[0].message.tool_calls;
    assert(JSON.parse(call.function.arguments).city);
    messages.push(first.choices[0].message);
    messages.push({ role: "tool", tool_call_id: call.id, content: WEATHER });
    const second = await client.chat.completions.create(request);
    assert(second.choices[0].message.content.includes(WEATHER));
  },

  "responses answers": async () => {
    const answer = await client.responses.create({ model: MODEL, input: SAY });
    assert(answer.output_text.includes(WORD));
    assert.equal(answer.status, "completed");
  },

  "responses streams": async () => {
    const deltas = [];
    let last;
    for await (const event of await client.responses.create({ model: MODEL, input: SAY, stream: true })) {
      if (event.type === "response.output_text.delta") deltas.push(event.delta);
      last = event;
    }
    assert(deltas.length > 1, "it came in one piece");
    assert(deltas.join("").includes(WORD));
    assert.equal(last.type, "response.completed");
  },

  "responses calls a tool and reads its result": async () => {
    const input = asked(USE_TOOL);
    const first = await client.responses.create({ model: MODEL, input, tools });
    const call = first.output.find((item) => item.type === "function_call");
    assert(JSON.parse(call.arguments).city);
    input.push(...first.output);
    input.push({ type: "function_call_output", call_id: call.call_id, output: WEATHER });
    const second = await client.responses.create({ model: MODEL, input, tools });
    assert(second.output_text.includes(WEATHER));
  },

  "responses counts tokens": async () => {
    const counted = await client.responses.inputTokens.count({ model: MODEL, input: SAY });
    assert(counted.input_tokens > 0);
  },

  "models are listed": async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert(names.length);
    assert.equal((await client.models.retrieve(names[0])).id, names[0]);
  },

  "a base URL without /v1 is understood": async () => {
    const bare = connected(KEY, BASE);
    const answer = await bare.chat.completions.create({ model: MODEL, messages: asked(SAY) });
    assert(answer.choices[0].message.content.includes(WORD));
  },

  "a wrong key is an AuthenticationError": async () => {
    const request = { model: MODEL, messages: asked(SAY) };
    for (const call of [
      () => stranger.chat.completions.create(request),
      () => stranger.responses.create({ model: MODEL, input: SAY }),
      () => stranger.models.list(),
    ]) {
      const error = await rejects(OpenAI.AuthenticationError, call);
      assert(error.message.includes("x-api-key"));
      assert(error.requestID);
    }
  },
});
