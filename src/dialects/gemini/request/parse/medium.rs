//! Media parts: bytes in the body, or an address.

use crate::dialects::gemini::request::media;
use crate::dialects::gemini::wire::Str;
use crate::dialects::gemini::wire::part::{Blob, FileData};
use crate::ir::Text;
use crate::ir::error::Error;
use crate::ir::request::{File, Image, Media, Part, Source, is_web};

/// Bytes in the body.
pub(super) fn inline<'a>(blob: Blob<'a>, field: &dyn Fn() -> String) -> Result<Part<'a>, Error> {
    let Some(Str(data)) = blob.data else {
        let field = format!("{}.inlineData.data", field());
        return Err(Error::invalid(field.clone(), format!("{field} is missing")));
    };
    let data = media::standard_base64(data);
    let mime = blob.mime_type.map(|mime| mime.0).filter(|mime| !mime.is_empty());
    let mime = mime.or_else(|| media::type_of_data(&data).map(Text::Borrowed));
    let name = blob.display_name.map(|name| name.0);
    Ok(medium(Source::Base64(data), mime, name, Kind::File))
}

/// A medium by its address.
pub(super) fn by_address<'a>(
    file: FileData<'a>,
    field: &dyn Fn() -> String,
) -> Result<Part<'a>, Error> {
    let Str(uri) = file.file_uri;
    let mime = file.mime_type.map(|mime| mime.0).filter(|mime| !mime.is_empty());
    let mime = mime.or_else(|| media::type_of_url(&uri).map(Text::Borrowed));
    let name = file.display_name.map(|name| name.0);
    // A film's page, or else what a bare address most often is.
    let unknown = if media::is_youtube(&uri) { Kind::Video } else { Kind::Image };
    let source = if media::is_google_file(&uri) {
        Source::FileId(uri)
    } else if is_web(&uri) {
        Source::Url(uri)
    } else {
        // A path on the gateway's own disk is never read.
        let field = format!("{}.fileData.fileUri", field());
        let message = format!("{field} must be a web address or a file kept by Google");
        return Err(Error::invalid(field, message));
    };
    Ok(medium(source, mime, name, unknown))
}

/// What a medium of unknown type is taken for.
#[derive(Clone, Copy)]
enum Kind {
    Image,
    Video,
    File,
}

fn medium<'a>(
    source: Source<'a>,
    mime: Option<Text<'a>>,
    name: Option<Text<'a>>,
    unknown: Kind,
) -> Part<'a> {
    let is = |prefix: &str| mime.as_deref().is_some_and(|mime| mime.starts_with(prefix));
    let is_unknown = mime.is_none();
    if is("image/") || is_unknown && matches!(unknown, Kind::Image) {
        Part::Image(Image { source, mime, detail: None })
    } else if is("audio/") {
        Part::Audio(Media { source, mime })
    } else if is("video/") || is_unknown && matches!(unknown, Kind::Video) {
        Part::Video(Media { source, mime })
    } else {
        Part::File(File { source, mime, name, context: None, cite: false })
    }
}
