//! The neutral form → a request for an account: the settings; the conversation is written in `messages`.

mod family;
mod messages;
mod schema;
mod tools;

use sha2::{Digest as _, Sha256};

use crate::dialects::Target;
use crate::dialects::openai_chat::wire::json::Object;
use crate::dialects::tools::Toolbox;
use crate::ir::losses::Losses;
use crate::ir::request::{Amount, Effort, Format, Request, Verbosity};

use family::{Family, Vendor};

/// To whom a request is written, and what it could not say.
struct Scribe<'t> {
    target: Target<'t>,
    family: Family,
    toolbox: &'t Toolbox,
    losses: Losses,
}

/// Stop sequences at most. <https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop>
const STOPS: usize = 4;

/// Writes a request's body.
pub(super) fn request(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let family = Family::of(target.model);
    let mut scribe = Scribe { target, family, toolbox, losses: Losses::default() };
    let mut body = Object::begin(out);
    body.put("model", target.model);
    scribe.messages(&request.turns, &mut body);
    scribe.tools(request, &mut body);
    scribe.limits(request, &mut body);
    scribe.sampling(request, &mut body);
    scribe.reasoning(request.reasoning.amount, &mut body);
    scribe.format(&request.format, &mut body);
    scribe.account(request, &mut body);
    if request.stream {
        body.put("stream", &true);
        // Mistral tells the usage unasked and refuses the field.
        if family.vendor != Vendor::Mistral {
            let mut options = body.object("stream_options");
            options.put("include_usage", &true);
            options.end();
        }
    }
    body.end();
    scribe.losses
}

