//! Parts of a message or of a tool's answer, read.

use std::borrow::Cow;

use super::locate;
use crate::dialects::openai_responses::wire;
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{File, Image, Media, Part, Source, is_web};
use wire::item::Content;
use wire::text::Loose;

/// Reads the parts of a content; `path` names it in errors. Empty texts say nothing and are left out.
pub(super) fn parts<'a>(
    content: Content<'a>,
    path: &str,
    losses: &mut Losses,
) -> Result<Vec<Part<'a>>, Error> {
    match content {
        Content::None => Ok(Vec::new()),
        Content::Text(text) if text.is_empty() => Ok(Vec::new()),
        Content::Text(text) => Ok(vec![Part::Text(text)]),
        Content::Parts(parts) => {
            let mut out = Vec::with_capacity(parts.len());
            for (index, part) in parts.into_iter().enumerate() {
                out.extend(read(part, &locate::element(path, index), losses)?);
            }
            Ok(out)
        }
        Content::Other => Err(Error::invalid(path, format!("{path} must be a string or a list"))),
    }
}

fn read<'a>(
    part: wire::item::Part<'a>,
    path: &str,
    losses: &mut Losses,
) -> Result<Option<Part<'a>>, Error> {
    losses.drop_some(&part.prompt_cache_breakpoint, "prompt_cache_breakpoint");
    if part.annotations.is_some_and(|sources| !matches!(sources.get(), "[]" | "null")) {
        losses.drop("citations");
    }
    match part.kind.as_str() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let Some(text) = part.text.0 else {
                return Err(Error::invalid(format!("{path}.text"), "a text part needs its text"));
            };
            Ok((!text.is_empty()).then_some(Part::Text(text)))
        }
        "refusal" => Ok(Some(Part::Refusal(part.refusal.into_text()))),
        "input_image" => image(part, path).map(|image| Some(Part::Image(image))),
        "input_file" => file(part, path).map(|file| Some(Part::File(file))),
        "input_audio" => {
            let Some(audio) = part.input_audio else {
                let field = format!("{path}.input_audio");
                return Err(Error::invalid(field, "an audio part needs data and format"));
            };
            let mime = match audio.format.0.as_ref() {
                "mp3" => Cow::Borrowed("audio/mpeg"),
                format => Cow::Owned(format!("audio/{format}")),
            };
            let source = Source::Base64(standard(audio.data.0));
            Ok(Some(Part::Audio(Media { source, mime: Some(mime) })))
        }
        "input_video" => {
            let (source, mime) = located(part.video_url, &format!("{path}.video_url"))?;
            Ok(Some(Part::Video(Media { source, mime })))
        }
        other => {
            losses.refuse(path, format!("a part of type {other:?} is OpenAI's own"));
            Ok(None)
        }
    }
}

fn image<'a>(part: wire::item::Part<'a>, path: &str) -> Result<Image<'a>, Error> {
    let detail = part.detail.0;
    if let (Loose(None), Loose(Some(id))) = (&part.image_url, &part.file_id) {
        return Ok(Image { source: Source::FileId(id.clone()), mime: None, detail });
    }
    let (source, mime) = located(part.image_url, &format!("{path}.image_url"))?;
    Ok(Image { source, mime, detail })
}

fn file<'a>(part: wire::item::Part<'a>, path: &str) -> Result<File<'a>, Error> {
    let name = part.filename.0;
    let (source, mime) = if let Some(data) = part.file_data.0 {
        match data_uri(data) {
            Ok((mime, data)) => (Source::Base64(data), mime),
            // The documentation's own examples leave the prefix out.
            Err(data) => (Source::Base64(standard(data)), None),
        }
    } else if let Some(url) = part.file_url.0 {
        located(Loose(Some(url)), &format!("{path}.file_url"))?
    } else if let Some(id) = part.file_id.0 {
        (Source::FileId(id), None)
    } else {
        return Err(Error::invalid(path, "a file part needs file_data, file_url or file_id"));
    };
    let mime = mime.or_else(|| mime_of_name(name.as_deref().unwrap_or_default()));
    Ok(File { source, mime, name, context: None, cite: false })
}

/// A web address or a data URI. Anything else could only mean the gateway's own disk, which is never read.
fn located<'a>(url: Loose<'a>, field: &str) -> Result<(Source<'a>, Option<Text<'a>>), Error> {
    let url = url.into_text();
    if is_web(&url) {
        return Ok((Source::Url(url), None));
    }
    match data_uri(url) {
        Ok((mime, data)) => Ok((Source::Base64(data), mime)),
        Err(_) => Err(Error::invalid(field, "must be an http(s) address or a base64 data URI")),
    }
}

/// The media type and the data of a base64 data URI; anything else comes back as it is.
fn data_uri<'a>(uri: Text<'a>) -> Result<(Option<Text<'a>>, Text<'a>), Text<'a>> {
    let split = uri.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let split = split.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
    let Some((head, data)) = split else { return Err(uri) };
    let mime_length = head.split(';').next().unwrap_or_default().len();
    let data_length = data.len();
    let cut = |from: usize, to: usize| -> Text<'a> {
        match &uri {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(from..to).unwrap_or_default()),
            Cow::Owned(text) => Cow::Owned(text.get(from..to).unwrap_or_default().to_owned()),
        }
    };
    let mime = cut("data:".len(), "data:".len() + mime_length);
    let data = standard(cut(uri.len() - data_length, uri.len()));
    Ok(((!mime.is_empty()).then_some(mime), data))
}

/// Base64 in the standard alphabet, whichever it came in.
fn standard(data: Text<'_>) -> Text<'_> {
    if data.contains(['-', '_']) {
        return Cow::Owned(data.replace('-', "+").replace('_', "/"));
    }
    data
}

fn mime_of_name<'a>(name: &str) -> Option<Text<'a>> {
    let (_, extension) = name.rsplit_once('.')?;
    let mime = match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "xml" => "application/xml",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => return None,
    };
    Some(Cow::Borrowed(mime))
}
