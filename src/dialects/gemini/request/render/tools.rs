//! Tools and how they may be used. <https://ai.google.dev/gemini-api/docs/function-calling>

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Page;
use crate::dialects::gemini::request::schema;
use crate::dialects::gemini::wire::request::{
    FunctionCallingConfig, FunctionDeclaration, Tool as WireTool, ToolConfig,
};
use crate::dialects::gemini::wire::{Empty, Raw, Str, Word};
use crate::dialects::tools::Toolbox;
use crate::ir::request::{CustomTool, Function, HostedKind, HostedTool, Request, Tool, ToolChoice};

/// The tools: functions in one entry, each of Google's own in one.
pub(super) fn write<'r>(page: &mut Page<'r>, tools: &'r [Tool<'_>]) -> Vec<WireTool<'r>> {
    let mut functions = WireTool::default();
    let mut hosted = Vec::new();
    for tool in tools {
        match tool {
            Tool::Function(tool) => functions.function_declarations.push(function(page, tool)),
            Tool::Custom(tool) => functions.function_declarations.push(custom(page, tool)),
            Tool::Hosted(tool) => hosted.extend(hosted_tool(page, tool)),
        }
    }
    let mut all = Vec::with_capacity(1 + hosted.len());
    if !functions.function_declarations.is_empty() {
        all.push(functions);
    }
    all.extend(hosted);
    all
}

fn function<'r>(page: &mut Page<'r>, tool: &'r Function<'_>) -> FunctionDeclaration<'r> {
    if tool.strict == Some(true) {
        page.losses.drop("strict");
    }
    let mut declaration = FunctionDeclaration {
        name: page.toolbox.sent(tool.namespace.as_deref(), &tool.name).into(),
        description: tool.description.as_deref().map(Str::from),
        ..FunctionDeclaration::default()
    };
    // A schema that allows anything says nothing, and Google wants one of an object.
    let says = |schema: &&RawValue| {
        let inside = schema.get().strip_prefix('{').unwrap_or_default();
        inside.trim_start().starts_with('"')
    };
    let schema = tool.schema.as_deref().filter(says);
    let Some(schema) = schema else { return declaration };
    if !page.target.quirks.schema_subset {
        declaration.parameters_json_schema = Some(Raw(Cow::Borrowed(schema)));
    } else if schema::has_properties(schema) {
        let (subset, lost) = schema::to_gemini(schema);
        declaration.parameters = Some(Raw(Cow::Owned(subset)));
        if lost {
            page.losses.drop("tools.parameters");
        }
    }
    declaration
}

/// Free text has no form here: a function with one string. Its grammar is told in words.
fn custom<'r>(page: &Page<'r>, tool: &'r CustomTool<'_>) -> FunctionDeclaration<'r> {
    let (description, schema) = Toolbox::function_for(tool);
    let schema = serde_json::from_str::<&RawValue>(schema).ok();
    let subset = page.target.quirks.schema_subset;
    let (parameters, plain) = if subset { (schema, None) } else { (None, schema) };
    FunctionDeclaration {
        name: page.toolbox.sent(tool.namespace.as_deref(), &tool.name).into(),
        description: Some(description).filter(|text| !text.is_empty()).map(Str::from),
        parameters: parameters.map(|schema| Raw(Cow::Owned(schema::to_gemini(schema).0))),
        parameters_json_schema: plain.map(|schema| Raw(Cow::Borrowed(schema))),
        ..FunctionDeclaration::default()
    }
}

fn hosted_tool<'r>(page: &mut Page<'_>, tool: &HostedTool<'_>) -> Option<WireTool<'r>> {
    let field = || format!("tools.{}", tool.name);
    if !tool.allowed_domains.is_empty() || !tool.blocked_domains.is_empty() {
        page.losses.refuse(field(), "Gemini searches the whole web: it takes no list of domains");
    }
    page.losses.drop_some(&tool.max_uses, "max_uses");
    match tool.kind {
        HostedKind::WebSearch => {
            Some(WireTool { google_search: Some(Empty), ..WireTool::default() })
        }
        HostedKind::WebFetch => Some(WireTool { url_context: Some(Empty), ..WireTool::default() }),
        HostedKind::CodeExecution => {
            Some(WireTool { code_execution: Some(Empty), ..WireTool::default() })
        }
        HostedKind::FileSearch
        | HostedKind::Computer
        | HostedKind::Mcp
        | HostedKind::ImageGeneration
        | HostedKind::Other => {
            let reason = format!("Gemini accounts have no tool of the kind {:?}", tool.name);
            page.losses.refuse(field(), reason);
            None
        }
    }
}

/// Whether and which tool must be called. Google refuses the setting where no function is declared.
pub(super) fn config<'r>(
    page: &mut Page<'r>,
    request: &'r Request<'_>,
    tools: &[WireTool<'_>],
) -> Option<ToolConfig<'r>> {
    if let ToolChoice::Hosted(_) = request.tool_choice {
        page.losses.refuse("tool_choice", "Gemini cannot be made to use one of its own tools");
    }
    let declares = tools.iter().any(|tool| !tool.function_declarations.is_empty());
    let has_hosted = tools.iter().any(|tool| tool.function_declarations.is_empty());
    if !declares {
        return None;
    }
    // "Please enable tool_config.include_server_side_tool_invocations to use built-in tools with function calling."
    // Vertex AI does not know the field. <https://ai.google.dev/gemini-api/docs/tool-combination>
    let combines =
        has_hosted && page.model.is_third_generation() && !page.target.quirks.schema_subset;
    let calling = calling(page, request);
    (calling.is_some() || combines).then(|| ToolConfig {
        function_calling_config: calling,
        include_server_side_tool_invocations: combines.then_some(true),
        ..ToolConfig::default()
    })
}

fn calling<'r>(page: &mut Page<'r>, request: &'r Request<'_>) -> Option<FunctionCallingConfig<'r>> {
    let (mode, names): (&str, &[_]) = match &request.tool_choice {
        ToolChoice::Unset | ToolChoice::Hosted(_) => return None,
        ToolChoice::Auto => ("AUTO", &[]),
        ToolChoice::None => ("NONE", &[]),
        ToolChoice::Required => ("ANY", &[]),
        ToolChoice::Named(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Allowed { names, required: true } => ("ANY", names),
        // AUTO takes no list of names.
        ToolChoice::Allowed { names, required: false } => ("VALIDATED", names),
    };
    let known: Vec<Str<'r>> =
        names.iter().filter_map(|name| declared(page, request, name)).map(Str::from).collect();
    if known.is_empty() && !names.is_empty() {
        page.losses.refuse("tool_choice", "it names no declared function");
    }
    Some(FunctionCallingConfig {
        mode: Some(Word::Name(Cow::Borrowed(mode))),
        allowed_function_names: (!known.is_empty()).then_some(known),
        ..FunctionCallingConfig::default()
    })
}

/// The sent name of a declared tool.
fn declared<'r>(page: &Page<'r>, request: &'r Request<'_>, name: &str) -> Option<&'r str> {
    request.tools.iter().find_map(|tool| {
        let (namespace, own) = match tool {
            Tool::Function(tool) => (tool.namespace.as_deref(), tool.name.as_ref()),
            Tool::Custom(tool) => (tool.namespace.as_deref(), tool.name.as_ref()),
            Tool::Hosted(_) => return None,
        };
        (own == name).then(|| page.toolbox.sent(namespace, own))
    })
}
