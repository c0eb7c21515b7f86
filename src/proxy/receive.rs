//! The request body, whole: read, bounded, decompressed, and what it says at its top level.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use pingora::protocols::http::ServerSession;

use crate::ir::error::{Error, ErrorKind};
use crate::json;
use crate::store::asked::Asked;

/// What a request body says at its top level.
#[derive(Debug, Default)]
pub struct Said {
    /// `model`, unescaped; the last one where it stands twice, as JSON parsers read it.
    pub model: Option<String>,
    /// Each place where `model` stands: its value with its quotes.
    pub model_at: Vec<std::ops::Range<usize>>,
    /// `stream: true`.
    pub stream: bool,
    /// What concerns the store, where the body is a Responses request.
    pub stored: Asked,
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum Failed {
    /// The client is to blame, and can be told.
    Refused(Error),
    /// The client is gone.
    Gone(Box<pingora::Error>),
}

/// Reads the whole body of a request, at most `limit` bytes of it, before and after decompression.
pub async fn body(session: &mut ServerSession, limit: u64) -> Result<Bytes, Failed> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let length = declared_length(&session.req_header().headers);
    if length.is_some_and(|length| length > limit) {
        return Err(Failed::Refused(too_large(limit)));
    }
    let expects = session.req_header().headers.get(header::EXPECT);
    if expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        // Pingora leaves this to us; curl waits a whole second for it.
        session.write_continue_response().await.map_err(Failed::Gone)?;
    }
    let raw = read(session, length, limit).await?;
    let encoding = session.req_header().headers.get(header::CONTENT_ENCODING).cloned();
    match encoding {
        Some(encoding) if encoding != "identity" && !raw.is_empty() => {
            decompress(encoding.as_bytes(), &raw, limit).map_err(Failed::Refused)
        }
        Some(_) | None => Ok(raw),
    }
}

async fn read(
    session: &mut ServerSession,
    length: Option<usize>,
    limit: usize,
) -> Result<Bytes, Failed> {
    let Some(first) = session.read_request_body().await.map_err(Failed::Gone)? else {
        return Ok(Bytes::new());
    };
    if length == Some(first.len()) {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(length.unwrap_or(first.len() * 2));
    whole.extend_from_slice(&first);
    while let Some(chunk) = session.read_request_body().await.map_err(Failed::Gone)? {
        if whole.len() + chunk.len() > limit {
            return Err(Failed::Refused(too_large(limit)));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn too_large(limit: usize) -> Error {
    let limit = bytesize::ByteSize(limit as u64);
    Error::new(
        ErrorKind::TooLarge,
        format!("the request body is larger than {limit}, this gateway's proxy.max_body"),
    )
}

/// Undoes a `content-encoding`; coding agents can send zstd, some SDK setups gzip.
fn decompress(encoding: &[u8], raw: &[u8], limit: usize) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let most = limit as u64 + 1;
    let result = match encoding {
        b"gzip" | b"x-gzip" => {
            flate2::read::MultiGzDecoder::new(raw).take(most).read_to_end(&mut out)
        }
        b"deflate" => flate2::read::ZlibDecoder::new(raw).take(most).read_to_end(&mut out),
        b"br" => brotli::Decompressor::new(raw, 4096).take(most).read_to_end(&mut out),
        b"zstd" => zstd::stream::read::Decoder::new(raw)
            .and_then(|decoder| decoder.take(most).read_to_end(&mut out)),
        _ => {
            let encoding = String::from_utf8_lossy(encoding);
            return Err(Error {
                status: 415,
                ..Error::new(
                    ErrorKind::InvalidRequest,
                    format!(
                        "content-encoding {encoding:?} is not understood; send gzip, deflate, br, zstd or none"
                    ),
                )
            });
        }
    };
    if result.is_err() {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "the request body is not what its content-encoding says",
        ));
    }
    if out.len() > limit {
        return Err(too_large(limit));
    }
    Ok(out.into())
}

/// Reads what the gateway needs of a JSON body without parsing the rest.
pub fn said(body: &[u8]) -> Result<Said, Error> {
    let mut said = Said::default();
    let mut model_is_text = true;
    json::members(body, |key, value| match &*json::key(key) {
        b"model" => {
            let text = body.get(value.clone()).unwrap_or_default();
            said.model = serde_json::from_slice::<String>(text).ok();
            model_is_text = said.model.is_some();
            said.model_at.push(value);
        }
        b"stream" => said.stream = body.get(value) == Some(b"true"),
        key => said.stored.note(body, key, &value),
    })
    .map_err(|malformed| {
        let what = if body.is_empty() {
            "the request body is empty; send a JSON object".to_owned()
        } else {
            format!("the request body is {malformed}")
        };
        Error::new(ErrorKind::InvalidRequest, what)
    })?;
    if !model_is_text {
        return Err(Error::invalid("model", "model must be a string"));
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_top_level_alone() {
        let said =
            said(br#"{"tools":[{"model":"no"}],"stream" : true,"model":"a\u0062"}"#).unwrap();
        assert_eq!(said.model.as_deref(), Some("ab"));
        assert!(said.stream);
        assert_eq!(said.model_at.len(), 1);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(said(b"").unwrap_err().message.contains("empty"));
        assert!(said(b"{\"a\":").unwrap_err().message.contains("byte 5"));
        assert_eq!(said(b"{\"model\":1}").unwrap_err().param.as_deref(), Some("model"));
    }

    #[test]
    fn every_encoding_is_undone() {
        use std::io::Write as _;
        let text = b"{\"model\":\"x\"}".repeat(50);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(decompress(b"gzip", &gzip, 1 << 20).unwrap(), text);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(decompress(b"zstd", &zstd, 1 << 20).unwrap(), text);
        assert_eq!(decompress(b"zstd", &zstd, 100).unwrap_err().status, 413);
        assert_eq!(decompress(b"gzip", b"no gzip", 100).unwrap_err().status, 400);
        assert_eq!(decompress(b"lzma", b"x", 100).unwrap_err().status, 415);
    }
}
