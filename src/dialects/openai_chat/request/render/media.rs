//! Images, sounds and documents in a request for an account.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::dialects::openai_chat::wire::json::List;
use crate::ir::Text;
use crate::ir::request::{DataAddress, File, Image, Media, Source};

use super::Scribe;

impl Scribe<'_> {
    pub(super) fn image(&mut self, image: &Image<'_>, content: &mut List<'_>) {
        let url: Text<'_> = match &image.source {
            Source::Base64(data) => {
                let mime = image.mime.as_deref().unwrap_or_else(|| image_mime(data));
                DataAddress { mime, base64: data }.to_string().into()
            }
            Source::Url(url) => url.as_ref().into(),
            Source::FileId(_) => return self.refuse_file_id(),
            Source::Text(text) => return put_text(text, content),
        };
        let mut part = content.object();
        part.put("type", "image_url");
        let mut object = part.object("image_url");
        object.put_text("url", &url);
        match image.detail.as_deref() {
            Some(detail @ ("auto" | "low" | "high")) => object.put("detail", detail),
            Some(_) => self.losses.drop("image_detail"),
            None => {}
        }
        object.end();
        part.end();
    }

    pub(super) fn file(&mut self, file: &File<'_>, content: &mut List<'_>) {
        if file.cite {
            self.losses.drop("citations");
        }
        if let Some(text) = document_text(file) {
            return put_text(&text, content);
        }
        self.losses.drop_some(&file.context, "context");
        let data = match &file.source {
            Source::Base64(data) => data,
            Source::FileId(_) => return self.refuse_file_id(),
            Source::Url(_) | Source::Text(_) => {
                let why = "Chat Completions takes a document's bytes, not its address";
                return self.losses.refuse("document.url", why);
            }
        };
        let mime = file.mime.as_deref().unwrap_or("application/pdf");
        let mut part = content.object();
        part.put("type", "file");
        let mut object = part.object("file");
        // OpenAI demands a name with the data.
        object.put("filename", file.name.as_deref().unwrap_or("document.pdf"));
        object.put_text("file_data", &DataAddress { mime, base64: data }.to_string());
        object.end();
        part.end();
    }

    pub(super) fn audio(&mut self, audio: &Media<'_>, content: &mut List<'_>) {
        let format = match audio.mime.as_deref() {
            Some("audio/wav" | "audio/x-wav" | "audio/wave") => Some("wav"),
            Some("audio/mp3" | "audio/mpeg") => Some("mp3"),
            Some(_) | None => None,
        };
        let (Source::Base64(data), Some(format)) = (&audio.source, format) else {
            let why = "Chat Completions takes the bytes of wav and mp3 recordings alone";
            return self.losses.refuse("audio", why);
        };
        let mut part = content.object();
        part.put("type", "input_audio");
        let mut object = part.object("input_audio");
        object.put_text("data", data);
        object.put("format", format);
        object.end();
        part.end();
    }

    fn refuse_file_id(&mut self) {
        self.losses.refuse("file_id", "a file that one provider keeps means nothing to another");
    }
}

pub(super) fn put_text(text: &str, content: &mut List<'_>) {
    let mut part = content.object();
    part.put("type", "text");
    part.put_text("text", text);
    part.end();
}

/// A document that is text, as text: files here are PDFs.
pub(super) fn document_text<'p>(file: &'p File<'_>) -> Option<Cow<'p, str>> {
    match &file.source {
        Source::Text(text) => Some(file.titled(text)),
        Source::Base64(data) if file.mime.as_deref().is_some_and(is_text) => {
            let text = String::from_utf8(STANDARD.decode(data.as_bytes()).ok()?).ok()?;
            Some(Cow::Owned(file.titled(&text).into_owned()))
        }
        Source::Base64(_) | Source::Url(_) | Source::FileId(_) => None,
    }
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/") || mime == "application/json"
}

/// The type of an image by its first bytes. <https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern>
fn image_mime(base64: &str) -> &'static str {
    match base64.get(..4) {
        Some("/9j/") => "image/jpeg",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        Some(_) | None => "image/png",
    }
}
