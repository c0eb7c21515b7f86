//! Images and documents as the API takes them. What it doesn't take is refused by name, and nothing is fetched.
//! <https://docs.anthropic.com/en/docs/build-with-claude/vision>,
//! <https://docs.anthropic.com/en/docs/build-with-claude/pdf-support>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::dialects::anthropic::wire::write::{Block, CitationsConfig, Source as Place};
use crate::ir::losses::Losses;
use crate::ir::request::{File, Image, Source, is_web};

const PDF: &str = "application/pdf";

/// An image as a block.
pub(super) fn image<'r>(image: &'r Image<'_>, losses: &mut Losses) -> Option<Block<'r>> {
    if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
        losses.drop("image_detail");
    }
    let source = match &image.source {
        Source::Base64(data) => {
            let Some(media_type) = image_type(image.mime.as_deref(), data) else {
                let mime = image.mime.as_deref().unwrap_or("unknown type");
                let reason = format!("Anthropic takes JPEG, PNG, GIF and WebP, not {mime}");
                losses.refuse("image", reason);
                return None;
            };
            Place::Base64 { media_type, data }
        }
        Source::Url(url) if is_web(url) => Place::Url { url },
        Source::Url(_) | Source::FileId(_) | Source::Text(_) => {
            losses.refuse("image", "Anthropic can read neither this address nor this file id");
            return None;
        }
    };
    Some(Block::Image { source })
}

/// A document as a block.
pub(super) fn document<'r>(file: &'r File<'_>, losses: &mut Losses) -> Option<Block<'r>> {
    let mime = file.mime.as_deref();
    let mime = mime.map(|mime| mime.split(';').next().unwrap_or_default().trim());
    let source = match &file.source {
        Source::Text(text) if text.trim().is_empty() => return None,
        Source::Text(text) => plain(Cow::Borrowed(text)),
        Source::Url(url) if is_web(url) && mime.is_none_or(|mime| mime == PDF) => {
            Place::Url { url }
        }
        Source::Url(url) if is_web(url) && mime.is_some_and(|mime| mime.starts_with("image/")) => {
            return Some(Block::Image { source: Place::Url { url } });
        }
        Source::Url(_) | Source::FileId(_) => {
            losses.refuse("file", "Anthropic can read neither this address nor this file id");
            return None;
        }
        Source::Base64(data) if is_pdf(file, mime, data) => Place::Base64 { media_type: PDF, data },
        Source::Base64(data) => {
            if let Some(media_type) = image_type(mime, data) {
                return Some(Block::Image { source: Place::Base64 { media_type, data } });
            }
            let Some(text) = decoded(mime, data) else {
                let kind = mime.unwrap_or("unknown type");
                let reason = format!("Anthropic takes PDF and text documents, not {kind}");
                losses.refuse("file", reason);
                return None;
            };
            plain(Cow::Owned(text))
        }
    };
    Some(Block::Document {
        source,
        title: file.name.as_deref().filter(|name| !name.is_empty()),
        context: file.context.as_deref().filter(|context| !context.is_empty()),
        citations: file.cite.then_some(CitationsConfig { enabled: true }),
    })
}

const fn plain(data: Cow<'_, str>) -> Place<'_> {
    Place::Text { media_type: "text/plain", data }
}

/// The type of an image, by its name or by the first letters of its base64.
fn image_type(mime: Option<&str>, data: &str) -> Option<&'static str> {
    match mime.map(str::to_ascii_lowercase).as_deref() {
        Some("image/png") => Some("image/png"),
        Some("image/jpeg" | "image/jpg") => Some("image/jpeg"),
        Some("image/gif") => Some("image/gif"),
        Some("image/webp") => Some("image/webp"),
        None | Some("" | "image/*" | "application/octet-stream") => {
            let signs = [
                ("iVBORw0KGgo", "image/png"),
                ("/9j/", "image/jpeg"),
                ("R0lGOD", "image/gif"),
                ("UklGR", "image/webp"),
            ];
            signs.iter().find(|(sign, _)| data.starts_with(sign)).map(|(_, mime)| *mime)
        }
        Some(_) => None,
    }
}

fn is_pdf(file: &File<'_>, mime: Option<&str>, data: &str) -> bool {
    let named = || file.name.as_deref().is_some_and(|name| name.to_lowercase().ends_with(".pdf"));
    match mime {
        Some(PDF) => true,
        // `%PDF`
        None | Some("" | "application/octet-stream") => data.starts_with("JVBERi") || named(),
        Some(_) => false,
    }
}

/// The text of a document that is one.
fn decoded(mime: Option<&str>, data: &str) -> Option<String> {
    const TEXTS: [&str; 8] = [
        "application/json",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/javascript",
        "application/csv",
        "application/sql",
        "application/toml",
    ];
    let mime = mime?;
    if !mime.starts_with("text/") && !TEXTS.contains(&mime) {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    Some(text).filter(|text| !text.trim().is_empty())
}
