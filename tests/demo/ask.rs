//! Requests to the demo: one wish, said in each dialect.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::hear::Heard;

/// How the answer is to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Whole,
    Stream,
    /// Gemini without `alt=sse`.
    Array,
}

/// What a request asks for.
#[derive(Clone, Default)]
pub(crate) struct Wish {
    pub(crate) question: &'static str,
    pub(crate) tools: bool,
    /// auto, any, none or a tool's name.
    pub(crate) choice: Option<&'static str>,
    pub(crate) sequential: bool,
    pub(crate) thinking: bool,
    pub(crate) schema: Option<Value>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) stop: Option<&'static str>,
    /// The calls that an earlier answer made; each is given back with `RESULT`.
    pub(crate) called: Vec<(String, String, Value)>,
}

/// What the tools return.
pub(crate) const RESULT: &str = "21 degrees";
/// The tools that are declared.
pub(crate) const TOOLS: [&str; 2] = ["get_weather", "get_time"];

/// The schema of each tool's arguments.
pub(crate) fn arguments_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "city": { "type": "string" },
            "days": { "type": "integer" },
            "unit": { "type": "string", "enum": ["celsius", "kelvin"] },
            "note": { "type": "string" },
        },
        "required": ["city", "days", "unit"],
    })
}

/// A question and nothing else.
pub(crate) fn say(question: &'static str) -> Wish {
    Wish { question, ..Wish::default() }
}

/// A question with two tools at hand.
pub(crate) fn with_tools(question: &'static str) -> Wish {
    Wish { tools: true, ..say(question) }
}

impl Wish {
    /// The same conversation after these calls were made.
    pub(crate) fn after(self, heard: &Heard) -> Self {
        Self { called: heard.calls.clone(), ..self }
    }
}

/// The path and body that say this wish.
pub(crate) fn request(dialect: Dialect, form: Form, wish: &Wish) -> (String, Value) {
    let mut body = match dialect {
        Dialect::OpenAiChat => chat(wish),
        Dialect::OpenAiResponses => responses(wish),
        Dialect::Anthropic => anthropic(wish),
        Dialect::Gemini => gemini(wish),
    };
    let path = match (dialect, form) {
        (Dialect::OpenAiChat, _) => "/v1/chat/completions",
        (Dialect::OpenAiResponses, _) => "/v1/responses",
        (Dialect::Anthropic, _) => "/v1/messages",
        (Dialect::Gemini, Form::Whole) => "/v1beta/models/some-model:generateContent",
        (Dialect::Gemini, Form::Stream) => {
            "/v1beta/models/some-model:streamGenerateContent?alt=sse"
        }
        (Dialect::Gemini, Form::Array) => "/v1/models/some-model:streamGenerateContent",
    };
    if dialect != Dialect::Gemini {
        body["model"] = json!("some-model");
        body["stream"] = json!(form == Form::Stream);
    }
    (path.to_owned(), body)
}

fn chat(wish: &Wish) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": wish.question })];
    if !wish.called.is_empty() {
        let calls = wish.called.iter().map(|(id, name, arguments)| {
            let function = json!({ "name": name, "arguments": arguments.to_string() });
            json!({ "id": id, "type": "function", "function": function })
        });
        let calls: Vec<_> = calls.collect();
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": calls }));
    }
    for (id, _, _) in &wish.called {
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": RESULT }));
    }
    let mut body = json!({ "messages": messages, "stream_options": { "include_usage": true } });
    if wish.tools {
        let function = |name| json!({ "name": name, "parameters": arguments_schema() });
        body["tools"] =
            TOOLS.map(|name| json!({ "type": "function", "function": function(name) })).into();
        body["parallel_tool_calls"] = json!(!wish.sequential);
    }
    match wish.choice {
        Some("any") => body["tool_choice"] = json!("required"),
        Some(word @ ("auto" | "none")) => body["tool_choice"] = json!(word),
        Some(name) => {
            body["tool_choice"] = json!({ "type": "function", "function": { "name": name } });
        }
        None => {}
    }
    if wish.thinking {
        body["reasoning_effort"] = json!("low");
    }
    if let Some(schema) = &wish.schema {
        let schema = json!({ "name": "answer", "schema": schema });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
    }
    body["max_completion_tokens"] = json!(wish.max_tokens);
    body["stop"] = json!(wish.stop);
    body
}

