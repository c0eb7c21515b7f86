//! Tools and how they may be used.

use super::config::json;
use crate::dialects::gemini::request::schema;
use crate::dialects::gemini::wire::request::{
    FunctionCallingConfig, FunctionDeclaration, Tool as WireTool, ToolConfig,
};
use crate::dialects::gemini::wire::{Members, Str, Word};
use crate::ir::error::Error;
use crate::ir::request::{Function, HostedKind, HostedTool, Request, Tool, ToolChoice};

/// Adds the tools of one entry.
pub(super) fn push<'a>(request: &mut Request<'a>, tool: WireTool<'a>) {
    for declaration in tool.function_declarations {
        request.unsaid.drop_some(&declaration.response, "functionDeclarations.response");
        request
            .unsaid
            .drop_some(&declaration.response_json_schema, "functionDeclarations.response");
        request.tools.push(Tool::Function(function(declaration)));
    }
    for (name, settings) in tool.hosted {
        let kind = kind(&name);
        let settings = serde_json::from_str::<Members<'a>>(settings.get());
        let mut excluded: Vec<Str<'a>> = Vec::new();
        for (key, value) in settings.into_iter().flat_map(|settings| settings.0) {
            // Vertex AI: domains never to search.
            if matches!(key.as_ref(), "excludeDomains" | "exclude_domains") {
                excluded = serde_json::from_str(value.get()).unwrap_or_default();
            } else {
                request.unsaid.drop("tools.settings");
            }
        }
        request.tools.push(Tool::Hosted(HostedTool {
            kind,
            name,
            allowed_domains: Vec::new(),
            blocked_domains: excluded.into_iter().map(|domain| domain.0).collect(),
            max_uses: None,
        }));
    }
}

fn function(declaration: FunctionDeclaration<'_>) -> Function<'_> {
    let plain = declaration.parameters_json_schema.map(|raw| json(raw, schema::of_json_schema));
    let schema = plain.or_else(|| declaration.parameters.map(|raw| json(raw, schema::of_gemini)));
    Function {
        name: declaration.name.0,
        description: declaration.description.map(|text| text.0),
        schema,
        ..Function::default()
    }
}

/// What a tool that Google runs does. <https://ai.google.dev/gemini-api/docs/tools>
fn kind(name: &str) -> HostedKind {
    match name {
        "googleSearch"
        | "google_search"
        | "googleSearchRetrieval"
        | "google_search_retrieval"
        | "enterpriseWebSearch"
        | "enterprise_web_search" => HostedKind::WebSearch,
        "urlContext" | "url_context" => HostedKind::WebFetch,
        "codeExecution" | "code_execution" => HostedKind::CodeExecution,
        "fileSearch" | "file_search" | "retrieval" => HostedKind::FileSearch,
        "computerUse" | "computer_use" => HostedKind::Computer,
        "mcpServers" | "mcp_servers" => HostedKind::Mcp,
        _ => HostedKind::Other,
    }
}

/// Takes `toolConfig` into the request.
pub(super) fn choose<'a>(request: &mut Request<'a>, config: ToolConfig<'a>) -> Result<(), Error> {
    request.unsaid.drop_some(&config.retrieval_config, "retrievalConfig");
    let Some(calling) = config.function_calling_config else { return Ok(()) };
    let streamed = &calling.stream_function_call_arguments;
    request.unsaid.drop_some(streamed, "streamFunctionCallArguments");
    request.tool_choice = choice(calling)?;
    Ok(())
}

fn choice(config: FunctionCallingConfig<'_>) -> Result<ToolChoice<'_>, Error> {
    let Some(mode) = config.mode else { return Ok(ToolChoice::Unset) };
    let allowed = config.allowed_function_names.unwrap_or_default();
    let mut names: Vec<_> = allowed.into_iter().map(|name| name.0).collect();
    let is = |name, number| Word::is(&mode, name, number);
    Ok(if is("MODE_UNSPECIFIED", 0) {
        ToolChoice::Unset
    } else if is("AUTO", 1) {
        ToolChoice::Auto
    } else if is("NONE", 3) {
        ToolChoice::None
    } else if is("ANY", 2) {
        match (names.len(), names.pop()) {
            (1, Some(name)) => ToolChoice::Named(name),
            (_, Some(last)) => {
                names.push(last);
                ToolChoice::Allowed { names, required: true }
            }
            (_, None) => ToolChoice::Required,
        }
    } else if is("VALIDATED", 4) {
        // It makes sure of the arguments; whether to call is left to the model.
        if names.is_empty() {
            ToolChoice::Auto
        } else {
            ToolChoice::Allowed { names, required: false }
        }
    } else {
        let field = "toolConfig.functionCallingConfig.mode";
        return Err(Error::invalid(field, format!("{field} must be AUTO, ANY, NONE or VALIDATED")));
    })
}
