//! A client's request → the neutral form: its settings. `conversation` reads the messages.

use std::borrow::Cow;

use serde_json::de::SliceRead;

use super::blame;
use super::conversation::Conversation;
use crate::dialects::anthropic::hosted_kind;
use crate::dialects::anthropic::wire::read;
use crate::dialects::{Path, unread};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{
    Amount, Effort, Format, Function, HostedKind, HostedTool, Reasoning, Request, Sampling, Tool,
    ToolChoice,
};

/// Reads a client's request.
pub fn parse<'a>(body: &'a [u8], _path: Path<'a>) -> Result<Request<'a>, Error> {
    let (wire, unread) = read(body)?;
    if wire.max_tokens.is_none() {
        return Err(Error::invalid(
            "max_tokens",
            "field required: the tokens of the answer at most",
        ));
    }
    request(body, wire, unread)
}

/// Reads a request whose tokens are to be counted: `max_tokens` may be missing.
/// <https://docs.anthropic.com/en/api/messages-count-tokens>
pub fn parse_count(body: &[u8]) -> Result<Request<'_>, Error> {
    let (wire, unread) = read(body)?;
    request(body, wire, unread)
}

/// Fields that say nothing another provider could miss: the blocks of hosted tools, of fallbacks and of tools that come and
/// go are told as a whole.
const NEEDLESS: [&str; 9] = [
    "messages.content.content.encrypted_content",
    "messages.content.content.page_age",
    "messages.content.content.url",
    "messages.content.from",
    "messages.content.server_name",
    "messages.content.to",
    "messages.content.tool",
    "messages.content.trigger",
    "system.tool",
];

fn read(body: &[u8]) -> Result<(read::Request<'_>, Losses), Error> {
    let mut unread = Losses::default();
    let wire = unread::read(SliceRead::new(body), &NEEDLESS, &mut unread);
    Ok((wire.map_err(|error| blame::of(body, &error))?, unread))
}

fn request<'a>(
    body: &'a [u8],
    mut wire: read::Request<'a>,
    mut unsaid: Losses,
) -> Result<Request<'a>, Error> {
    let model = wire.model.take().map(|model| model.0).filter(|model| !model.is_empty());
    let Some(model) = model else { return Err(Error::invalid("model", "field required")) };
    let messages = wire.messages.take().unwrap_or_default();
    if messages.is_empty() {
        return Err(Error::invalid("messages", "at least one message is required"));
    }
    let mut conversation = Conversation::new(body);
    if let Some(system) = wire.system.take() {
        conversation.system(system)?;
    }
    for (index, message) in messages.into_iter().enumerate() {
        conversation.message(index, message)?;
    }
    let (turns, untold) = conversation.finish();
    unsaid.extend(&untold);
    leave_unsaid(&wire, &mut unsaid);
    let tools = tools(wire.tools.take().unwrap_or_default(), &mut unsaid)?;
    let parallel_tool_calls = wire
        .tool_choice
        .as_ref()
        .and_then(|choice| choice.disable_parallel_tool_use.map(|disable| !disable));
    let tool_choice = tool_choice(wire.tool_choice.take(), &tools)?;
    let effort = wire.output_config.as_ref().and_then(|config| config.effort.as_ref());
    let effort = effort.map(|effort| effort_of(&effort.0)).transpose()?;
    let reasoning = reasoning(wire.thinking.as_ref(), effort, &mut unsaid)?;
    let format = wire.output_config.take().and_then(|config| config.format);
    Ok(Request {
        model,
        stream: wire.stream.unwrap_or(false),
        turns,
        tools,
        tool_choice,
        parallel_tool_calls,
        max_output: wire.max_tokens,
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            top_k: wire.top_k,
            ..Sampling::default()
        },
        stop: wire.stop_sequences.unwrap_or_default().into_iter().map(|stop| stop.0).collect(),
        reasoning,
        format: output_format(format.or(wire.output_format))?,
        service_tier: wire.service_tier.map(|tier| tier.0),
        user: wire.metadata.and_then(|metadata| metadata.user_id).map(|user| user.0),
        unsaid,
        ..Request::default()
    })
}

/// Fields that the neutral form has no word for.
fn leave_unsaid(wire: &read::Request<'_>, unsaid: &mut Losses) {
    unsaid.drop_some(&wire.cache_control, "cache_control");
    unsaid.drop_some(&wire.context_management, "context_management");
    unsaid.drop_some(&wire.fallbacks, "fallbacks");
    unsaid.drop_some(&wire.speed, "speed");
    unsaid.drop_some(&wire.betas, "betas");
    unsaid.drop_some(&wire.diagnostics, "diagnostics");
    unsaid.drop_some(&wire.user_profile_id, "user_profile_id");
    if wire.thread.is_some() {
        let reason = "threads are kept by Anthropic alone: send the whole conversation without it";
        unsaid.refuse("thread", reason);
    }
    if wire.container.is_some() {
        unsaid.refuse("container", "a container is kept by Anthropic alone");
    }
    if wire.mcp_servers.as_ref().is_some_and(|servers| !servers.is_empty()) {
        let reason = "MCP servers are called by Anthropic alone: let the client call them";
        unsaid.refuse("mcp_servers", reason);
    }
    if wire.inference_geo.as_ref().is_some_and(|geo| geo.0 != "global") {
        unsaid.refuse("inference_geo", "another provider cannot be bound to a region by a request");
    }
}

