//! The responses of the last while, in memory: the next turn of a conversation does not wait for the disk.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::record::Record;

/// Responses by how lately they were used; what was used least lately leaves first.
#[derive(Debug)]
pub(super) struct Recent {
    records: HashMap<Arc<str>, Entry>,
    /// What was used, and when: the first is the next to leave, unless it was used again or has left.
    turns: VecDeque<(u64, Arc<str>)>,
    /// Output items: the id of the response that each stands in.
    items: HashMap<Box<str>, Arc<str>>,
    /// Responses whose items have not been looked at: hardly any client asks for an item.
    unread: Vec<Arc<str>>,
    next_turn: u64,
    bytes: usize,
    most_bytes: usize,
    removals: u64,
}

#[derive(Debug)]
struct Entry {
    record: Arc<Record>,
    turn: u64,
    /// Whether its items are among `items`.
    is_read: bool,
}

impl Recent {
    /// Room for so many bytes.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            records: HashMap::new(),
            turns: VecDeque::new(),
            items: HashMap::new(),
            unread: Vec::new(),
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
        let id = Arc::clone(&record.id);
        let turn = self.take_turn(&id);
        self.unread.push(Arc::clone(&id));
        self.records.insert(id, Entry { record, turn, is_read: false });
        while self.bytes > self.most_bytes
            && let Some((turn, oldest)) = self.turns.pop_front()
        {
            if self.is_current(turn, &oldest) {
                self.forget(&oldest);
            }
        }
        self.tidy();
    }

    /// Remembers what was read from the disk, unless something was removed since `removals` was read: it may be that.
    pub(super) fn insert_read(&mut self, record: &Arc<Record>, removals: u64) {
        if self.removals == removals && !self.records.contains_key(&record.id) {
            self.insert(Arc::clone(record));
        }
    }

    /// The response of an id.
    pub(super) fn find(&mut self, id: &str) -> Option<Arc<Record>> {
        let record = Arc::clone(&self.records.get(id)?.record);
        let turn = self.take_turn(&record.id);
        self.records.get_mut(id)?.turn = turn;
        self.tidy();
        Some(record)
    }

    /// The response that an output item stands in.
    pub(super) fn find_item(&mut self, item: &str) -> Option<Arc<Record>> {
        self.read_items();
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
        self.turns.push_back((turn, Arc::clone(id)));
        turn
    }

    /// Whether a response was not used after this turn.
    fn is_current(&self, turn: u64, id: &str) -> bool {
        self.records.get(id).is_some_and(|entry| entry.turn == turn)
    }

    /// Where each item stands, as of the responses that came since this was last asked.
    fn read_items(&mut self) {
        for id in self.unread.drain(..) {
            let Some(entry) = self.records.get_mut(&id).filter(|entry| !entry.is_read) else {
                continue;
            };
            entry.is_read = true;
            self.items.extend(entry.record.output_ids().into_iter().map(|item| (item, id.clone())));
        }
    }

    /// Lets go of what says nothing any more, once it is most of what there is.
    fn tidy(&mut self) {
        let most = 2 * self.records.len() + 64;
        if self.turns.len() > most {
            let mut turns = std::mem::take(&mut self.turns);
            turns.retain(|(turn, id)| self.is_current(*turn, id));
            self.turns = turns;
        }
        if self.unread.len() > most {
            let records = &self.records;
            let mut seen = HashSet::new();
            self.unread.retain(|id| {
                records.get(id).is_some_and(|entry| !entry.is_read) && seen.insert(Arc::clone(id))
            });
        }
    }

    fn forget(&mut self, id: &str) -> bool {
        let Some(entry) = self.records.remove(id) else { return false };
        self.bytes -= entry.record.size();
        if !entry.is_read {
            return true;
        }
        for item in entry.record.output_ids() {
            if self.items.get(&item).is_some_and(|response| **response == *id) {
                self.items.remove(&item);
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
        assert_eq!((recent.records.len(), recent.items.len()), (2, 2));
        assert_eq!(recent.bytes, 2 * size);
    }

    #[test]
    fn what_is_larger_than_the_room_is_not_kept() {
        let mut recent = Recent::new(10);
        recent.insert(record("r1", "i1"));
        assert_eq!((recent.records.len(), recent.bytes), (0, 0));
    }

    #[test]
    fn an_id_that_comes_again_replaces() {
        let mut recent = Recent::new(1 << 20);
        recent.insert(record("r1", "i1"));
        recent.insert(record("r1", "i2"));
        assert!(recent.find_item("i1").is_none() && recent.find_item("i2").is_some());
        recent.insert(record("r1", "i3"));
        assert!(recent.find_item("i2").is_none() && recent.find_item("i3").is_some());
        assert_eq!((recent.records.len(), recent.items.len()), (1, 1));
    }

    #[test]
    fn what_is_kept_of_old_turns_is_bounded() {
        let mut recent = Recent::new(1 << 20);
        for turn in 0..10_000 {
            recent.insert(record("r1", &format!("i{turn}")));
            assert!(recent.find("r1").is_some());
        }
        assert!(recent.turns.len() < 100 && recent.unread.len() < 100);
        assert!(recent.find_item("i9998").is_none() && recent.find_item("i9999").is_some());
        assert_eq!(recent.items.len(), 1);
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
