//! What people do with containment, behind the command line and HTTP alike: see what waits, answer it, and hear what came of that.
//!
//! An answer is a signed record, which is taken into the gate's log ([`answers`](crate::roles::answers)); the gate in force decides whether it counts. Nothing here decides anything.

pub mod case;
pub mod filter;
pub mod group;
pub mod questions;

use crate::jws::Signer;
use crate::roles::outputs::value_of;
use crate::roles::{Topics, wall_clock};
use anyhow::Context;
use filter::Filter;
use portcullis_connectors::kafka::access::{User, transactional_id};
use portcullis_connectors::kafka::{Reader, Settings, Sink, SinkSettings, Start, TopicPartition, connect_check};
use portcullis_core::containment::{ContainmentAnswer, ContainmentDecision};
use portcullis_core::gate::state::tenant_key;
use portcullis_core::gate::{Claims, OUTCOME, Verb};
use portcullis_core::record::{Answer, Control};
use portcullis_core::time::{Span, Time};
use portcullis_schemas::{Encoding, decode_answer, decode_gate_record, encode_control};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Ids that one record names; more are several records.
const OF_MAX: usize = 500;
/// How long to wait for what comes of an answer. Longer for many: each is sent, signed and said.
const CAME_OF_IT_MAX: Duration = Duration::from_secs(20);
const EACH: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(200);

/// A connection to where it all stands.
pub struct Desk {
    kafka: Settings,
    prefix: String,
    topics: Topics,
    encoding: Encoding,
    reader: Reader,
}

/// What came of an answer.
#[derive(Debug)]
pub struct CameOfIt {
    pub answers: Vec<ContainmentAnswer>,
    /// Things that the gate has said nothing of.
    pub missing: usize,
    pub waited: Duration,
}

impl Desk {
    /// # Errors
    /// When the broker does not answer or lacks a topic.
    pub fn open(kafka: &Settings, prefix: &str, encoding: Encoding) -> anyhow::Result<Desk> {
        let topics = Topics::new(prefix);
        connect_check(kafka, &[&topics.proposals, &topics.verdicts, &topics.waiting, &topics.answers], CONNECT_MAX)?;
        let reader = Reader::open(kafka)?;
        Ok(Desk { kafka: kafka.clone(), prefix: prefix.to_owned(), topics, encoding, reader })
    }

    /// What waits for a person, the next to expire first: of the table of what waits, or, with `since`, out of all that was published since.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn waiting(&mut self, filter: &Filter, since: Option<Time>) -> anyhow::Result<Vec<ContainmentDecision>> {
        let decisions = match since {
            None => questions::table(&mut self.reader, &self.topics, self.encoding)?,
            Some(since) => questions::decisions(&mut self.reader, &self.topics, self.encoding, since)?,
        };
        Ok(questions::waiting(decisions, wall_clock()).into_iter().filter(|d| filter.takes(d)).collect())
    }

    /// What was sent since then and can be taken back, the latest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_requests(&mut self, filter: &Filter, since: Time) -> anyhow::Result<Vec<ContainmentDecision>> {
        let decisions = questions::decisions(&mut self.reader, &self.topics, self.encoding, since)?;
        Ok(questions::open(decisions).into_iter().filter(|d| filter.takes(d)).collect())
    }

    /// Tenants of which the gate has heard since then.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn tenants(&mut self, since: Time) -> anyhow::Result<BTreeSet<String>> {
        let mut tenants = BTreeSet::new();
        self.reader.read_since(&self.topics.proposals, since.0, |record| {
            if let Some(Ok(read)) = record.value.map(decode_gate_record) {
                tenants.extend(portcullis_core::gate::tenant_of(&read).map(str::to_owned));
            }
            ControlFlow::Continue(())
        })?;
        Ok(tenants)
    }

    /// Signs what a person wants of each tenant's things, writes it to where it is taken into the gate's log from, and waits for what comes of it. A tenant without
    /// things: what is wanted is of everything.
    ///
    /// # Errors
    /// When it cannot be written, or nothing can be read back.
    pub fn say(
        &mut self,
        signer: &Signer,
        verb: Verb,
        of: &BTreeMap<String, Vec<String>>,
        reason: &str,
        lasts: Option<Span>,
    ) -> anyhow::Result<CameOfIt> {
        let ends = self.ends()?;
        let mut sink = Sink::open(&self.kafka, SinkSettings::new(transactional_id(&self.prefix, User::Contain, &unique()?)))?;
        let mut wanted = BTreeSet::new();
        sink.begin()?;
        for (tenant, ids) in of {
            let chunks: Vec<&[String]> = if ids.is_empty() { vec![&[]] } else { ids.chunks(OF_MAX).collect() };
            for of in chunks {
                let claims = Claims {
                    jti: unique()?,
                    iat: wall_clock().0.div_euclid(1_000),
                    tenant: tenant.clone(),
                    verb,
                    of: of.to_vec(),
                    reason: reason.to_owned(),
                    lasts,
                };
                let jws = signer.sign_answer(&claims);
                let mut value = Vec::new();
                encode_control(&Control::Answer(Answer { tenant: tenant.clone(), jws }), &mut value);
                sink.send(&self.topics.answers, None, Some(&tenant_key(tenant)), Some(&value), &[], None)?;
                let named = if of.is_empty() { vec![None] } else { of.iter().cloned().map(Some).collect() };
                wanted.extend(named.into_iter().map(|of| Wanted { answer: claims.jti.clone(), tenant: tenant.clone(), of }));
            }
        }
        sink.commit_outputs()?;
        self.came_of_it(wanted, ends)
    }

    /// Where the output topic ends now.
    fn ends(&self) -> anyhow::Result<Vec<(TopicPartition, i64)>> {
        let topic = &self.topics.verdicts;
        (0..self.reader.partitions(topic)?)
            .map(|partition| {
                let at = TopicPartition::new(Arc::clone(topic), partition);
                let end = self.reader.watermarks(&at)?.1;
                Ok((at, end))
            })
            .collect()
    }

    fn came_of_it(&mut self, mut wanted: BTreeSet<Wanted>, mut ends: Vec<(TopicPartition, i64)>) -> anyhow::Result<CameOfIt> {
        let (began, encoding) = (Instant::now(), self.encoding);
        let patience = CAME_OF_IT_MAX + EACH * wanted.len() as u32;
        let mut answers = Vec::new();
        while !wanted.is_empty() && began.elapsed() < patience {
            std::thread::sleep(LOOK);
            for (at, from) in &mut ends {
                let range = self.reader.read(at, Start::At(*from), None, |record| {
                    if record.header("type") == Some(b"containment-answer")
                        && let Some(answer) = value_of(&record).and_then(|value| decode_answer(&value, encoding).ok())
                        && is_of(&mut wanted, &answer)
                    {
                        answers.push(answer);
                    }
                    ControlFlow::Continue(())
                })?;
                *from = range.to;
            }
        }
        Ok(CameOfIt { answers, missing: wanted.len(), waited: began.elapsed() })
    }
}

