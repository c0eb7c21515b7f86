//! What a request asks of the demo, in no dialect's words.

use http::StatusCode;
use serde_json::Value;

/// A request, reduced to what the demo's answer depends on.
#[derive(Default)]
pub(super) struct Turn {
    /// The request as it came, for what only its own dialect reads or echoes back.
    pub(super) body: Value,
    /// The model's name as asked.
    pub(super) model: String,
    /// The last user text.
    pub(super) question: String,
    /// The tool results that came after the question.
    pub(super) results: Vec<String>,
    /// The tools that may be called.
    pub(super) tools: Vec<Tool>,
    /// Whether a tool must or must not be called.
    pub(super) choice: Choice,
    /// Calls are made one at a time.
    pub(super) sequential: bool,
    /// What the answer's text has to be.
    pub(super) format: Format,
    /// The request asks to see reasoning.
    pub(super) thinking: bool,
    /// The longest answer, in tokens.
    pub(super) max_tokens: Option<usize>,
    /// Texts at which the answer ends.
    pub(super) stop: Vec<String>,
    characters: usize,
}

/// A declared tool.
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) input: Input,
}

/// What a tool is called with.
pub(super) enum Input {
    /// An object of this JSON schema.
    Schema(Value),
    /// Any text: OpenAI's custom tools.
    Text,
}

/// What the request says about calling tools.
#[derive(Default)]
pub(super) enum Choice {
    #[default]
    Auto,
    Never,
    Any,
    Named(String),
}

/// What the answer's text has to be.
#[derive(Default)]
pub(super) enum Format {
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// An instance of this JSON schema.
    Schema(Value),
}

/// Why a request gets no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// The field at fault.
    pub(super) param: Option<&'static str>,
    /// A word for programs.
    pub(super) code: Option<&'static str>,
}

impl Turn {
    /// A turn in which nothing has been said yet.
    pub(super) fn new(model: &str) -> Self {
        Self { model: model.to_owned(), ..Self::default() }
    }

    /// Takes in a text that only counts.
    pub(super) fn hear(&mut self, text: &str) {
        self.characters += text.chars().count();
    }

    /// Takes in a user message: its last text is the new question.
    pub(super) fn ask(&mut self, texts: &[&str]) {
        for text in texts {
            self.hear(text);
        }
        // Agents put their reminders first and what was typed last.
        if let Some(last) = texts.iter().rev().find(|text| !text.trim().is_empty()) {
            (*last).clone_into(&mut self.question);
            self.results.clear();
        }
    }

    /// Takes in what a tool returned.
    pub(super) fn result(&mut self, text: &str) {
        self.hear(text);
        self.results.push(text.to_owned());
    }

    /// Takes in a declared tool.
    pub(super) fn declare(&mut self, tool: &Value, input: Input) {
        let Some(name) = tool["name"].as_str().filter(|name| !name.is_empty()) else { return };
        self.hear(name);
        self.hear(tool["description"].as_str().unwrap_or_default());
        if let Input::Schema(schema) = &input {
            self.hear(&schema.to_string());
        }
        self.tools.push(Tool { name: name.to_owned(), input });
    }

    /// Leaves only the tools of these names.
    pub(super) fn allow(&mut self, names: &[&str]) {
        self.tools.retain(|tool| names.contains(&tool.name.as_str()));
    }

    /// The size of what was taken in.
    pub(super) fn input_tokens(&self) -> usize {
        tokens(self.characters)
    }
}

impl Refusal {
    /// The request cannot be understood.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), param: None, code: None }
    }

    /// A required field is missing or of the wrong type.
    pub(super) fn missing(field: &'static str) -> Self {
        let message = format!("missing required parameter: '{field}'");
        Self {
            param: Some(field),
            code: Some("missing_required_parameter"),
            ..Self::invalid(message)
        }
    }
}

/// The demo's estimate of a text's tokens: one for every four characters begun, never none.
pub(super) fn tokens(characters: usize) -> usize {
    characters.div_ceil(4).max(1)
}

/// The items of a JSON array; none if it is something else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A field's value, unless it is null or not there.
pub(super) fn given(value: &Value) -> Option<&Value> {
    Some(value).filter(|value| !value.is_null())
}

/// The texts of a message's content: a string, or parts with a `text`.
pub(super) fn texts(content: &Value) -> Vec<&str> {
    let parts =
        list(content).iter().map(|part| if part.is_string() { part } else { &part["text"] });
    std::iter::once(content).chain(parts).filter_map(Value::as_str).collect()
}

/// The strings of a JSON array, or the one string in its place.
pub(super) fn strings(value: &Value) -> Vec<String> {
    texts(value).into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// A count in JSON.
pub(super) fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}

/// The model's name, which three dialects carry in the body.
pub(super) fn model(body: &Value) -> Result<&str, Refusal> {
    body["model"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| Refusal::missing("model"))
}

/// The conversation in this field, which must not be empty.
pub(super) fn conversation<'a>(
    body: &'a Value,
    field: &'static str,
) -> Result<&'a [Value], Refusal> {
    match list(&body[field]) {
        [] => Err(Refusal::missing(field)),
        messages => Ok(messages),
    }
}
