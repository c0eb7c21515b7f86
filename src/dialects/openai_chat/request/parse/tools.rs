//! A client's tools and its choice among them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::openai_chat::wire::{OrText, Str, json, request as wire};
use crate::ir::Json;
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{CustomTool, Function, HostedKind, HostedTool, Tool, ToolChoice};

use super::given;

/// Reads `tools` and `tool_choice`, or the deprecated `functions` and `function_call`.
pub(super) fn parse<'a>(
    wire: &wire::Request<'a>,
    unsaid: &mut Losses,
) -> Result<(Vec<Tool<'a>>, ToolChoice<'a>), Error> {
    let mut tools = Vec::new();
    for (n, declared) in wire.tools.iter().flatten().enumerate() {
        unsaid.drop_some(&declared.cache_control, "cache_control");
        tools.push(tool(declared, n)?);
    }
    for (n, declared) in wire.functions.iter().flatten().enumerate() {
        tools.push(Tool::Function(function(declared, &format!("functions.{n}"))?));
    }
    if let Some(options) = &wire.web_search_options {
        unsaid.drop_some(&options.search_context_size, "search_context_size");
        unsaid.drop_some(&options.user_location, "user_location");
        tools.push(hosted("web_search"));
    }
    let choice = match (&wire.tool_choice, &wire.function_call) {
        (Some(choice), _) => tool_choice(choice, "tool_choice")?,
        (None, Some(choice)) => tool_choice(choice, "function_call")?,
        (None, None) => ToolChoice::Unset,
    };
    Ok((tools, choice))
}

fn tool<'a>(tool: &wire::Tool<'a>, n: usize) -> Result<Tool<'a>, Error> {
    if let Some(declared) = &tool.function {
        return Ok(Tool::Function(function(declared, &format!("tools.{n}.function"))?));
    }
    if let Some(declared) = &tool.custom {
        let name = needed(declared.name.as_ref(), &format!("tools.{n}.custom.name"))?;
        return Ok(Tool::Custom(CustomTool {
            name,
            namespace: None,
            description: given(declared.description.clone()),
            format: declared.format.as_ref().and_then(custom_format),
        }));
    }
    match given(tool.kind.clone()) {
        Some(kind) if kind != "function" && kind != "custom" => Ok(hosted(kind)),
        _ => {
            let field = format!("tools.{n}.function");
            Err(Error::invalid(&field, format!("{field}: a function is needed")))
        }
    }
}

fn function<'a>(declared: &wire::Function<'a>, field: &str) -> Result<Function<'a>, Error> {
    Ok(Function {
        name: needed(declared.name.as_ref(), &format!("{field}.name"))?,
        namespace: None,
        description: given(declared.description.clone()),
        schema: declared.parameters.as_ref().map(|raw| raw.0.clone()),
        strict: declared.strict,
    })
}

fn needed<'a>(name: Option<&Str<'a>>, field: &str) -> Result<Text<'a>, Error> {
    given(name.cloned()).ok_or_else(|| Error::invalid(field, format!("{field}: a name is needed")))
}

/// Chat Completions wraps a grammar's members in `grammar`, the neutral form, like Responses, does not.
fn custom_format<'a>(format: &wire::CustomFormat<'a>) -> Option<Json<'a>> {
    let (syntax, definition) = match &format.grammar {
        Some(grammar) => (&grammar.syntax, &grammar.definition),
        None => (&format.syntax, &format.definition),
    };
    let mut out = Vec::new();
    let mut object = json::Object::begin(&mut out);
    object.put("type", format.kind.as_ref().map_or("text", |Str(kind)| kind.as_ref()));
    object.put_some("syntax", syntax.as_ref().map(|Str(text)| text));
    object.put_some("definition", definition.as_ref().map(|Str(text)| text));
    object.end();
    let text = String::from_utf8(out).ok()?;
    RawValue::from_string(text).ok().map(Cow::Owned)
}

fn hosted<'a>(name: impl Into<Text<'a>>) -> Tool<'a> {
    let name = name.into();
    Tool::Hosted(HostedTool {
        kind: hosted_kind(&name),
        name,
        allowed_domains: Vec::new(),
        blocked_domains: Vec::new(),
        max_uses: None,
    })
}

fn hosted_kind(name: &str) -> HostedKind {
    const KINDS: [(&str, HostedKind); 9] = [
        ("web_search", HostedKind::WebSearch),
        ("web_fetch", HostedKind::WebFetch),
        ("url_context", HostedKind::WebFetch),
        ("code_interpreter", HostedKind::CodeExecution),
        ("code_execution", HostedKind::CodeExecution),
        ("file_search", HostedKind::FileSearch),
        ("computer", HostedKind::Computer),
        ("mcp", HostedKind::Mcp),
        ("image_generation", HostedKind::ImageGeneration),
    ];
    // OpenRouter prefixes its own (`openrouter:web_search`).
    KINDS
        .into_iter()
        .find(|(word, _)| name.contains(word))
        .map_or(HostedKind::Other, |(_, kind)| kind)
}

fn tool_choice<'a>(
    choice: &wire::ToolChoice<'a>,
    field: &'static str,
) -> Result<ToolChoice<'a>, Error> {
    let choice = match choice {
        OrText::Text(word) => {
            return match word.as_ref() {
                "auto" => Ok(ToolChoice::Auto),
                "none" => Ok(ToolChoice::None),
                // Mistral says `any`.
                "required" | "any" => Ok(ToolChoice::Required),
                other => Err(Error::invalid(
                    field,
                    format!("{field}: {other:?} is none of auto, none, required"),
                )),
            };
        }
        OrText::Other(choice) => choice,
    };
    if let Some(allowed) = &choice.allowed_tools {
        return Ok(ToolChoice::Allowed {
            names: allowed.tools.iter().flatten().filter_map(named).collect(),
            required: allowed.mode.as_ref().is_some_and(|Str(mode)| mode == "required"),
        });
    }
    if let Some(name) = named(choice) {
        return Ok(ToolChoice::Named(name));
    }
    match given(choice.kind.clone()) {
        Some(kind) if kind != "function" && kind != "custom" => {
            Ok(ToolChoice::Hosted(hosted_kind(&kind)))
        }
        _ => Err(Error::invalid(field, format!("{field}: the tool's name is needed"))),
    }
}

fn named<'a>(choice: &wire::NamedChoice<'a>) -> Option<Text<'a>> {
    let inner = choice.function.as_ref().or(choice.custom.as_ref());
    let name = inner.map_or(choice.name.as_ref(), |inner| inner.name.as_ref());
    given(name.cloned())
}
