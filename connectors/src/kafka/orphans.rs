//! Partitions that nobody owns although the group is at rest.
//!
//! A cooperative rebalance takes two rounds: whoever has to give a partition away does so in the first and asks for the second. If the
//! members are killed in between, a static group is stable with the partition in nobody's hands, and members that come back within their
//! session get the cached assignment: nobody ever asks again. So each member looks now and then, and the one whose id is the least leaves
//! for longer than its session, which the broker answers with a rebalance.

use super::context::ConsumerEvents;
use super::{Source, TopicPartition};
use rdkafka::bindings as rd;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

/// What a look at the group found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    pub partitions: BTreeSet<TopicPartition>,
    /// It is for this member to leave.
    pub is_ours_to_leave: bool,
}

impl Source {
    /// The partitions of our topics that no member of the group has. None while the group is not at rest, or if nobody can be asked within
    /// `timeout`: the next look will tell. Asks on a thread beside the worker's: the first call begins a look, and one after it has the
    /// answer.
    pub fn orphans(&mut self, timeout: Duration) -> Option<Orphans> {
        match self.looking.take() {
            Some(look) if look.is_finished() => Some(look.join().unwrap_or_default()),
            Some(look) => {
                self.looking = Some(look);
                None
            }
            None => {
                let (consumer, group, topics) = (Arc::clone(self.consumer()), self.group().to_owned(), Arc::clone(self.topics()));
                self.looking = Some(std::thread::spawn(move || look(&consumer, &group, &topics, timeout)));
                None
            }
        }
    }
}

fn look(consumer: &BaseConsumer<ConsumerEvents>, group: &str, topics: &[Arc<str>], timeout: Duration) -> Orphans {
    let Ok(groups) = consumer.fetch_group_list(Some(group), timeout) else { return Orphans::default() };
    let Some(group) = groups.groups().iter().find(|g| g.name() == group && g.state() == "Stable") else {
        return Orphans::default();
    };
    let mut owned = BTreeSet::new();
    for member in group.members() {
        // What cannot be read might be an owner's.
        let Some(assigned) = member.assignment().map_or(Some(Vec::new()), assigned) else { return Orphans::default() };
        owned.extend(assigned);
    }
    let mut partitions = BTreeSet::new();
    for topic in topics {
        let Ok(metadata) = consumer.fetch_metadata(Some(topic), timeout) else { return Orphans::default() };
        let known = metadata.topics().iter().flat_map(|t| t.partitions());
        partitions.extend(known.map(|p| TopicPartition::new(Arc::clone(topic), p.id())).filter(|at| !owned.contains(at)));
    }
    let least = group.members().iter().map(|m| m.id()).min();
    Orphans { partitions, is_ours_to_leave: least.is_some() && least == member_id(consumer).as_deref() }
}

fn member_id(consumer: &BaseConsumer<ConsumerEvents>) -> Option<String> {
    let native = consumer.client().native_ptr();
    // SAFETY: an owned string of librdkafka's, copied and given back.
    unsafe {
        let id = rd::rd_kafka_memberid(native);
        if id.is_null() {
            return None;
        }
        let copy = CStr::from_ptr(id).to_string_lossy().into_owned();
        rd::rd_kafka_mem_free(native, id.cast());
        Some(copy)
    }
}

/// Reads a member's assignment: Kafka's `ConsumerProtocolAssignment`.
fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut left = bytes;
    let mut take = |n: usize| -> Option<&[u8]> {
        let (taken, rest) = left.split_at_checked(n)?;
        left = rest;
        Some(taken)
    };
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    take(2)?; // version
    let mut all = Vec::new();
    for _ in 0..i32::from_be_bytes(take(4)?.try_into().ok()?) {
        let length = usize::try_from(i16::from_be_bytes(take(2)?.try_into().ok()?)).ok()?;
        let topic: Arc<str> = std::str::from_utf8(take(length)?).ok()?.into();
        for _ in 0..i32::from_be_bytes(take(4)?.try_into().ok()?) {
            all.push(TopicPartition::new(Arc::clone(&topic), i32::from_be_bytes(take(4)?.try_into().ok()?)));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_cut_one_is_not() {
        let bytes = b"\0\x01\0\0\0\x01\0\x02ab\0\0\0\x02\0\0\0\x03\0\0\0\x05\0\0\0\0";
        assert_eq!(assigned(bytes), Some(vec![TopicPartition::new("ab", 3), TopicPartition::new("ab", 5)]));
        assert_eq!(assigned(b""), Some(Vec::new()));
        assert_eq!(assigned(&bytes[..12]), None);
    }
}
