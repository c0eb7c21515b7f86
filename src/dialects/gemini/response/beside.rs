//! What a candidate says beside its parts: its sources, and what Google did for it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::grounding::Grounding;
use super::hosted;
use crate::dialects::gemini::wire::Raw;
use crate::dialects::gemini::wire::response::Candidate;
use crate::ir::request::HostedItem;
use crate::ir::response::Citation;

/// It, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// What the answer rests on.
    grounding: Grounding,
    /// What it has in common with other works.
    recited: Grounding,
    /// What Google did on its side, by its key.
    hosted: Vec<(&'static str, Box<RawValue>)>,
}

impl Beside {
    /// Takes it out of a chunk's candidate.
    pub(super) fn take(&mut self, candidate: &mut Candidate<'_>) {
        if let Some(mut grounding) = candidate.grounding_metadata.take() {
            self.take_hosted("webSearchQueries", grounding.web_search_queries.take());
            self.grounding.merge(grounding);
        }
        if let Some(recited) = candidate.citation_metadata.take() {
            self.recited.merge_recited(recited);
        }
        let pages = candidate.url_context_metadata.take().and_then(|pages| pages.url_metadata);
        self.take_hosted("urlContextMetadata", pages);
    }

    /// Some models repeat it on every chunk.
    fn take_hosted(&mut self, name: &'static str, list: Option<Raw<'_>>) {
        let Some(Raw(list)) = list.filter(|list| !matches!(list.0.get(), "[]" | "null")) else {
            return;
        };
        if self.hosted.iter().all(|(known, _)| *known != name) {
            self.hosted.push((name, list.into_owned()));
        }
    }

    /// The citations of a block of text that begins `base` bytes into the candidate's text, each given once.
    pub(super) fn of_block(&mut self, block: &str, base: usize) -> Vec<Citation<'static>> {
        let mut citations = self.grounding.of_block(block, base);
        citations.extend(self.recited.of_block(block, base));
        citations
    }

    /// The citations that were found in no block.
    pub(super) fn rest(&mut self) -> Vec<Citation<'static>> {
        let mut rest = self.grounding.rest();
        rest.extend(self.recited.rest());
        rest
    }

    /// What Google did, each told once.
    pub(super) fn hosted(&mut self) -> impl Iterator<Item = HostedItem<'static>> + use<> {
        let items = std::mem::take(&mut self.hosted).into_iter();
        items.map(|(name, raw)| hosted::item(name, Raw(Cow::Owned(raw))))
    }
}