fn responses(wish: &Wish) -> Value {
    let mut input = vec![
        json!({ "role": "user", "content": [{ "type": "input_text", "text": wish.question }] }),
    ];
    for (id, name, arguments) in &wish.called {
        let arguments = arguments.to_string();
        input.push(
            json!({ "type": "function_call", "call_id": id, "name": name, "arguments": arguments }),
        );
    }
    for (id, _, _) in &wish.called {
        input.push(json!({ "type": "function_call_output", "call_id": id, "output": RESULT }));
    }
    let mut body = json!({ "input": input });
    if wish.tools {
        let schema = arguments_schema();
        let tool = |name| json!({ "type": "function", "name": name, "parameters": schema });
        body["tools"] = TOOLS.map(tool).into();
        body["parallel_tool_calls"] = json!(!wish.sequential);
    }
    match wish.choice {
        Some("any") => body["tool_choice"] = json!("required"),
        Some(word @ ("auto" | "none")) => body["tool_choice"] = json!(word),
        Some(name) => body["tool_choice"] = json!({ "type": "function", "name": name }),
        None => {}
    }
    if wish.thinking {
        body["reasoning"] = json!({ "effort": "low" });
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    if let Some(schema) = &wish.schema {
        body["text"] =
            json!({ "format": { "type": "json_schema", "name": "answer", "schema": schema } });
    }
    body["max_output_tokens"] = json!(wish.max_tokens);
    body
}

fn anthropic(wish: &Wish) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": wish.question })];
    if !wish.called.is_empty() {
        let calls = wish.called.iter().map(|(id, name, input)| {
            json!({ "type": "tool_use", "id": id, "name": name, "input": input })
        });
        let results = wish.called.iter().map(
            |(id, _, _)| json!({ "type": "tool_result", "tool_use_id": id, "content": RESULT }),
        );
        // Agents put their own text beside the results; it is no new question.
        let reminder =
            json!({ "type": "text", "text": "<system-reminder>get_time</system-reminder>" });
        let results: Vec<_> = results.chain([reminder]).collect();
        messages.push(json!({ "role": "assistant", "content": calls.collect::<Vec<_>>() }));
        messages.push(json!({ "role": "user", "content": results }));
    }
    let mut body = json!({ "messages": messages, "max_tokens": wish.max_tokens.unwrap_or(4096) });
    if wish.tools {
        body["tools"] =
            TOOLS.map(|name| json!({ "name": name, "input_schema": arguments_schema() })).into();
    }
    let choice = wish.choice.unwrap_or("auto");
    body["tool_choice"] = match choice {
        "auto" | "any" | "none" => json!({ "type": choice }),
        name => json!({ "type": "tool", "name": name }),
    };
    body["tool_choice"]["disable_parallel_tool_use"] = json!(wish.sequential);
    if wish.thinking {
        body["thinking"] = json!({ "type": "enabled", "budget_tokens": 1024 });
    }
    if let Some(schema) = &wish.schema {
        body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } });
    }
    if let Some(stop) = wish.stop {
        body["stop_sequences"] = json!([stop]);
    }
    body
}

fn gemini(wish: &Wish) -> Value {
    let mut contents = vec![json!({ "role": "user", "parts": [{ "text": wish.question }] })];
    if !wish.called.is_empty() {
        let calls = wish.called.iter().map(
            |(_, name, arguments)| json!({ "functionCall": { "name": name, "args": arguments } }),
        );
        let results = wish.called.iter().map(|(_, name, _)| {
            json!({ "functionResponse": { "name": name, "response": { "result": RESULT } } })
        });
        contents.push(json!({ "role": "model", "parts": calls.collect::<Vec<_>>() }));
        contents.push(json!({ "role": "user", "parts": results.collect::<Vec<_>>() }));
    }
    let mut body = json!({ "contents": contents });
    if wish.tools {
        let functions =
            TOOLS.map(|name| json!({ "name": name, "parametersJsonSchema": arguments_schema() }));
        body["tools"] = json!([{ "functionDeclarations": functions }]);
    }
    let config = match wish.choice {
        None | Some("auto") => json!({ "mode": "AUTO" }),
        Some("any") => json!({ "mode": "ANY" }),
        Some("none") => json!({ "mode": "NONE" }),
        Some(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    };
    body["toolConfig"] = json!({ "functionCallingConfig": config });
    let mut config = json!({ "maxOutputTokens": wish.max_tokens });
    if wish.thinking {
        // One SDK writes some names in camel case and some with underscores.
        config["thinkingConfig"] = json!({ "include_thoughts": true });
    }
    if let Some(schema) = &wish.schema {
        config["responseMimeType"] = json!("application/json");
        config["responseSchema"] = schema.clone();
    }
    if let Some(stop) = wish.stop {
        config["stopSequences"] = json!([stop]);
    }
    body["generationConfig"] = config;
    body
}
