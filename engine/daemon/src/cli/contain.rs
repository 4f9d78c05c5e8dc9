//! `portcullis contain`: what waits for a person, and what a person wants of the gate.
//!
//! An answer is a signed record in the gate's log; the gate in force decides whether it counts, and this says what came of it.

mod shown;

use super::run::{CONNECT_MAX, encoding_of, kafka_of};
use super::{Failure, span};
use crate::config::Config;
use crate::jws::Signer;
use crate::questions::{decisions, open, waiting};
use crate::roles::{Topics, wall_clock};
use crate::say::{harmless, say, say_on};
use anyhow::Context;
use portcullis_connectors::kafka::access::{User, transactional_id};
use portcullis_connectors::kafka::{Reader, Sink, SinkSettings, Start, TopicPartition, connect_check};
use portcullis_core::containment::{Action, AnswerEnd, ContainmentAnswer, ContainmentDecision};
use portcullis_core::event::Class;
use portcullis_core::gate::state::tenant_key;
use portcullis_core::gate::{Claims, Verb};
use portcullis_core::record::{Answer, Control, GateRecord};
use portcullis_core::time::{Span, Time};
use portcullis_core::verdict::Level;
use portcullis_schemas::{decode_answer, decode_gate_record, encode_control};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ids that one record names; more are several records.
const OF_MAX: usize = 500;
/// How long to wait for what comes of an answer.
const CAME_OF_IT_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(200);

#[derive(clap::Subcommand)]
pub enum ContainCommand {
    /// Make a person's key; prints the line for `approvers` in the policy.
    Keygen {
        /// Who it is for, as they are to be named.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Readable by its owner alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// List what waits for a person.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// Instead, what was sent and can be taken back.
        #[arg(long)]
        open: bool,
        /// One line for all that have this in common.
        #[arg(long, value_enum)]
        group: Option<shown::Group>,
        /// One JSON object a line.
        #[arg(long, conflicts_with = "group")]
        json: bool,
    },
    /// Show one thing that waits: what, why, on what evidence, who breaks.
    Show {
        #[command(flatten)]
        place: Place,
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Have it sent.
    Approve(Args),
    /// Have it not sent.
    Reject(Args),
    /// Let it wait longer.
    Extend {
        #[command(flatten)]
        args: Args,
        /// From now on, such as 4h.
        #[arg(long, value_name = "SPAN", value_parser = span)]
        lasts: Option<Span>,
    },
    /// Take back what was sent, by the ids of its requests.
    Release(Args),
    /// Send nothing any more: everything but cases waits. For the tenants named, or all that have ever been seen.
    Pause {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        person: Person,
        #[arg(long, value_name = "TENANT")]
        tenant: Vec<String>,
        /// At most 7d.
        #[arg(long, value_name = "SPAN", default_value = "4h", value_parser = span)]
        lasts: Span,
    },
    /// End a pause, and close the breaker: what was held is judged again.
    Resume {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        person: Person,
        #[arg(long, value_name = "TENANT")]
        tenant: Vec<String>,
    },
}

#[derive(clap::Args)]
pub struct Place {
    #[command(flatten)]
    given: super::validate::Args,
    /// How far back to look.
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    since: Span,
}

/// Whose word it is.
#[derive(clap::Args)]
pub struct Person {
    /// Their key, of `contain keygen`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why; stands in the record and in the request.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(clap::Args, Default)]
pub struct Filter {
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[arg(long, value_name = "CLASS", value_parser = |s: &str| Class::from_name(s).ok_or_else(|| format!("one of {}", Class::NAMES.join(", "))))]
    class: Option<Class>,
    #[arg(long, value_name = "ACTION", value_parser = |s: &str| Action::from_name(s).ok_or_else(|| format!("one of {}", Action::NAMES.join(", "))))]
    action: Option<Action>,
    /// The signal that weighed most, or the campaign.
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// The subject's id.
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// At least this serious.
    #[arg(long, value_name = "LEVEL", value_parser = |s: &str| Level::from_name(s).ok_or_else(|| format!("one of {}", Level::NAMES.join(", "))))]
    level: Option<Level>,
}

impl Filter {
    fn names_something(&self) -> bool {
        let texts = [&self.tenant, &self.cause, &self.subject];
        texts.iter().any(|t| t.is_some()) || self.class.is_some() || self.action.is_some() || self.level.is_some()
    }