/// Something of which it is to be heard what came of it.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Wanted {
    /// The answer's own id.
    answer: String,
    tenant: String,
    of: Option<String>,
}

/// Whether that is what became of something that is wanted, which is then wanted no more.
fn is_of(wanted: &mut BTreeSet<Wanted>, answer: &ContainmentAnswer) -> bool {
    // A refused outcome of an executor is no answer to a person.
    if answer.verb.as_deref() == Some(OUTCOME) {
        return false;
    }
    if answer.by.is_some() {
        return wanted.remove(&Wanted { answer: answer.answer.clone(), tenant: answer.tenant.clone(), of: answer.of.clone() });
    }
    // Nothing of an answer that was not believed is named: then it is refused as a whole.
    let before = wanted.len();
    wanted.retain(|w| w.tenant != answer.tenant);
    before != wanted.len()
}

/// Those that a person means of what is there: by id, or all that a filter takes; by tenant.
///
/// # Errors
/// Which id is not there, or that neither is given.
pub fn meant(
    verb: Verb,
    candidates: &[ContainmentDecision],
    ids: &[String],
    filter: &Filter,
) -> Result<BTreeMap<String, Vec<String>>, String> {
    let id_of = |d: &ContainmentDecision| if verb == Verb::Release { d.request.clone() } else { Some(d.proposal.clone()) };
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if ids.is_empty() {
        if !filter.names_something() {
            return Err("name ids, or a group by tenant, class, action, cause, subject or level".to_owned());
        }
        for d in candidates.iter().filter(|d| filter.takes(d)) {
            of.entry(d.tenant.clone()).or_default().extend(id_of(d));
        }
        return Ok(of);
    }
    let by_id: BTreeMap<String, &ContainmentDecision> = candidates.iter().filter_map(|d| Some((id_of(d)?, d))).collect();
    for id in ids {
        match by_id.get(id) {
            Some(d) => of.entry(d.tenant.clone()).or_default().push(id.clone()),
            None => {
                let what = if verb == Verb::Release { "is not open" } else { "does not wait" };
                return Err(format!("{id} {what}: the list shows what does; nothing was answered"));
            }
        }
    }
    Ok(of)
}

/// An id that nobody else has.
fn unique() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("{e}")).context("no randomness from the system")?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(id: &str, of: Option<&str>, by: Option<&str>, verb: Option<&str>) -> ContainmentAnswer {
        let mut value = json!({ "id": "a-1", "answer": id, "time": 1, "tenant": "acme", "end": "accepted", "why": "", "policy": { "version": "", "digest": "" } });
        for (name, set) in [("of", of), ("by", by), ("do", verb)] {
            if let Some(set) = set {
                value[name] = json!(set);
            }
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_answer_is_known_by_its_own_id() {
        let wanted = |of: &str| Wanted { answer: "j".to_owned(), tenant: "acme".to_owned(), of: Some(of.to_owned()) };
        let mut all = BTreeSet::from([wanted("p-1"), wanted("p-2")]);
        assert!(!is_of(&mut all, &answer("other", Some("p-1"), Some("ben"), Some("approve"))), "somebody else's");
        assert!(is_of(&mut all, &answer("j", Some("p-1"), Some("anna"), Some("approve"))));
        assert!(!is_of(&mut all, &answer("j", Some("p-1"), Some("anna"), Some("approve"))), "once");
        assert!(!is_of(&mut all, &answer("", Some("r-9"), None, Some("outcome"))), "an executor's");
        assert!(is_of(&mut all, &answer("", None, None, None)) && all.is_empty(), "refused as a whole");
    }
}
