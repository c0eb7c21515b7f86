//! A response body that came encoded although nothing of the kind was asked for: undone as it comes.

use std::io::{self, Write};

use bytes::Bytes;
use http::{HeaderMap, header};

/// Undoes one response's `content-encoding`, chunk by chunk: what a chunk holds is out before the next one comes.
pub enum Decode {
    /// `gzip`.
    Gzip(flate2::write::MultiGzDecoder<Vec<u8>>),
    /// `deflate`, which is zlib's format. <https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2>
    Deflate(flate2::write::ZlibDecoder<Vec<u8>>),
    /// `br`.
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    /// `zstd`.
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl Decode {
    /// The decoder that a response needs; `None` where it is plain, or encoded in a way that we do not know.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let encoding = headers.get(header::CONTENT_ENCODING)?.as_bytes();
        Some(match encoding {
            b"gzip" | b"x-gzip" => Self::Gzip(flate2::write::MultiGzDecoder::new(Vec::new())),
            b"deflate" => Self::Deflate(flate2::write::ZlibDecoder::new(Vec::new())),
            b"br" => Self::Brotli(Box::new(brotli::DecompressorWriter::new(Vec::new(), 4096))),
            b"zstd" => Self::Zstd(Box::new(zstd::stream::write::Decoder::new(Vec::new()).ok()?)),
            _ => return None,
        })
    }

    /// Feeds a chunk; gives everything that it holds.
    pub fn push(&mut self, chunk: &[u8]) -> io::Result<Bytes> {
        let out = match self {
            Self::Gzip(decoder) => feed(decoder, chunk).map(|()| decoder.get_mut()),
            Self::Deflate(decoder) => feed(decoder, chunk).map(|()| decoder.get_mut()),
            Self::Brotli(decoder) => feed(decoder, chunk).map(|()| decoder.get_mut()),
            Self::Zstd(decoder) => feed(decoder, chunk).map(|()| decoder.get_mut()),
        }?;
        Ok(std::mem::take(out).into())
    }
}

fn feed(decoder: &mut impl Write, chunk: &[u8]) -> io::Result<()> {
    decoder.write_all(chunk)?;
    decoder.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_is_out_at_once() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        let mut decode = Decode::of(&headers).unwrap();
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let chunk = std::mem::take(encoder.get_mut());
            assert_eq!(decode.push(&chunk).unwrap(), event.as_bytes());
        }
    }
}