    fn takes(&self, d: &ContainmentDecision) -> bool {
        self.tenant.as_ref().is_none_or(|t| d.tenant == *t)
            && self.class.is_none_or(|c| d.class == Some(c))
            && self.action.is_none_or(|a| d.action == a)
            && self.cause.as_ref().is_none_or(|c| d.cause == *c)
            && self.subject.as_ref().is_none_or(|s| d.subject.id == *s)
            && self.level.is_none_or(|l| d.level >= Some(l))
    }
}

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    person: Person,
    /// Those that a list shows; or name a group by a filter.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only say what would be answered.
    #[arg(long)]
    dry_run: bool,
}

/// What all of these commands need.
struct Desk {
    config: Config,
    topics: Topics,
    reader: Reader,
    since: Time,
}

impl Desk {
    fn open(place: &Place) -> Result<Desk, Failure> {
        let config = place.given.load()?;
        let topics = Topics::new(&config.topics.prefix);
        let kafka = kafka_of(&config);
        connect_check(&kafka, &[&topics.proposals, &topics.verdicts], CONNECT_MAX)?;
        let reader = Reader::open(&kafka)?;
        Ok(Desk { since: wall_clock().plus(-place.since.0), config, topics, reader })
    }

    fn decisions(&mut self) -> anyhow::Result<Vec<ContainmentDecision>> {
        decisions(&mut self.reader, &self.topics, encoding_of(&self.config), self.since)
    }
}

pub fn run(command: ContainCommand) -> Result<(), Failure> {
    match command {
        ContainCommand::Keygen { name, out } => {
            say!("{}", Signer::generate(&out)?.policy_line(&name));
            Ok(())
        }
        ContainCommand::List { place, filter, open: is_open, group, json } => {
            let all = Desk::open(&place)?.decisions()?;
            let mut list = if is_open { open(all) } else { waiting(all, wall_clock()) };
            list.retain(|d| filter.takes(d));
            match group {
                Some(group) => say_on!("{}", shown::groups(&list, group, wall_clock())),
                None if json => list.iter().try_for_each(|d| serde_json::to_string(d).map(|line| say!("{line}")))?,
                None => say_on!("{}", shown::table(&list, wall_clock())),
            }
            Ok(())
        }
        ContainCommand::Show { place, id } => show(&place, &id),
        ContainCommand::Approve(args) => answer(args, Verb::Approve, None),
        ContainCommand::Reject(args) => answer(args, Verb::Reject, None),
        ContainCommand::Extend { args, lasts } => answer(args, Verb::Extend, lasts),
        ContainCommand::Release(args) => answer(args, Verb::Release, None),
        ContainCommand::Pause { place, person, tenant, lasts } => everything(&place, &person, tenant, Verb::Pause, Some(lasts)),
        ContainCommand::Resume { place, person, tenant } => everything(&place, &person, tenant, Verb::Resume, None),
    }
}

fn show(place: &Place, id: &str) -> Result<(), Failure> {
    let mut desk = Desk::open(place)?;
    let all: Vec<_> = desk.decisions()?.into_iter().filter(|d| d.proposal == id || d.request.as_deref() == Some(id)).collect();
    let Some(last) = all.last() else {
        return Err(Failure::Usage(format!("{id}: no decision on it in the last {}", place.since)));
    };
    let (wanted, mut proposal) = (last.proposal.clone(), None);
    desk.reader.read_since(&desk.topics.proposals, desk.since.0, |record| match record.value.map(decode_gate_record) {
        Some(Ok(GateRecord::Proposal(p))) if p.id == wanted => {
            proposal = Some(p);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    say_on!("{}", shown::one(&all, proposal.as_deref()));
    Ok(())
}

/// Answers to things by id, or to all that a filter takes.
fn answer(args: Args, verb: Verb, lasts: Option<Span>) -> Result<(), Failure> {
    let mut desk = Desk::open(&args.place)?;
    let all = desk.decisions()?;
    let id_of = |d: &ContainmentDecision| if verb == Verb::Release { d.request.clone() } else { Some(d.proposal.clone()) };
    let candidates = if verb == Verb::Release { open(all) } else { waiting(all, wall_clock()) };
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if args.ids.is_empty() {
        if !args.filter.names_something() {
            return Err(Failure::Usage("name ids, or a group by --tenant, --class, --action, --cause, --subject or --level".to_owned()));
        }
        for d in candidates.iter().filter(|d| args.filter.takes(d)) {
            of.entry(d.tenant.clone()).or_default().extend(id_of(d));
        }
    }
    for id in &args.ids {
        match candidates.iter().find(|d| id_of(d).as_ref() == Some(id)) {
            Some(d) => of.entry(d.tenant.clone()).or_default().push(id.clone()),
            None => {
                let what = if verb == Verb::Release { "is not open" } else { "does not wait" };
                return Err(Failure::Usage(format!("{id} {what}: `portcullis contain list` shows what does; nothing was answered")));
            }
        }
    }
    let count: usize = of.values().map(Vec::len).sum();
    if args.dry_run || count == 0 {
        say!("{verb}: {count} of {}", of.keys().cloned().collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    desk.say(&args.person, verb, &of, lasts)
}

/// Pauses or resumes tenants: those named, or all that the gate's log knows.
fn everything(place: &Place, person: &Person, tenants: Vec<String>, verb: Verb, lasts: Option<Span>) -> Result<(), Failure> {
    let mut desk = Desk::open(place)?;
    let tenants: BTreeSet<String> = if tenants.is_empty() { desk.tenants()? } else { tenants.into_iter().collect() };
    if tenants.is_empty() {
        return Err(Failure::Usage(format!("the gate's log knows no tenant in the last {}: name one with --tenant", place.since)));
    }
    desk.say(person, verb, &tenants.into_iter().map(|t| (t, Vec::new())).collect(), lasts)
}

impl Desk {
    fn tenants(&mut self) -> anyhow::Result<BTreeSet<String>> {
        let mut tenants = BTreeSet::new();
        self.reader.read_since(&self.topics.proposals, self.since.0, |record| {
            if let Some(Ok(read)) = record.value.map(decode_gate_record) {
                tenants.extend(portcullis_core::gate::tenant_of(&read).map(str::to_owned));
            }
            ControlFlow::Continue(())
        })?;
        Ok(tenants)
    }

    /// Signs what a person wants of each tenant's things, writes it to the gate's log, and says what came of it.
    fn say(&mut self, person: &Person, verb: Verb, of: &BTreeMap<String, Vec<String>>, lasts: Option<Span>) -> Result<(), Failure> {
        let signer = Signer::open(&person.key, "", "")?;
        let ends = self.ends()?;
        let kafka = kafka_of(&self.config);
        let mut sink = Sink::open(&kafka, SinkSettings::new(transactional_id(&self.config.topics.prefix, User::Contain, &unique()?)))?;
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
                    reason: person.reason.clone(),
                    lasts,
                };
                let jws = signer.sign_answer(&claims);
                let mut value = Vec::new();
                encode_control(&Control::Answer(Answer { tenant: tenant.clone(), jws }), &mut value);
                sink.send(&self.topics.proposals, None, Some(&tenant_key(tenant)), Some(&value), &[], None)?;
                let each = if of.is_empty() { vec![None] } else { of.iter().cloned().map(Some).collect() };
                wanted.extend(each.into_iter().map(|id| (tenant.clone(), id)));
            }
        }
        sink.commit_outputs()?;
        self.came_of_it(wanted, ends)
    }

    /// Where the verdicts end now: what comes of an answer comes after.
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

    fn came_of_it(&mut self, mut wanted: BTreeSet<(String, Option<String>)>, mut ends: Vec<(TopicPartition, i64)>) -> Result<(), Failure> {
        let (began, encoding) = (Instant::now(), encoding_of(&self.config));
        let (mut accepted, mut refused) = (0, 0);
        while !wanted.is_empty() && began.elapsed() < CAME_OF_IT_MAX {
            std::thread::sleep(LOOK);
            for (at, from) in &mut ends {
                let mut found: Vec<ContainmentAnswer> = Vec::new();
                let range = self.reader.read(at, Start::At(*from), None, |record| {
                    if record.header("type") == Some(b"containment-answer") {
                        found.extend(record.value.and_then(|value| decode_answer(value, encoding).ok()));
                    }
                    ControlFlow::Continue(())
                })?;
                *from = range.to;
                for answer in found {
                    // Nothing of an answer that was not believed is named: then it is refused as a whole.
                    let is_ours = match answer.by {
                        Some(_) => wanted.remove(&(answer.tenant.clone(), answer.of.clone())),
                        None => {
                            let before = wanted.len();
                            wanted.retain(|(tenant, _)| *tenant != answer.tenant);
                            before != wanted.len()
                        }
                    };
                    if !is_ours {
                        continue;
                    }
                    match answer.end {
                        AnswerEnd::Accepted => accepted += 1,
                        AnswerEnd::Refused => refused += 1,
                    }
                    say!("{} {}: {}", answer.end, answer.of.as_deref().unwrap_or(&answer.tenant), harmless(&answer.why));
                }
            }
        }
        say!("{accepted} accepted, {refused} refused");
        if !wanted.is_empty() {
            let missing = wanted.len();
            let why = format!(
                "the gate has not answered {missing} of them within {CAME_OF_IT_MAX:?}: is it running? The answer stands in its log, and counts if it is read within 15 minutes"
            );
            return Err(Failure::Failed(anyhow::anyhow!(why)));
        }
        if refused > 0 {
            return Err(Failure::Data("not all of it was accepted".to_owned()));
        }
        Ok(())
    }
}

/// An id that nobody else has.
fn unique() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("{e}")).context("no randomness from the system")?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
