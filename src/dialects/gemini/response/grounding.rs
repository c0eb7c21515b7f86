//! Grounding as citations: sources that pieces of the text rest on, and back.
//! <https://ai.google.dev/gemini-api/docs/google-search>

use std::borrow::Cow;

use crate::dialects::gemini::wire::Str;
use crate::dialects::gemini::wire::response::{
    CitationMetadata, GroundingChunk, GroundingMetadata, GroundingSupport, Place, Recited, Segment,
};
use crate::ir::response::{Citation, CitationSource};

/// What came of a candidate's grounding so far.
#[derive(Debug, Default)]
pub(super) struct Grounding {
    sources: Vec<Source>,
    supports: Vec<Support>,
    /// Whether sources that no piece of text rests on are told.
    is_told: bool,
}

#[derive(Debug, PartialEq)]
struct Source {
    place: CitationSource<'static>,
    title: Option<String>,
    quote: Option<String>,
}

#[derive(Debug, PartialEq)]
struct Support {
    /// Bytes of the candidate's whole text.
    start: usize,
    end: usize,
    text: String,
    sources: Vec<usize>,
    is_told: bool,
}

impl Grounding {
    /// Adds a chunk's grounding. Some models repeat all that came before, others go on: both end in the same lists.
    pub(super) fn merge(&mut self, metadata: GroundingMetadata<'_>) {
        let sources = metadata.grounding_chunks.unwrap_or_default().into_iter().map(source);
        append(&mut self.sources, sources.collect());
        let supports = metadata.grounding_supports.unwrap_or_default().into_iter().map(support);
        append(&mut self.supports, supports.collect());
    }

    /// Adds what a chunk recites.
    pub(super) fn merge_recited(&mut self, metadata: CitationMetadata<'_>) {
        for recited in metadata.citation_sources.unwrap_or_default() {
            let Some(source) = recited_source(&recited) else { continue };
            let known = self.sources.iter().position(|own| *own == source);
            let at = known.unwrap_or_else(|| {
                self.sources.push(source);
                self.sources.len() - 1
            });
            let (start, end) = (recited.start_index.unwrap_or(0), recited.end_index.unwrap_or(0));
            let text = String::new();
            append(
                &mut self.supports,
                vec![Support { start, end, text, sources: vec![at], is_told: false }],
            );
        }
    }

    /// The citations of a block of text that begins `base` bytes into the candidate's text, each given once.
    pub(super) fn of_block(&mut self, block: &str, base: usize) -> Vec<Citation<'static>> {
        let mut citations = Vec::new();
        for support in self.supports.iter_mut().filter(|support| !support.is_told) {
            if let Some(span) = support.span(block, base) {
                support.is_told = true;
                push(&mut citations, &self.sources, support, Some(span));
            }
        }
        citations
    }

    /// The citations that were found in no block.
    pub(super) fn rest(&mut self) -> Vec<Citation<'static>> {
        let mut citations = Vec::new();
        for support in self.supports.iter_mut().filter(|support| !support.is_told) {
            support.is_told = true;
            push(&mut citations, &self.sources, support, None);
        }
        // Some answers name their sources, and not what rests on them.
        if self.supports.is_empty() && !std::mem::replace(&mut self.is_told, true) {
            citations.extend(self.sources.iter().map(|source| source.cited(None)));
        }
        citations
    }
}

fn recited_source(recited: &Recited<'_>) -> Option<Source> {
    let uri = recited.uri.as_ref().filter(|uri| !uri.0.is_empty())?;
    let place = CitationSource::Url(Cow::Owned(uri.0.to_string()));
    let title = recited.title.as_ref().map(|title| title.0.to_string());
    Some(Source { place, title, quote: None })
}

impl Source {
    fn cited(&self, span: Option<(u64, u64)>) -> Citation<'static> {
        Citation {
            source: self.place.clone(),
            title: self.title.clone().map(Cow::Owned),
            quote: self.quote.clone().map(Cow::Owned),
            span,
        }
    }
}

fn append<T: PartialEq>(all: &mut Vec<T>, new: Vec<T>) {
    if new.starts_with(all) {
        *all = new;
        return;
    }
    for item in new {
        if !all.contains(&item) {
            all.push(item);
        }
    }
}

fn source(chunk: GroundingChunk<'_>) -> Source {
    let owned = |text: Option<Str<'_>>| text.map(|text| text.0.into_owned());
    match (chunk.web.or(chunk.maps), chunk.retrieved_context) {
        (Some(Place { uri: Some(uri), title, .. }), _) => Source {
            place: CitationSource::Url(Cow::Owned(uri.0.into_owned())),
            title: owned(title),
            quote: None,
        },
        (_, context) => {
            let context = context.unwrap_or_default();
            let title = owned(context.title);
            let name = owned(context.uri).or_else(|| title.clone());
            let name = name.or_else(|| owned(context.file_search_store)).unwrap_or_default();
            let place = CitationSource::Document(name.into());
            Source { place, title, quote: owned(context.text) }
        }
    }
}

