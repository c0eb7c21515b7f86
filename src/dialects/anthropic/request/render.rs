//! The neutral form → a request for an account: its settings. `turns` writes the messages.

use std::borrow::Cow;

use super::model::Model;
use super::thinking::Plan;
use super::turns::Turns;
use super::{schema, thinking};
use crate::dialects::Target;
use crate::dialects::anthropic::hosted_name;
use crate::dialects::anthropic::wire::write::{
    Metadata, OutputConfig, OutputFormat, Request as Body, Tool as Declared, ToolChoice as Choice,
};
use crate::dialects::tools::Toolbox;
use crate::ir::losses::Losses;
use crate::ir::request::{Format, HostedKind, HostedTool, Request, Tool, ToolChoice};
use crate::json;

/// Writes a request for an account.
pub fn render(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut losses = Losses::default();
    let mut body = whole(request, target, toolbox, &mut losses);
    let plan = Plan { thinking: body.thinking, effort: body.output_config.effort };
    let sampling = sampling(request, Model::of(target.model), &plan, &mut losses);
    body.temperature = sampling.temperature;
    body.top_p = sampling.top_p;
    body.top_k = sampling.top_k;
    body.stop_sequences = stop_sequences(request, &mut losses);
    body.metadata = metadata(request, &mut losses);
    body.service_tier = service_tier(request, &mut losses);
    body.stream = request.stream;
    leave_out(request, &mut losses);
    // Writing to memory cannot fail.
    let _ = json::write::value(&body, out);
    losses
}

/// Writes a request whose tokens are to be counted: what has no tokens is refused there.
/// <https://docs.anthropic.com/en/api/messages-count-tokens>
pub fn render_count(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut losses = Losses::default();
    let body = Body { max_tokens: None, ..whole(request, target, toolbox, &mut losses) };
    // Writing to memory cannot fail.
    let _ = json::write::value(&body, out);
    losses
}

/// What the model reads, and how it is to think.
fn whole<'r>(
    request: &'r Request<'_>,
    target: Target<'r>,
    toolbox: &'r Toolbox,
    losses: &mut Losses,
) -> Body<'r> {
    let model = Model::of(target.model);
    let (system, messages) = Turns::new(target, toolbox, model, losses).render(request);
    let tools = tools(request, toolbox, losses);
    let tool_choice =
        if tools.is_empty() { None } else { tool_choice(request, toolbox, model, losses) };
    let max_tokens = request.max_output.unwrap_or(model.max_output);
    let is_forced =
        tool_choice.as_ref().is_some_and(|choice| matches!(choice.kind, "any" | "tool"));
    let allowed = thinking::allowed(model, max_tokens, is_forced, &messages);
    let plan = thinking::plan(request.reasoning, model, max_tokens, allowed, losses);
    let format = output_format(&request.format, losses);
    Body {
        model: target.model,
        max_tokens: Some(max_tokens),
        system,
        messages,
        tools,
        tool_choice,
        thinking: plan.thinking,
        output_config: OutputConfig { effort: plan.effort, format },
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: Vec::new(),
        metadata: None,
        service_tier: None,
        stream: false,
    }
}

/// The beta headers that a rendered request wants. Both tools have left their beta; services that follow later still ask,
/// and Anthropic takes the header as before.
/// <https://docs.anthropic.com/en/api/beta-headers>
pub fn betas(request: &Request<'_>) -> Vec<&'static str> {
    let mut betas = Vec::new();
    for tool in &request.tools {
        match tool {
            Tool::Hosted(HostedTool { kind: HostedKind::CodeExecution, .. }) => {
                betas.push("code-execution-2025-08-25");
            }
            Tool::Hosted(HostedTool { kind: HostedKind::WebFetch, .. }) => {
                betas.push("web-fetch-2025-09-10");
            }
            Tool::Hosted(_) | Tool::Function(_) | Tool::Custom(_) => {}
        }
    }
    betas
}

fn tools<'r>(
    request: &'r Request<'_>,
    toolbox: &'r Toolbox,
    losses: &mut Losses,
) -> Vec<Declared<'r>> {
    let mut declared = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        if !is_allowed(tool, &request.tool_choice) {
            continue;
        }
        match tool {
            Tool::Function(tool) => {
                if tool.strict == Some(true) {
                    losses.drop("strict");
                }
                declared.push(Declared::Own {
                    name: toolbox.sent(tool.namespace.as_deref(), &tool.name),
                    description: tool.description.as_deref().map(Cow::Borrowed),
                    input_schema: schema::of_tool(tool.schema.as_deref()),
                });
            }
            Tool::Custom(tool) => {
                let (description, schema) = Toolbox::function_for(tool);
                let Some(input_schema) = crate::dialects::anthropic::raw(schema.to_owned()) else {
                    continue;
                };
                declared.push(Declared::Own {
                    name: toolbox.sent(tool.namespace.as_deref(), &tool.name),
                    description: (!description.is_empty()).then_some(Cow::Owned(description)),
                    input_schema,
                });
            }
            Tool::Hosted(tool) => declared.extend(hosted(tool, losses)),
        }
    }
    declared
}

/// A choice among some of the tools is kept by sending only those.
fn is_allowed(tool: &Tool<'_>, choice: &ToolChoice<'_>) -> bool {
    let ToolChoice::Allowed { names, .. } = choice else { return true };
    let name = match tool {
        Tool::Function(tool) => &tool.name,
        Tool::Custom(tool) => &tool.name,
        Tool::Hosted(tool) => &tool.name,
    };
    names.contains(name)
}

