//! What waits for a thread of its own: handed over without a wait, within bounds, and taken many at a time.
//!
//! To wake a thread for each item costs more than most items do. So an item that nobody waits for does not wake it while it
//! lets others gather, unless half of the room is taken.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Items that nobody waits for.
    pub gathered: usize,
    /// What those weigh, in bytes.
    pub bytes: usize,
    /// Items of both kinds.
    pub items: usize,
    /// How long an item lets others gather.
    pub linger: Duration,
}

/// The way to a thread.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    wake: Condvar,
    bounds: Bounds,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<T>,
    /// How many of them nobody waits for, and what those weigh in bytes.
    gathered: usize,
    bytes: usize,
    /// Whether somebody waits for one of them, or there is little room left.
    is_urgent: bool,
    /// Whether the thread sleeps until it is woken.
    is_idle: bool,
    /// Whether the thread is to end when all is done.
    is_closed: bool,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub const fn new(bounds: Bounds) -> Self {
        let waiting = Waiting {
            items: Vec::new(),
            gathered: 0,
            bytes: 0,
            is_urgent: false,
            is_idle: false,
            is_closed: false,
        };
        Self { waiting: Mutex::new(waiting), wake: Condvar::new(), bounds }
    }

    /// Hands over an item of so many bytes that nobody waits for; `false` where there is no room for it.
    pub fn gather(&self, item: T, bytes: usize) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.gathered >= self.bounds.gathered || waiting.bytes >= self.bounds.bytes {
            return false;
        }
        waiting.gathered += 1;
        waiting.bytes += bytes;
        waiting.items.push(item);
        let is_full =
            waiting.gathered > self.bounds.gathered / 2 || waiting.bytes > self.bounds.bytes / 2;
        let is_idle = std::mem::take(&mut waiting.is_idle);
        let is_pressing = is_full && !std::mem::replace(&mut waiting.is_urgent, true);
        drop(waiting);
        if is_idle || is_pressing {
            self.wake.notify_one();
        }
        true
    }

    /// Hands over an item that somebody waits for; `false` where there is no room for it, or it is over.
    pub fn urge(&self, item: T) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed || waiting.items.len() >= self.bounds.items {
            return false;
        }
        waiting.items.push(item);
        waiting.is_urgent = true;
        drop(waiting);
        self.wake.notify_one();
        true
    }

    /// All that waits, in its order: at once where somebody waits or little room is left, else with what comes within a moment. Empty where nothing
    /// came within `patience`; `None` when it is over.
    pub fn take(&self, patience: Option<Duration>) -> Option<Vec<T>> {
        let mut waiting = self.waiting.lock();
        let until = patience.map(|patience| Instant::now() + patience);
        while waiting.items.is_empty() {
            if waiting.is_closed {
                return None;
            }
            waiting.is_idle = true;
            match until {
                None => self.wake.wait(&mut waiting),
                Some(until) if self.wake.wait_until(&mut waiting, until).timed_out() => {
                    waiting.is_idle = false;
                    return Some(std::mem::take(&mut waiting.items));
                }
                Some(_) => {}
            }
        }
        waiting.is_idle = false;
        let until = Instant::now() + self.bounds.linger;
        while !waiting.is_urgent
            && !waiting.is_closed
            && !self.wake.wait_until(&mut waiting, until).timed_out()
        {}
        waiting.is_urgent = false;
        (waiting.gathered, waiting.bytes) = (0, 0);
        Some(std::mem::take(&mut waiting.items))
    }

    /// Lets the thread end when it has done all that waits.
    pub fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(gathered: usize, bytes: usize) -> Queue<u32> {
        Queue::new(Bounds { gathered, bytes, items: gathered + 1, linger: Duration::ZERO })
    }

    #[test]
    fn what_is_too_much_is_not_taken() {
        let few = queue(2, 100);
        assert!(few.gather(1, 1) && few.gather(2, 1) && !few.gather(3, 1));
        assert!(few.urge(4) && !few.urge(5), "there is room for one that somebody waits for");
        assert_eq!(few.take(None), Some(vec![1, 2, 4]));
        assert!(few.gather(6, 1));
        let heavy = queue(10, 100);
        assert!(heavy.gather(1, 100) && !heavy.gather(2, 1));
    }

    #[test]
    fn what_takes_half_of_the_room_lets_nothing_gather() {
        let linger = Duration::from_hours(1);
        let queue = Queue::new(Bounds { gathered: 4, bytes: 100, items: 5, linger });
        assert!(queue.gather(1, 1) && queue.gather(2, 1) && queue.gather(3, 1));
        assert_eq!(queue.take(None), Some(vec![1, 2, 3]));
        assert!(queue.gather(4, 51));
        assert_eq!(queue.take(None), Some(vec![4]));
    }

    #[test]
    fn patience_ends_and_so_does_the_queue() {
        let queue = queue(2, 100);
        assert_eq!(queue.take(Some(Duration::from_millis(1))), Some(vec![]));
        assert!(queue.gather(1, 1));
        queue.close();
        assert!(!queue.urge(2), "nobody would ever take it");
        assert_eq!((queue.take(None), queue.take(None)), (Some(vec![1]), None));
    }
}