impl Scribe<'_> {
    fn limits(&mut self, request: &Request<'_>, body: &mut Object<'_>) {
        // OpenAI's reasoning models refuse `max_tokens`; compatible endpoints know nothing else.
        let max_tokens = match self.family.vendor {
            Vendor::OpenAi => "max_completion_tokens",
            Vendor::Mistral | Vendor::Other => "max_tokens",
        };
        body.put_some(max_tokens, request.max_output);
        body.put_some("n", request.candidates.filter(|n| *n > 1));
        let stops: Vec<_> = request.stop.iter().filter(|text| !text.is_empty()).collect();
        if stops.len() > STOPS {
            self.losses.drop("stop");
        }
        if !stops.is_empty() {
            body.put("stop", stops.get(..STOPS).unwrap_or(&stops));
        }
    }

    fn sampling(&mut self, request: &Request<'_>, body: &mut Object<'_>) {
        let sampling = &request.sampling;
        body.put_some("temperature", sampling.temperature);
        body.put_some("top_p", sampling.top_p);
        self.losses.drop_some(&sampling.top_k, "top_k");
        let seed = if self.family.vendor == Vendor::Mistral { "random_seed" } else { "seed" };
        body.put_some(seed, sampling.seed);
        body.put_some("presence_penalty", sampling.presence_penalty);
        body.put_some("frequency_penalty", sampling.frequency_penalty);
        if let Some(alternatives) = request.logprobs {
            body.put("logprobs", &true);
            body.put_some("top_logprobs", Some(alternatives.min(20)).filter(|n| *n > 0));
        }
    }

    fn reasoning(&mut self, amount: Amount, body: &mut Object<'_>) {
        let effort = match amount {
            Amount::Unset => return,
            Amount::Off | Amount::Budget(0) => None,
            Amount::Adaptive(effort) => Some(effort.unwrap_or(Effort::Medium)),
            Amount::Effort(effort) => Some(effort),
            Amount::Budget(tokens) => Some(effort_of(tokens)),
        };
        if self.family.switch {
            let mut thinking = body.object("thinking");
            thinking.put("type", if effort.is_some() { "enabled" } else { "disabled" });
            thinking.end();
        }
        // With the switch on, its model chooses by itself.
        let chosen = !(self.family.switch && amount == Amount::Adaptive(None));
        match (effort, self.family.levels) {
            (Some(effort), Some(levels)) if chosen => {
                body.put("reasoning_effort", levels.word(effort));
            }
            (None, Some(levels)) if !self.family.switch => {
                // A model that always thinks is asked for as little as it can.
                if levels.off.is_none() {
                    self.losses.drop("reasoning");
                }
                let word = levels.off.unwrap_or_else(|| levels.word(Effort::Minimal));
                body.put("reasoning_effort", word);
            }
            (Some(_), None) if !self.family.switch => self.losses.drop("reasoning"),
            (Some(_) | None, _) => {}
        }
    }

    fn format(&mut self, format: &Format<'_>, body: &mut Object<'_>) {
        let (kind, schema) = match format {
            Format::Text => return,
            Format::JsonObject => ("json_object", None),
            Format::JsonSchema { name, description, schema, strict } => {
                ("json_schema", Some((name, description, schema, strict)))
            }
        };
        let mut format = body.object("response_format");
        format.put("type", kind);
        if let Some((name, description, schema, strict)) = schema {
            let mut json_schema = format.object("json_schema");
            json_schema.put("name", &schema_name(name.as_deref()));
            json_schema.put_some("description", description.as_ref());
            json_schema.put("schema", &**schema);
            self.strict(*strict, schema.get(), &mut json_schema);
            json_schema.end();
        }
        format.end();
    }

    /// Strict mode only where the client asked for it and OpenAI takes the schema.
    fn strict(&mut self, asked: Option<bool>, schema: &str, object: &mut Object<'_>) {
        if asked != Some(true) {
            return;
        }
        if schema::is_strict(schema) {
            object.put("strict", &true);
        } else {
            self.losses.drop("strict");
        }
    }

    fn account(&mut self, request: &Request<'_>, body: &mut Object<'_>) {
        let openai = self.family.vendor == Vendor::OpenAi;
        let tier = request.service_tier.as_deref().and_then(service_tier);
        if tier.is_none() {
            self.losses.drop_some(&request.service_tier, "service_tier");
        }
        body.put_some("service_tier", tier);
        match &request.user {
            None => {}
            Some(_) if self.family.vendor == Vendor::Mistral => self.losses.drop("user"),
            Some(user) => body.put("user", &short(user)),
        }
        if openai {
            body.put_some("prompt_cache_key", request.cache_key.as_deref().map(short));
            body.put_some("verbosity", request.verbosity.map(verbosity));
        } else {
            self.losses.drop_some(&request.cache_key, "prompt_cache_key");
            self.losses.drop_some(&request.verbosity, "verbosity");
        }
        // OpenAI refuses `metadata` unless the answer is stored too.
        self.losses.drop_some(&request.metadata, "metadata");
    }
}

/// Anthropic's and Gemini's budgets in OpenAI's words.
const fn effort_of(tokens: u64) -> Effort {
    match tokens {
        ..=2047 => Effort::Low,
        2048..=8191 => Effort::Medium,
        _ => Effort::High,
    }
}

const fn verbosity(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Low => "low",
        Verbosity::Medium => "medium",
        Verbosity::High => "high",
    }
}

/// OpenAI's words, and Anthropic's for the same.
fn service_tier(word: &str) -> Option<&str> {
    match word {
        "auto" | "default" | "flex" | "scale" | "priority" | "fast" => Some(word),
        "standard_only" | "standard" => Some("default"),
        _ => None,
    }
}

/// A schema's name by OpenAI's rule, which asks for one.
fn schema_name(name: Option<&str>) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.unwrap_or_default().chars().take(64).map(legal).collect();
    if name.is_empty() { "response".to_owned() } else { name }
}

/// OpenAI allows 64 characters for the names of users and cache keys; a digest tells them apart as well.
fn short(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().count() <= 64 { text.into() } else { digest(text, 64).into() }
}

/// The first `length` hexadecimal digits of a text's SHA-256.
fn digest(text: &str, length: usize) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    out.truncate(length);
    out
}
