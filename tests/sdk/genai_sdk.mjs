// The @google/genai package.

import assert from "node:assert/strict";
import { ApiError, GoogleGenAI } from "@google/genai";
import { BASE, CITY, KEY, MODEL, SAY, USE_TOOL, WEATHER, WORD, rejects, run } from "./cases.mjs";

const connected = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: BASE } });
const client = connected(KEY);
const stranger = connected("sk-wrong-0123456789");

const declaration = { name: "get_weather", description: "The weather.", parametersJsonSchema: CITY };
const config = { tools: [{ functionDeclarations: [declaration] }] };

await run("js genai", {
  "generate answers": async () => {
    const answer = await client.models.generateContent({ model: MODEL, contents: SAY });
    assert(answer.text.includes(WORD));
    assert.equal(answer.candidates[0].finishReason, "STOP");
    assert(answer.usageMetadata.promptTokenCount);
  },

  "generate streams": async () => {
    const texts = [];
    const stream = await client.models.generateContentStream({ model: MODEL, contents: SAY });
    for await (const chunk of stream) if (chunk.text) texts.push(chunk.text);
    assert(texts.length > 1, "it came in one piece");
    assert(texts.join("").includes(WORD));
  },

  "generate calls a tool and reads its result": async () => {
    const contents = [{ role: "user", parts: [{ text: USE_TOOL }] }];
    const first = await client.models.generateContent({ model: MODEL, contents, config });
    const [call] = first.functionCalls;
    assert(call.args.city);
    const functionResponse = { name: call.name, response: { result: WEATHER } };
    contents.push(first.candidates[0].content, { role: "user", parts: [{ functionResponse }] });
    const second = await client.models.generateContent({ model: MODEL, contents, config });
    assert(second.text.includes(WEATHER));
  },

  "a chat goes on": async () => {
    const chat = client.chats.create({ model: MODEL });
    await chat.sendMessage({ message: "Say apricot." });
    assert((await chat.sendMessage({ message: SAY })).text.includes(WORD));
  },

  "tokens are counted": async () => {
    const counted = await client.models.countTokens({ model: MODEL, contents: SAY });
    assert(counted.totalTokens > 0);
  },

  "models are listed": async () => {
    const names = [];
    for await (const model of await client.models.list()) names.push(model.name);
    assert(names.length);
    assert.equal((await client.models.get({ model: names[0] })).name, names[0]);
  },

  "a wrong key is an ApiError": async () => {
    const call = () => stranger.models.generateContent({ model: MODEL, contents: SAY });
    const error = await rejects(ApiError, call);
    assert.equal(error.status, 401);
    assert(error.message.includes("x-goog-api-key"));
  },
});
