//! `portcullis contain`: what waits for a person, and what a person wants of the gate.
//!
//! An answer is a signed record that is taken into the gate's log; the gate in force decides whether it counts, and this says what came of it.

mod shown;

use super::run::encoding_of;
use super::{Failure, explain, span};
use crate::contain::case::Depth;
use crate::contain::filter::Filter;
use crate::contain::group::{By, groups};
use crate::contain::{CameOfIt, Desk, meant};
use crate::http::people::Token;
use crate::jws::{Alg, Signer};
use crate::roles::wall_clock;
use crate::say::{harmless, say, say_on};
use portcullis_core::containment::AnswerEnd;
use portcullis_core::gate::Verb;
use portcullis_core::time::{DAY_MS, Span, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum ContainCommand {
    /// Make the key of a person, or of a system that acts; prints the line for `approvers` or `responders` in the policy.
    Keygen {
        /// Who it is for, as they are to be named.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Readable by its owner alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// EdDSA (Ed25519) or RS256 (RSA, 3072 bits).
        #[arg(long, value_name = "ALG", default_value_t = Alg::EdDsa)]
        alg: Alg,
    },
    /// Make a token for answers over HTTP; prints it, and the line for `http.contain.people` in the configuration.
    Token {
        /// Whose it is.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Their key, of `contain keygen`, where the service will find it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
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
        group: Option<By>,
        /// One JSON object a line.
        #[arg(long, conflicts_with = "group")]
        json: bool,
    },
    /// Show one thing that waits, or was sent: what, why, on what evidence, who breaks. `portcullis explain` says all of it.
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
    /// How far back to read what was published. What waits is known without that; with it, it is read from there all the same.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    since: Option<Span>,
}

/// How far back to look for what was sent, where nothing else is said.
const SINCE: Span = Span(7 * DAY_MS);

impl Place {
    fn desk(&self) -> Result<Desk, Failure> {
        let config = self.given.load()?;
        Ok(Desk::open(&config.kafka.settings(), &config.topics.prefix, encoding_of(&config))?)
    }

    fn since(&self) -> Time {
        wall_clock().plus(-self.since.unwrap_or(SINCE).0)
    }

    /// None: what waits need not be looked for.
    fn since_if_said(&self) -> Option<Time> {
        self.since.map(|_| self.since())
    }
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

pub fn run(command: ContainCommand) -> Result<(), Failure> {
    match command {
        ContainCommand::Keygen { name, out, alg } => {
            say!("{}", Signer::generate(&out, alg)?.policy_line(&name));
            Ok(())
        }
        ContainCommand::Token { name, key } => token(&name, &key),
        ContainCommand::List { place, filter, open, group, json } => {
            let mut desk = place.desk()?;
            let list = match open {
                true => desk.open_requests(&filter, place.since())?,
                false => desk.waiting(&filter, place.since_if_said())?,
            };
            match group {
                Some(by) => say_on!("{}", shown::groups(&groups(&list, by), wall_clock())),
                None if json => list.iter().try_for_each(|d| serde_json::to_string(d).map(|line| say!("{line}")))?,
                None => say_on!("{}", shown::table(&list, wall_clock())),
            }
            Ok(())
        }
        ContainCommand::Show { place, id } => {
            let Some(case) = place.desk()?.case(&id, place.since(), Depth::Containment)? else {
                return Err(explain::nothing_of(&id, place.since.unwrap_or(SINCE)));
            };
            say_on!("{}", explain::report(&case)?);
            Ok(())
        }
        ContainCommand::Approve(args) => answer(args, Verb::Approve, None),
        ContainCommand::Reject(args) => answer(args, Verb::Reject, None),
        ContainCommand::Extend { args, lasts } => answer(args, Verb::Extend, lasts),
        ContainCommand::Release(args) => answer(args, Verb::Release, None),
        ContainCommand::Pause { place, person, tenant, lasts } => everything(&place, &person, tenant, Verb::Pause, Some(lasts)),
        ContainCommand::Resume { place, person, tenant } => everything(&place, &person, tenant, Verb::Resume, None),
    }
}

/// Makes a token for HTTP, and prints it once.
fn token(name: &str, key: &std::path::Path) -> Result<(), Failure> {
    let token = Token::generate()?;
    let (name, digest, key) = (serde_json::Value::from(name), token.digest(), serde_json::Value::from(key.display().to_string()));
    say!("token, shown this once: {}", token.reveal());
    say!("for http.contain.people of the configuration:");
    say!("- {{ name: {name}, token_digest: {digest}, key_file: {key} }}");
    Ok(())
}

/// Answers to things by id, or to all that a filter takes.
fn answer(args: Args, verb: Verb, lasts: Option<Span>) -> Result<(), Failure> {
    let Args { place, person, ids, filter, dry_run } = args;
    let mut desk = place.desk()?;
    let candidates = match verb {
        Verb::Release => desk.open_requests(&Filter::default(), place.since())?,
        _ => desk.waiting(&Filter::default(), place.since_if_said())?,
    };
    let of = meant(verb, &candidates, &ids, &filter).map_err(Failure::Usage)?;
    let count: usize = of.values().map(Vec::len).sum();
    if dry_run || count == 0 {
        say!("{verb}: {count} of {}", of.keys().cloned().collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    told(&person.says(&mut desk, verb, &of, lasts)?)
}

/// Pauses or resumes tenants: those named, or all that the gate's log knows.
fn everything(place: &Place, person: &Person, tenants: Vec<String>, verb: Verb, lasts: Option<Span>) -> Result<(), Failure> {
    let mut desk = place.desk()?;
    let tenants: BTreeSet<String> = if tenants.is_empty() { desk.tenants(place.since())? } else { tenants.into_iter().collect() };
    if tenants.is_empty() {
        let back = place.since.unwrap_or(SINCE);
        return Err(Failure::Usage(format!("the gate's log knows no tenant in the last {back}: name one with --tenant")));
    }
    told(&person.says(&mut desk, verb, &tenants.into_iter().map(|t| (t, Vec::new())).collect(), lasts)?)
}

impl Person {
    fn says(&self, desk: &mut Desk, verb: Verb, of: &BTreeMap<String, Vec<String>>, lasts: Option<Span>) -> Result<CameOfIt, Failure> {
        Ok(desk.say(&Signer::open(&self.key, "", "")?, verb, of, &self.reason, lasts)?)
    }
}

/// Says what came of an answer; a failure where not all of it was accepted.
fn told(came: &CameOfIt) -> Result<(), Failure> {
    for answer in &came.answers {
        say!("{} {}: {}", answer.end, answer.of.as_deref().unwrap_or(&answer.tenant), harmless(&answer.why));
    }
    let accepted = came.answers.iter().filter(|a| a.end == AnswerEnd::Accepted).count();
    let refused = came.answers.len() - accepted;
    say!("{accepted} accepted, {refused} refused");
    if came.missing > 0 {
        let why = format!(
            "the gate has not answered {} of them within {:.0?}: is it running? INGEST or GATE takes the answer into the gate's log, and it counts if it stands there within 15 minutes",
            came.missing, came.waited
        );
        return Err(Failure::Failed(anyhow::anyhow!(why)));
    }
    if refused > 0 {
        return Err(Failure::Data("not all of it was accepted".to_owned()));
    }
    Ok(())
}
