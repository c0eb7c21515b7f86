//! Input items, as they are written. <https://platform.openai.com/docs/api-reference/responses/create>

#![expect(missing_docs, reason = "the members are the dialect's own")]

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::ir::request::DataAddress;

/// One item of `input`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InputItem<'r> {
    Message {
        role: &'static str,
        content: Vec<OutPart<'r>>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'r str>,
        summary: Vec<OutPart<'r>>,
        encrypted_content: &'r str,
    },
    FunctionCall {
        call_id: Cow<'r, str>,
        name: &'r str,
        arguments: &'r str,
    },
    FunctionCallOutput {
        call_id: Cow<'r, str>,
        output: Output<'r>,
    },
    CustomToolCall {
        call_id: Cow<'r, str>,
        name: &'r str,
        input: &'r str,
    },
    CustomToolCallOutput {
        call_id: Cow<'r, str>,
        output: Output<'r>,
    },
    LocalShellCall {
        id: Cow<'r, str>,
        call_id: Cow<'r, str>,
        action: &'r RawValue,
        status: &'static str,
    },
    LocalShellCallOutput {
        id: Cow<'r, str>,
        output: Cow<'r, str>,
    },
    ShellCall {
        call_id: Cow<'r, str>,
        action: &'r RawValue,
        status: &'static str,
    },
    ShellCallOutput {
        call_id: Cow<'r, str>,
        output: ShellOutput<'r>,
    },
    ApplyPatchCall {
        call_id: Cow<'r, str>,
        operation: &'r RawValue,
        status: &'static str,
    },
    ApplyPatchCallOutput {
        call_id: Cow<'r, str>,
        status: &'static str,
        output: Cow<'r, str>,
    },
    ToolSearchCall {
        call_id: Cow<'r, str>,
        execution: &'static str,
        arguments: &'r RawValue,
        status: &'static str,
    },
    ToolSearchOutput {
        call_id: Cow<'r, str>,
        execution: &'static str,
        tools: &'r RawValue,
        status: &'static str,
    },
    #[serde(untagged)]
    Raw(&'r RawValue),
}

/// What a tool answered.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Output<'r> {
    Text(&'r str),
    Parts(Vec<OutPart<'r>>),
}

/// What a shell answered: as the client's shell told it, or as plain text.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ShellOutput<'r> {
    Raw(&'r RawValue),
    Text([ShellText<'r>; 1]),
}

#[derive(Serialize)]
pub struct ShellText<'r> {
    pub stdout: Cow<'r, str>,
    pub stderr: &'static str,
    pub outcome: ShellOutcome,
}

#[derive(Serialize)]
pub struct ShellOutcome {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub exit_code: i32,
}

/// One part of a message or of a tool's answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutPart<'r> {
    InputText {
        text: Cow<'r, str>,
    },
    OutputText {
        text: &'r str,
    },
    SummaryText {
        text: &'r str,
    },
    Refusal {
        refusal: &'r str,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Location<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'r str>,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Location<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'r str>,
    },
}

/// A web address, or bytes as a data URI: written in one go, for media are large.
pub enum Location<'r> {
    Url(&'r str),
    Data { mime: &'r str, base64: &'r str },
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Data { mime, base64 } => DataAddress { mime, base64 }.fmt(f),
        }
    }
}

impl Serialize for Location<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