fn tools<'a>(tools: Vec<read::Tool<'a>>, unsaid: &mut Losses) -> Result<Vec<Tool<'a>>, Error> {
    let mut read = Vec::with_capacity(tools.len());
    for (index, tool) in tools.into_iter().enumerate() {
        unsaid.drop_some(&tool.cache_control, "cache_control");
        unsaid.drop_some(&tool.allowed_callers, "allowed_callers");
        unsaid.drop_some(&tool.input_examples, "input_examples");
        unsaid.drop_some(&tool.eager_input_streaming, "eager_input_streaming");
        unsaid.drop_some(&tool.user_location, "user_location");
        unsaid.drop_some(&tool.max_content_tokens, "max_content_tokens");
        // Every tool is declared at once: none is left to be searched for.
        if tool.defer_loading == Some(true) {
            unsaid.drop("defer_loading");
        }
        let kind = tool.kind.as_ref().map_or("custom", |kind| &kind.0);
        if kind.starts_with("tool_search_tool") {
            unsaid.drop("tool_search_tool");
        } else if kind == "custom" {
            read.push(Tool::Function(function(index, tool)?));
        } else {
            if tool.strict == Some(true) {
                unsaid.drop("strict");
            }
            read.push(Tool::Hosted(hosted(tool)));
        }
    }
    Ok(read)
}

fn function(index: usize, tool: read::Tool<'_>) -> Result<Function<'_>, Error> {
    let name = tool.name.map(|name| name.0).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Error::invalid(format!("tools.{index}.name"), "field required"));
    };
    let Some(schema) = tool.input_schema else {
        return Err(Error::invalid(format!("tools.{index}.input_schema"), "field required"));
    };
    Ok(Function {
        name,
        namespace: None,
        description: tool.description.map(|description| description.0),
        schema: Some(Cow::Borrowed(schema)),
        strict: tool.strict,
    })
}

fn hosted(tool: read::Tool<'_>) -> HostedTool<'_> {
    let name = tool.kind.map_or(Cow::Borrowed(""), |kind| kind.0);
    HostedTool {
        kind: hosted_tool_kind(&name),
        allowed_domains: texts(tool.allowed_domains),
        blocked_domains: texts(tool.blocked_domains),
        max_uses: tool.max_uses,
        name,
    }
}

fn texts(texts: Option<Vec<read::Str<'_>>>) -> Vec<Cow<'_, str>> {
    texts.unwrap_or_default().into_iter().map(|text| text.0).collect()
}

/// The kind of a tool type without its date: `web_search_20250305`.
fn hosted_tool_kind(dated: &str) -> HostedKind {
    match dated.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') {
        "computer" | "computer_toolset" => HostedKind::Computer,
        "mcp_toolset" => HostedKind::Mcp,
        name => hosted_kind("server_tool_use", name),
    }
}

fn tool_choice<'a>(
    choice: Option<read::ToolChoice<'a>>,
    tools: &[Tool<'_>],
) -> Result<ToolChoice<'a>, Error> {
    let Some(choice) = choice else { return Ok(ToolChoice::Unset) };
    match choice.kind.as_ref().map_or("", |kind| &kind.0) {
        "auto" => Ok(ToolChoice::Auto),
        "any" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        "tool" => {
            let Some(name) = choice.name else {
                return Err(Error::invalid("tool_choice.name", "field required"));
            };
            let is_own = |tool: &Tool<'_>| match tool {
                Tool::Function(own) => own.name == name.0,
                Tool::Custom(own) => own.name == name.0,
                Tool::Hosted(_) => false,
            };
            let hosted = hosted_kind("server_tool_use", &name.0);
            if hosted != HostedKind::Other && !tools.iter().any(is_own) {
                return Ok(ToolChoice::Hosted(hosted));
            }
            Ok(ToolChoice::Named(name.0))
        }
        _ => Err(Error::invalid("tool_choice.type", "expected auto, any, tool or none")),
    }
}

fn reasoning(
    thinking: Option<&read::Thinking<'_>>,
    effort: Option<Effort>,
    unsaid: &mut Losses,
) -> Result<Reasoning, Error> {
    let Some(thinking) = thinking else {
        // Without thinking it only says how long to answer, and to the other dialects effort means thinking.
        unsaid.drop_some(&effort, "effort");
        return Ok(Reasoning::default());
    };
    let amount = match thinking.kind.as_ref().map_or("", |kind| &kind.0) {
        "enabled" => match thinking.budget_tokens {
            Some(budget) => Amount::Budget(budget),
            None => return Err(Error::invalid("thinking.budget_tokens", "field required")),
        },
        "adaptive" => Amount::Adaptive(effort),
        "disabled" | "between_tools" => Amount::Off,
        _ => {
            let expected = "expected enabled, adaptive, disabled or between_tools";
            return Err(Error::invalid("thinking.type", expected));
        }
    };
    let show = match thinking.display.as_ref().map_or("", |display| &display.0) {
        "summarized" => Some(true),
        "omitted" => Some(false),
        _ => None,
    };
    Ok(Reasoning { amount, show })
}

fn effort_of(effort: &str) -> Result<Effort, Error> {
    match effort {
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        "xhigh" => Ok(Effort::ExtraHigh),
        "max" => Ok(Effort::Max),
        _ => {
            let expected = "expected low, medium, high, xhigh or max";
            Err(Error::invalid("output_config.effort", expected))
        }
    }
}

fn output_format(format: Option<read::OutputFormat<'_>>) -> Result<Format<'_>, Error> {
    let Some(format) = format else { return Ok(Format::Text) };
    match (format.kind.as_ref().map_or("", |kind| &kind.0), format.schema) {
        ("json_schema", Some(schema)) => Ok(Format::JsonSchema {
            name: None,
            description: None,
            schema: Cow::Borrowed(schema),
            strict: None,
        }),
        ("json_schema", None) => {
            Err(Error::invalid("output_config.format.schema", "field required"))
        }
        _ => Err(Error::invalid("output_config.format.type", "expected json_schema")),
    }
}
