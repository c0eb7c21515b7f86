//! The responses of the last while, in memory: the next turn of a conversation does not wait for the disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::record::Record;

/// Responses by how lately they were used; what was used least lately leaves first.
#[derive(Debug)]
pub(super) struct Recent {
    records: HashMap<Arc<str>, Entry>,
    /// Every entry's id by its turn: the least is the next to leave.
    turns: BTreeMap<u64, Arc<str>>,
    /// Output items: the id of the response that each stands in.
    items: HashMap<Box<str>, Arc<str>>,
    next_turn: u64,
    bytes: usize,
    most_bytes: usize,
    removals: u64,
}

#[derive(Debug)]
struct Entry {
    record: Arc<Record>,
    turn: u64,
}

impl Recent {
    /// Room for so many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            records: HashMap::new(),
            turns: BTreeMap::new(),
            items: HashMap::new(),
            next_turn: 0,
            bytes: 0,
            most_bytes,
            removals: 0,
        }
    }

    /// Remembers a response; one of the same id is forgotten.
    pub(super) fn insert(&mut self, record: Arc<Record>) {
        self.forget(&record.id);
        self.bytes += record.size();
        for item in &record.output_ids {
            self.items.insert(item.clone(), Arc::clone(&record.id));
        }
        let turn = self.take_turn(&record.id);
        self.records.insert(Arc::clone(&record.id), Entry { record, turn });
        while self.bytes > self.most_bytes
            && let Some((_, oldest)) = self.turns.first_key_value()
        {
            let oldest = Arc::clone(oldest);
            self.forget(&oldest);
        }
    }

    /// Remembers what was read from the disk, unless something was removed since `removals` was read: it may be that.
    pub(super) fn insert_read(&mut self, record: &Arc<Record>, removals: u64) {
        if self.removals == removals && !self.records.contains_key(&record.id) {
            self.insert(Arc::clone(record));
        }
    }

    /// The response of an id.
    pub(super) fn find(&mut self, id: &str) -> Option<Arc<Record>> {
        let turn = self.take_turn(&self.records.get(id)?.record.id.clone());
        let entry = self.records.get_mut(id)?;
        let before = std::mem::replace(&mut entry.turn, turn);
        self.turns.remove(&before);
        Some(Arc::clone(&entry.record))
    }

    /// The response that an output item stands in.
    pub(super) fn find_item(&mut self, item: &str) -> Option<Arc<Record>> {
        let id = self.items.get(item).cloned()?;
        self.find(&id)
    }

    /// Forgets a response for good; says whether it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.removals += 1;
        self.forget(id)
    }

    /// How often something was removed so far.
    pub(super) const fn removals(&self) -> u64 {
        self.removals
    }

    fn take_turn(&mut self, id: &Arc<str>) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, Arc::clone(id));
        turn
    }

    fn forget(&mut self, id: &str) -> bool {
        let Some(entry) = self.records.remove(id) else { return false };
        self.turns.remove(&entry.turn);
        self.bytes -= entry.record.size();
        for item in &entry.record.output_ids {
            if self.items.get(item).is_some_and(|response| **response == *id) {
                self.items.remove(item);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Answer, Answerer};
    use super::*;
    use crate::config::Provider;
    use crate::dialects::Dialect;

    fn record(id: &str, item: &str) -> Arc<Record> {
        let text = format!(r#"{{"id":"{id}","output":[{{"id":"{item}"}}]}}"#);
        let by =
            Answerer { account: "a", dialect: Dialect::Anthropic, provider: Provider::Anthropic };
        let parts = (Answer::read(text).unwrap(), "[]".into());
        Arc::new(Record::new(parts, None, by, 1))
    }

    #[test]
    fn the_least_lately_used_leaves_first() {
        let size = record("r1", "i1").size();
        let mut recent = Recent::new(2 * size + size / 2);
        recent.insert(record("r1", "i1"));
        recent.insert(record("r2", "i2"));
        assert!(recent.find("r1").is_some());
        recent.insert(record("r3", "i3"));
        assert!(recent.find("r2").is_none() && recent.find_item("i2").is_none());
        assert_eq!(recent.find_item("i1").unwrap().id.as_ref(), "r1");
        assert_eq!((recent.records.len(), recent.turns.len(), recent.items.len()), (2, 2, 2));
        assert_eq!(recent.bytes, 2 * size);
    }

    #[test]
    fn what_is_larger_than_the_room_is_not_kept() {
        let mut recent = Recent::new(10);
        recent.insert(record("r1", "i1"));
        assert_eq!((recent.records.len(), recent.turns.len(), recent.bytes), (0, 0, 0));
    }

    #[test]
    fn an_id_that_comes_again_replaces() {
        let mut recent = Recent::new(1 << 20);
        recent.insert(record("r1", "i1"));
        recent.insert(record("r1", "i2"));
        assert!(recent.find_item("i1").is_none());
        assert_eq!((recent.records.len(), recent.turns.len()), (1, 1));
    }

    #[test]
    fn what_was_removed_while_it_was_read_does_not_come_back() {
        let mut recent = Recent::new(1 << 20);
        let removals = recent.removals();
        let read = record("r1", "i1");
        assert!(!recent.remove("r1"));
        recent.insert_read(&read, removals);
        assert!(recent.find("r1").is_none());
        recent.insert_read(&read, recent.removals());
        assert!(recent.find("r1").is_some() && recent.remove("r1"));
    }
}
