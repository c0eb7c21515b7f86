//! Media: base64 in its standard alphabet, types by first bytes or by file name.

use std::borrow::Cow;

use crate::ir::Text;

/// Base64 in the standard alphabet, padded; google-genai 3 writes the URL-safe one.
pub(in crate::dialects::gemini) fn standard_base64(data: Text<'_>) -> Text<'_> {
    if data.len().is_multiple_of(4) && memchr::memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return data;
    }
    let mut standard = data.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    Cow::Owned(standard)
}

/// The media type that the first bytes of base64 data say.
pub(super) fn type_of_data(data: &str) -> Option<&'static str> {
    const STARTS: [(&str, &str); 7] = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("JVBERi0", "application/pdf"),
        ("SUQz", "audio/mp3"),
        ("T2dnUw", "audio/ogg"),
        ("ZkxhQw", "audio/flac"),
    ];
    // `RIFF`, four bytes of length, and then `WAVE` or `WEBP`, whose last three letters are a base64 group of their own.
    if data.starts_with("UklGR") {
        return match data.get(12..16)? {
            "QVZF" => Some("audio/wav"),
            "RUJQ" => Some("image/webp"),
            _ => None,
        };
    }
    STARTS.iter().find(|(start, _)| data.starts_with(start)).map(|(_, mime)| *mime)
}

/// The media type that an address's file name says.
pub(super) fn type_of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mpeg" | "mpg" => "video/mpeg",
        _ => return None,
    })
}

/// Whether a file's address means something to Google alone.
pub(super) fn is_google_file(uri: &str) -> bool {
    uri.starts_with("gs://")
        || uri.starts_with("files/")
        || uri.starts_with("https://generativelanguage.googleapis.com/")
}

/// Whether it is a film that Gemini reads by its page.
pub(super) fn is_youtube(uri: &str) -> bool {
    [
        "https://www.youtube.com/",
        "https://youtube.com/",
        "https://m.youtube.com/",
        "https://youtu.be/",
    ]
    .iter()
    .any(|start| uri.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_becomes_standard() {
        for (data, standard) in [("-_8=", "+/8="), ("-_8", "+/8="), ("+/8=", "+/8="), ("", "")] {
            assert_eq!(standard_base64(data.into()), standard);
        }
        assert!(matches!(standard_base64("AAAA".into()), Cow::Borrowed(_)));
    }

    #[test]
    fn types_are_told_by_data_and_name() {
        for (data, mime) in [
            ("iVBORw0KGgoAAAA", Some("image/png")),
            ("JVBERi0xLjQK", Some("application/pdf")),
            ("UklGRiQAAABXQVZFZm10", Some("audio/wav")),
            ("UklGRiQAAABXRUJQVlA4", Some("image/webp")),
            ("AAAAAAAAAAAAAAAAAAAA", None),
        ] {
            assert_eq!(type_of_data(data), mime, "{data}");
        }
        for (url, mime) in [
            ("https://example.com/a/cat.PNG?x=1.pdf", Some("image/png")),
            ("https://example.com/a.b/page", None),
            ("https://example.com", None),
        ] {
            assert_eq!(type_of_url(url), mime, "{url}");
        }
    }
}
