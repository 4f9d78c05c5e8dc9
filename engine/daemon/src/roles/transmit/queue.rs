//! What a receiver does not have yet, in the order of the log, and how far it has everything.

use portcullis_connectors::kafka::TopicPartition;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// SETs that are held for a receiver at once; the rest waits in the log.
pub const SETS_MAX: usize = 1_000;
/// Verifications that wait at once.
const OWN_MAX: usize = 16;

/// A SET, cheap to clone.
#[derive(Clone, PartialEq, Debug)]
pub struct Set {
    pub jti: Arc<str>,
    /// Compact.
    pub jws: Arc<str>,
    /// Of its record.
    pub key: Arc<[u8]>,
}

struct Held {
    offset: i64,
    set: Set,
    is_done: bool,
}

struct Lane {
    /// One past the last record that was taken.
    next: i64,
    /// What the group has committed.
    committed: i64,
    held: VecDeque<Held>,
}

impl Lane {
    /// Everything before it is done.
    fn position(&self) -> i64 {
        self.held.front().map_or(self.next, |held| held.offset)
    }
}

/// SETs of the assigned partitions, and verifications, which stand in no log.
#[derive(Default)]
pub struct Queue {
    lanes: BTreeMap<TopicPartition, Lane>,
    own: VecDeque<Set>,
}

impl Queue {
    pub fn start(&mut self, at: TopicPartition, from: i64) {
        self.lanes.insert(at, Lane { next: from, committed: from, held: VecDeque::new() });
    }

    /// All but verifications.
    pub fn forget_log(&mut self) {
        self.lanes.clear();
    }

    pub fn release(&mut self, at: &TopicPartition) {
        self.lanes.remove(at);
    }

    /// Takes a record; `None`: it is not for this receiver.
    pub fn take(&mut self, at: &TopicPartition, offset: i64, set: Option<Set>) {
        let Some(lane) = self.lanes.get_mut(at).filter(|lane| offset >= lane.next) else { return };
        lane.next = offset + 1;
        lane.held.extend(set.map(|set| Held { offset, set, is_done: false }));
    }

    /// Takes one that stands in no log; false: too many wait.
    pub fn take_own(&mut self, set: Set) -> bool {
        let has_room = self.own.len() < OWN_MAX;
        if has_room {
            self.own.push_back(set);
        }
        has_room
    }

    /// The first ones that the receiver does not have, and whether there are more.
    pub fn first(&self, most: usize) -> (Vec<Set>, bool) {
        let held = self.lanes.values().flat_map(|lane| &lane.held).filter(|held| !held.is_done).map(|held| &held.set);
        let mut all = self.own.iter().chain(held);
        let first = all.by_ref().take(most).cloned().collect();
        (first, all.next().is_some())
    }

    /// The receiver has it, or will not have it. What it was, if it waited.
    pub fn done(&mut self, jti: &str) -> Option<Set> {
        if let Some(i) = self.own.iter().position(|set| *set.jti == *jti) {
            return self.own.remove(i);
        }
        for lane in self.lanes.values_mut() {
            if let Some(held) = lane.held.iter_mut().find(|held| !held.is_done && *held.set.jti == *jti) {
                held.is_done = true;
                let set = held.set.clone();
                while lane.held.front().is_some_and(|held| held.is_done) {
                    lane.held.pop_front();
                }
                return Some(set);
            }
        }
        None
    }

    /// How far each partition is done, where that is further than the group knows.
    pub fn uncommitted(&self) -> Vec<(TopicPartition, i64)> {
        let further = self.lanes.iter().filter(|(_, lane)| lane.position() > lane.committed);
        further.map(|(at, lane)| (at.clone(), lane.position())).collect()
    }

    pub fn committed(&mut self, at: &TopicPartition, offset: i64) {
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.committed = offset;
        }
    }

    /// Whether no more are to be taken. `was`: so far; one that was full takes more when half is done.
    pub fn is_full(&self, was: bool) -> bool {
        let held: usize = self.lanes.values().map(|lane| lane.held.len()).sum();
        held >= if was { SETS_MAX / 2 } else { SETS_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(jti: &str) -> Set {
        Set { jti: jti.into(), jws: format!("jws of {jti}").into(), key: (*b"k").into() }
    }

    fn queue(jtis: &[&str]) -> (Queue, TopicPartition) {
        let at = TopicPartition::new("set", 0);
        let mut queue = Queue::default();
        queue.start(at.clone(), 10);
        for (i, jti) in jtis.iter().enumerate() {
            queue.take(&at, 10 + 2 * i as i64, Some(set(jti)));
        }
        (queue, at)
    }

    fn waiting(queue: &Queue) -> Vec<String> {
        queue.first(9).0.iter().map(|set| set.jti.to_string()).collect()
    }

    #[test]
    fn only_what_everything_before_is_done_too_is_committed() {
        let (mut queue, at) = queue(&["a", "b", "c"]);
        assert_eq!(queue.done("b").unwrap().jti.as_ref(), "b");
        assert_eq!((queue.uncommitted(), waiting(&queue)), (vec![], vec!["a".to_owned(), "c".to_owned()]));
        assert!(queue.done("b").is_none(), "once");
        queue.done("a");
        assert_eq!(queue.uncommitted(), [(at.clone(), 14)]);
        queue.committed(&at, 14);
        assert_eq!(queue.uncommitted(), []);
        queue.done("c");
        assert_eq!(queue.uncommitted(), [(at, 15)]);
    }

    #[test]
    fn what_is_not_for_the_receiver_is_passed_over_in_its_turn() {
        let (mut queue, at) = queue(&["a"]);
        queue.take(&at, 20, None);
        assert_eq!(queue.uncommitted(), [], "not before the one that waits");
        queue.done("a");
        assert_eq!(queue.uncommitted(), [(at.clone(), 21)]);
        queue.take(&at, 20, Some(set("again")));
        assert_eq!(waiting(&queue), Vec::<String>::new(), "read twice, taken once");
    }

    #[test]
    fn a_verification_comes_first_and_moves_nothing() {
        let (mut queue, _) = queue(&["a"]);
        assert!(queue.take_own(set("sv")));
        assert_eq!(waiting(&queue), ["sv", "a"]);
        assert!(queue.first(1).1, "there are more");
        queue.done("sv");
        assert_eq!((waiting(&queue), queue.uncommitted()), (vec!["a".to_owned()], vec![]));
        assert!((0..OWN_MAX).all(|i| queue.take_own(set(&i.to_string()))) && !queue.take_own(set("too many")));
    }

    #[test]
    fn it_is_full_until_half_is_done() {
        let names: Vec<String> = (0..SETS_MAX).map(|i| i.to_string()).collect();
        let (mut queue, _) = queue(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(queue.is_full(false));
        names[..SETS_MAX / 2].iter().for_each(|jti| drop(queue.done(jti)));
        assert!(!queue.is_full(false) && queue.is_full(true));
        queue.done(&names[SETS_MAX / 2]);
        assert!(!queue.is_full(true));
    }
}
