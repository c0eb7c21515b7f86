//! Answers of the demo: what was said, read from a whole answer of each dialect.

use levity::dialects::Dialect;
use serde_json::{Value, json};

/// An answer without its form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) thinking: String,
    /// The signature or the like that came with the thinking.
    pub(crate) sealed: bool,
    pub(crate) text: String,
    /// Id, name, arguments.
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) finish: String,
    pub(crate) input_tokens: u64,
    /// All of the answer, thinking included.
    pub(crate) output_tokens: u64,
    pub(crate) thinking_tokens: Option<u64>,
}

/// Reads a whole answer.
pub(crate) fn whole(dialect: Dialect, answer: &Value) -> Heard {
    match dialect {
        Dialect::OpenAiChat => chat(answer),
        Dialect::OpenAiResponses => responses(answer),
        Dialect::Anthropic => anthropic(answer),
        Dialect::Gemini => gemini(answer),
    }
}

impl Heard {
    /// The same without the ids, which differ from answer to answer.
    pub(crate) fn without_ids(mut self) -> Self {
        for (id, _, _) in &mut self.calls {
            id.clear();
        }
        self
    }
}

fn chat(answer: &Value) -> Heard {
    assert_eq!(answer["model"], "some-model");
    let choice = &answer["choices"][0];
    let message = &choice["message"];
    assert_eq!(message["role"], "assistant");
    let usage = &answer["usage"];
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);
    let calls = list(&message["tool_calls"]).iter().map(|call| {
        assert_eq!(call["type"], "function");
        let arguments = serde_json::from_str(&string(&call["function"]["arguments"])).unwrap();
        (string(&call["id"]), string(&call["function"]["name"]), arguments)
    });
    Heard {
        thinking: string(&message["reasoning_content"]),
        sealed: false,
        text: string(&message["content"]),
        calls: calls.collect(),
        finish: string(&choice["finish_reason"]),
        input_tokens: number(&usage["prompt_tokens"]),
        output_tokens: number(&usage["total_tokens"]) - number(&usage["prompt_tokens"]),
        thinking_tokens: usage["completion_tokens_details"]["reasoning_tokens"].as_u64(),
    }
}

fn responses(answer: &Value) -> Heard {
    assert_eq!(answer["model"], "some-model");
    assert_eq!(answer["object"], "response");
    let usage = &answer["usage"];
    assert_eq!(usage["input_tokens_details"]["cached_tokens"], 0);
    let mut heard = Heard {
        finish: string(&answer["status"]),
        input_tokens: number(&usage["input_tokens"]),
        output_tokens: number(&usage["total_tokens"]) - number(&usage["input_tokens"]),
        thinking_tokens: usage["output_tokens_details"]["reasoning_tokens"].as_u64(),
        ..Heard::default()
    };
    for item in list(&answer["output"]) {
        match string(&item["type"]).as_str() {
            "reasoning" => {
                heard.thinking += &string(&item["summary"][0]["text"]);
                heard.sealed = item["encrypted_content"].is_string();
            }
            "message" => heard.text += &string(&item["content"][0]["text"]),
            "function_call" => {
                let arguments = serde_json::from_str(&string(&item["arguments"])).unwrap();
                heard.calls.push((string(&item["call_id"]), string(&item["name"]), arguments));
            }
            other => panic!("unexpected item: {other}"),
        }
    }
    if heard.finish == "incomplete" {
        assert_eq!(answer["incomplete_details"], json!({ "reason": "max_output_tokens" }));
    }
    heard
}

fn anthropic(answer: &Value) -> Heard {
    assert_eq!(answer["model"], "some-model");
    assert_eq!(answer["type"], "message");
    let usage = &answer["usage"];
    assert_eq!(usage["cache_read_input_tokens"], 0);
    let mut heard = Heard {
        finish: string(&answer["stop_reason"]),
        input_tokens: number(&usage["input_tokens"]),
        output_tokens: number(&usage["output_tokens"]),
        ..Heard::default()
    };
    for block in list(&answer["content"]) {
        match string(&block["type"]).as_str() {
            "thinking" => {
                heard.thinking += &string(&block["thinking"]);
                heard.sealed = !string(&block["signature"]).is_empty();
            }
            "text" => heard.text += &string(&block["text"]),
            "tool_use" => {
                let call = (string(&block["id"]), string(&block["name"]), block["input"].clone());
                heard.calls.push(call);
            }
            other => panic!("unexpected block: {other}"),
        }
    }
    heard
}

fn gemini(answer: &Value) -> Heard {
    assert_eq!(answer["modelVersion"], "some-model");
    let candidate = &answer["candidates"][0];
    assert_eq!(candidate["content"]["role"], "model");
    let usage = &answer["usageMetadata"];
    let input = number(&usage["promptTokenCount"]);
    let mut heard = Heard {
        finish: string(&candidate["finishReason"]),
        input_tokens: input,
        output_tokens: number(&usage["totalTokenCount"]) - input,
        thinking_tokens: usage["thoughtsTokenCount"].as_u64(),
        ..Heard::default()
    };
    for part in list(&candidate["content"]["parts"]) {
        heard.sealed |= part["thoughtSignature"].is_string();
        let call = &part["functionCall"];
        if part["thought"] == true {
            heard.thinking += &string(&part["text"]);
        } else if call.is_object() {
            heard.calls.push((string(&call["id"]), string(&call["name"]), call["args"].clone()));
        } else {
            heard.text += &string(&part["text"]);
        }
    }
    heard
}

/// The items of an array, or none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A string, empty if there is none.
pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