fn support(support: GroundingSupport<'_>) -> Support {
    let segment = support.segment;
    Support {
        start: segment.start_index.unwrap_or(0),
        end: segment.end_index.unwrap_or(0),
        text: segment.text.map(|text| text.0.into_owned()).unwrap_or_default(),
        sources: support.grounding_chunk_indices.unwrap_or_default(),
        is_told: false,
    }
}

impl Support {
    /// The characters of a block that it speaks of. Offsets are not always right (fixture `grounding_offsets`): the words
    /// decide where they are told.
    fn span(&self, block: &str, base: usize) -> Option<(u64, u64)> {
        let range = self.start.checked_sub(base)?..self.end.checked_sub(base)?;
        let by_offset =
            block.get(range.clone()).filter(|words| self.text.is_empty() || *words == self.text);
        let start = match by_offset {
            Some(words) if !words.is_empty() => range.start,
            _ if self.text.is_empty() => return None,
            _ => block.find(&self.text)?,
        };
        let length =
            by_offset.filter(|words| !words.is_empty()).unwrap_or(&self.text).chars().count();
        let before = block.get(..start)?.chars().count();
        Some((before as u64, (before + length) as u64))
    }
}

fn push(
    citations: &mut Vec<Citation<'static>>,
    sources: &[Source],
    support: &Support,
    span: Option<(u64, u64)>,
) {
    for source in support.sources.iter().filter_map(|index| sources.get(*index)) {
        citations.push(source.cited(span));
    }
}

/// Citations on their way to a client, as grounding.
#[derive(Debug, Default)]
pub(in crate::dialects::gemini) struct Cited {
    chunks: Vec<GroundingChunk<'static>>,
    supports: Vec<GroundingSupport<'static>>,
}

impl Cited {
    /// Adds the citations of a block of text that begins `base` bytes into the candidate's text.
    pub(in crate::dialects::gemini) fn push_block(
        &mut self,
        citations: &[Citation<'_>],
        block: &str,
        base: usize,
    ) {
        for citation in citations {
            let index = self.chunk(citation);
            let segment = segment(citation.span, block, base);
            match self.supports.iter_mut().find(|support| support.segment == segment) {
                Some(support) => {
                    support.grounding_chunk_indices.get_or_insert_default().push(index);
                }
                None => self
                    .supports
                    .push(GroundingSupport { segment, grounding_chunk_indices: Some(vec![index]) }),
            }
        }
    }

    /// The metadata, where anything was cited.
    pub(in crate::dialects::gemini) fn take(&mut self) -> Option<GroundingMetadata<'static>> {
        let Self { chunks, supports } = std::mem::take(self);
        (!chunks.is_empty()).then_some(GroundingMetadata {
            grounding_chunks: Some(chunks),
            grounding_supports: Some(supports),
            web_search_queries: None,
        })
    }

    /// The place of the citation's source among the chunks.
    fn chunk(&mut self, citation: &Citation<'_>) -> usize {
        let owned = |text: &str| Str::from(text.to_owned());
        let title = citation.title.as_deref().map(owned);
        let chunk = match &citation.source {
            CitationSource::Url(url) => {
                let web = Place { uri: Some(owned(url)), title, ..Place::default() };
                GroundingChunk { web: Some(web), ..GroundingChunk::default() }
            }
            CitationSource::Document(name) => {
                let text = citation.quote.as_deref().map(owned);
                let uri = Some(owned(name)).filter(|name| !name.0.is_empty());
                let context = Place { uri, title, text, ..Place::default() };
                GroundingChunk { retrieved_context: Some(context), ..GroundingChunk::default() }
            }
        };
        let known = self.chunks.iter().position(|own| *own == chunk);
        known.unwrap_or_else(|| {
            self.chunks.push(chunk);
            self.chunks.len() - 1
        })
    }
}

/// The piece of text that is supported: the span's, else the whole block.
fn segment(span: Option<(u64, u64)>, block: &str, base: usize) -> Segment<'static> {
    let byte = |chars: u64| {
        let chars = usize::try_from(chars).unwrap_or(usize::MAX);
        block.char_indices().nth(chars).map_or(block.len(), |(at, _)| at)
    };
    let (start, end) = span.map_or((0, block.len()), |(start, end)| (byte(start), byte(end)));
    let text = block.get(start..end).unwrap_or_default();
    Segment {
        start_index: Some(base + start),
        end_index: Some(base + end.max(start)),
        text: Some(text.to_owned().into()),
    }
}
