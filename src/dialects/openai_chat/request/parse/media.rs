//! Images, sounds and documents in a client's messages.

use std::borrow::Cow;
use std::slice::SliceIndex;

use crate::dialects::openai_chat::wire::{InputAudio, InputFile, MediaUrl, OrText};
use crate::ir::Text;
use crate::ir::request::{File, Image, Media, Source, is_web};

use super::given;

pub(super) fn url_of(media: MediaUrl<'_>) -> (Text<'_>, Option<Text<'_>>) {
    match media {
        OrText::Other(object) => (given(object.url).unwrap_or_default(), given(object.detail)),
        OrText::Text(url) => (url, None),
    }
}

pub(super) fn read_image(image: MediaUrl<'_>) -> Option<Image<'_>> {
    let (url, detail) = url_of(image);
    let (source, mime) = source_of(url)?;
    Some(Image { source, mime, detail })
}

pub(super) fn read_audio(audio: InputAudio<'_>) -> Option<Media<'_>> {
    let (data, format) = match audio {
        OrText::Other(object) => (given(object.data)?, given(object.format)),
        OrText::Text(data) => (data, None),
    };
    let (source, mime) = data_of(data)?;
    let mime = mime.or_else(|| Some(format!("audio/{}", format?).into()));
    Some(Media { source, mime })
}

pub(super) fn read_file(file: InputFile<'_>) -> Option<File<'_>> {
    let name = given(file.filename);
    let (source, mime) = match (given(file.file_data), given(file.file_id)) {
        (Some(data), _) => data_of(data)?,
        (None, Some(id)) => (Source::FileId(id), None),
        (None, None) => return None,
    };
    let is_pdf = name.as_deref().is_some_and(|name| name.to_ascii_lowercase().ends_with(".pdf"));
    let mime = mime.or_else(|| is_pdf.then_some(Cow::Borrowed("application/pdf")));
    Some(File { source, mime, name, context: None, cite: false })
}

/// The bytes in a field for data: with or without a `data:` prefix; OpenRouter takes addresses there too.
fn data_of(data: Text<'_>) -> Option<(Source<'_>, Option<Text<'_>>)> {
    if data.is_empty() || data.starts_with(PREFIX) || is_web(&data) {
        return source_of(data);
    }
    Some((Source::Base64(data), None))
}

/// How an address begins that is its own bytes.
const PREFIX: &str = "data:";

/// A `data:` address is its bytes. `None`: there is none, its data is not base64, or it is no address of the web. <https://www.rfc-editor.org/rfc/rfc2397>
pub(super) fn source_of(url: Text<'_>) -> Option<(Source<'_>, Option<Text<'_>>)> {
    if is_web(&url) {
        return Some((Source::Url(url), None));
    }
    if !url.starts_with(PREFIX) {
        return None;
    }
    let comma = url.find(',')?;
    let head = url.get(PREFIX.len()..comma)?.strip_suffix(";base64")?;
    let mime = head.split(';').next().unwrap_or_default().len();
    let mime = slice(&url, PREFIX.len()..PREFIX.len() + mime);
    let data = slice(&url, comma + 1..);
    Some((Source::Base64(data), Some(mime).filter(|mime| !mime.is_empty())))
}

/// A piece of a text, borrowing what it borrows.
pub(super) fn slice<'a, R: SliceIndex<str, Output = str>>(text: &Text<'a>, range: R) -> Text<'a> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_owned()),
    }
}
