//! The signed end of a journal: the gate says now and then how far the chains have come, its own and SCORE's, so that records cut off at the
//! end are missed.

use crate::jws::Signer;
use crate::roles::wall_clock;
use crate::worker::Outbox;
use portcullis_core::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The type in the header of its JWS, and of its record.
pub const HEAD_TYPE: &str = "portcullis-head+jwt";
pub const HEAD_RECORD: &str = "audit-head";

/// What is signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    pub journal: String,
    pub partition: i32,
    /// BLAKE3 of the journal's last record, hex.
    pub digest: String,
    /// By the gate's clock.
    pub at: Time,
}

/// When which partition's end was signed last.
pub struct Heads {
    every: Duration,
    said: BTreeMap<i32, (Instant, String)>,
}

impl Heads {
    pub fn new(every: Duration) -> Heads {
        Heads { every, said: BTreeMap::new() }
    }

    /// Signs the ends that are due and have moved. An end is that of the last commit, so it is never one that is not published.
    pub fn say<'a>(
        &mut self,
        ends: impl Iterator<Item = (i32, &'a str)>,
        journal: &str,
        topic: &Arc<str>,
        signer: &Signer,
        outbox: &mut Outbox,
    ) {
        for (partition, digest) in ends {
            let last = self.said.entry(partition).or_insert_with(|| (Instant::now(), String::new()));
            if last.0.elapsed() < self.every || last.1 == digest || digest.is_empty() {
                continue;
            }
            *last = (Instant::now(), digest.to_owned());
            let head = Head { journal: journal.to_owned(), partition, digest: digest.to_owned(), at: wall_clock() };
            let jws = signer.sign_head(&head);
            outbox.push(topic, None, format!("{journal}-{partition}").as_bytes(), |out| out.extend_from_slice(jws.as_bytes()));
            outbox.header("type", HEAD_RECORD.as_bytes());
        }
    }
}
