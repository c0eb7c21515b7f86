//! What is known of one model at one account: what bars it, what is left of its limits, how soon it answers.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::gate::Gate;
use super::latency::Latency;
use super::limits::Limits;

/// One model at one account.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) gate: Gate,
    pub(super) limits: Limits,
    pub(super) latency: Latency,
}

/// The models of an account, by their names there.
#[derive(Debug, Default)]
pub(super) struct Models {
    known: Mutex<HashMap<Arc<str>, Arc<Model>>>,
}

/// Model names come from clients: a pattern `*` must not make them a leak.
const KEPT: usize = 1024;

impl Models {
    /// The model of a name, and the name as it is kept.
    pub(super) fn named(&self, name: &str) -> (Arc<str>, Arc<Model>) {
        let mut known = self.known.lock();
        if let Some((name, model)) = known.get_key_value(name) {
            return (Arc::clone(name), Arc::clone(model));
        }
        let (name, model) = (Arc::<str>::from(name), Arc::<Model>::default());
        if known.len() >= KEPT {
            known.retain(|_, model| Arc::strong_count(model) > 1 || !model.gate.is_open());
        }
        // When all of them are in use this one is not remembered, and works all the same.
        if known.len() < KEPT {
            known.insert(Arc::clone(&name), Arc::clone(&model));
        }
        (name, model)
    }

    /// All of them, in the order of their names.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Arc<Model>)> {
        let known = self.known.lock();
        let pairs = known.iter().map(|(name, model)| (Arc::clone(name), Arc::clone(model)));
        let mut all: Vec<_> = pairs.collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        all
    }
}