fn hosted<'r>(tool: &'r HostedTool<'_>, losses: &mut Losses) -> Option<Declared<'r>> {
    let (kind, name) = match tool.kind {
        // <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool>
        HostedKind::WebSearch => ("web_search_20250305", "web_search"),
        // <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-fetch-tool>
        HostedKind::WebFetch => ("web_fetch_20250910", "web_fetch"),
        // <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/code-execution-tool>
        HostedKind::CodeExecution => ("code_execution_20250825", "code_execution"),
        HostedKind::FileSearch
        | HostedKind::Computer
        | HostedKind::Mcp
        | HostedKind::ImageGeneration
        | HostedKind::Other => {
            let reason = format!("Anthropic has no tool for {}", tool.name);
            losses.refuse("tools", reason);
            return None;
        }
    };
    let has_filters = tool.kind != HostedKind::CodeExecution;
    Some(Declared::Hosted {
        kind,
        name,
        allowed_domains: if has_filters { &tool.allowed_domains } else { &[] },
        // Both lists at once are refused; the shorter way to say it is the list of what is allowed.
        blocked_domains: if has_filters && tool.allowed_domains.is_empty() {
            &tool.blocked_domains
        } else {
            &[]
        },
        max_uses: tool.max_uses.filter(|_| has_filters),
    })
}

fn tool_choice<'r>(
    request: &'r Request<'_>,
    toolbox: &'r Toolbox,
    model: Model,
    losses: &mut Losses,
) -> Option<Choice<'r>> {
    let single = request.parallel_tool_calls == Some(false);
    let (kind, name) = match &request.tool_choice {
        ToolChoice::Unset if !single => return None,
        ToolChoice::Unset | ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => {
            ("auto", None)
        }
        ToolChoice::None => ("none", None),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(toolbox.sent(None, name))),
        ToolChoice::Hosted(kind) => ("tool", Some(hosted_name(*kind))),
    };
    if matches!(kind, "any" | "tool") && !model.forced_choice {
        losses.refuse("tool_choice", "this model takes no forced tool calls: let it choose");
        return None;
    }
    Some(Choice { kind, name, disable_parallel_tool_use: single && kind != "none" })
}

/// How tokens are drawn, as far as the API takes it.
struct Drawn {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
}

/// <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#feature-compatibility>: no `temperature` and
/// `top_k` beside thinking. Newer models take `temperature` or `top_p`, and the newest neither.
fn sampling(request: &Request<'_>, model: Model, plan: &Plan, losses: &mut Losses) -> Drawn {
    let asked = &request.sampling;
    losses.drop_some(&asked.seed, "seed");
    losses.drop_some(&asked.presence_penalty, "presence_penalty");
    losses.drop_some(&asked.frequency_penalty, "frequency_penalty");
    let is_free = model.sampling && !plan.is_on();
    let is_default = |value: &f64| (value - 1.0).abs() < f64::EPSILON;
    let temperature = match asked.temperature {
        Some(temperature) if is_free && temperature > 1.0 => {
            losses.drop("temperature");
            Some(1.0)
        }
        Some(temperature) if is_free || model.sampling && is_default(&temperature) => {
            Some(temperature)
        }
        Some(_) => {
            losses.drop("temperature");
            None
        }
        None => None,
    };
    let top_p = asked.top_p.filter(|_| is_free && temperature.is_none());
    if top_p.is_none() {
        losses.drop_some(&asked.top_p, "top_p");
    }
    let top_k = asked.top_k.filter(|_| is_free);
    if top_k.is_none() {
        losses.drop_some(&asked.top_k, "top_k");
    }
    Drawn { temperature, top_p, top_k }
}

fn output_format<'r>(format: &'r Format<'_>, losses: &mut Losses) -> Option<OutputFormat<'r>> {
    match format {
        Format::Text => None,
        Format::JsonObject => {
            losses.drop("response_format");
            None
        }
        Format::JsonSchema { schema, description, .. } => {
            losses.drop_some(description, "response_format.description");
            Some(OutputFormat { kind: "json_schema", schema: schema::of_answer(schema) })
        }
    }
}

/// The API refuses blank ones.
fn stop_sequences<'r>(request: &'r Request<'_>, losses: &mut Losses) -> Vec<&'r str> {
    let is_blank = |stop: &&str| stop.trim().is_empty();
    let stops = || request.stop.iter().map(|stop| &**stop);
    if stops().any(|stop| is_blank(&stop)) {
        losses.drop("stop");
    }
    stops().filter(|stop| !is_blank(stop)).collect()
}

/// <https://docs.anthropic.com/en/api/messages>: an opaque id of at most 256 characters; one that looks like a mail address
/// is refused.
fn metadata<'r>(request: &'r Request<'_>, losses: &mut Losses) -> Option<Metadata<'r>> {
    let user = request.user.as_deref().filter(|user| !user.is_empty())?;
    if user.len() > 256 || user.contains('@') {
        losses.drop("user");
        return None;
    }
    Some(Metadata { user_id: user })
}

fn service_tier(request: &Request<'_>, losses: &mut Losses) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" | "standard_only" => Some("standard_only"),
        _ => {
            losses.drop("service_tier");
            None
        }
    }
}

/// What the API has no field for.
fn leave_out(request: &Request<'_>, losses: &mut Losses) {
    losses.drop_some(&request.verbosity, "verbosity");
    losses.drop_some(&request.logprobs, "logprobs");
    losses.drop_some(&request.cache_key, "prompt_cache_key");
    losses.drop_some(&request.metadata, "metadata");
    if request.candidates.is_some_and(|candidates| candidates > 1) {
        losses.refuse("n", "Anthropic gives one answer to a request: ask several times");
    }
}
