//! `portcullis policy`: what is decided.

use super::Failure;
use super::run::CONNECT_MAX;
use crate::active_policy::{ActivePolicy, policy_record};
use crate::config::Config;
use crate::jws::Signer;
use crate::roles::{Topics, wall_clock};
use crate::say::{say, say_on};
use anyhow::Context;
use portcullis_connectors::kafka::access::{User, transactional_id};
use portcullis_connectors::kafka::{Reader, Settings, Sink, SinkSettings, Start, TopicPartition, connect_check};
use portcullis_core::policy::effective::effective_at;
use portcullis_core::policy::yaml::Fault;
use portcullis_core::policy::{Policy, parse};
use portcullis_core::record::{Control, GateRecord, PolicyRecord};
use portcullis_core::signature::{SignedPolicy, may_follow};
use portcullis_schemas::{decode_gate_record, encode_control};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long `policy apply` tries, and how often.
const APPLY_MAX: Duration = Duration::from_secs(30);
const APPLY_AGAIN: Duration = Duration::from_secs(1);

#[derive(clap::Subcommand)]
pub enum PolicyCommand {
    /// Read a policy and name every fault, with its line and what to do.
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Run cases against a policy: events in; levels, signals and what becomes of actions out. Ends with 65 if one fails.
    Test {
        #[arg(value_name = "POLICY")]
        file: PathBuf,
        #[arg(value_name = "CASES", required = true)]
        cases: Vec<PathBuf>,
    },
    /// Agree to a policy, as an approver of the one in force: `policy apply` takes the signatures that stand beside the file.
    Sign {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Your key, of `contain keygen`.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Put a policy in force: write it to every partition of the log, in one transaction.
    Apply {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The service's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Who puts it in force; stands in the record.
        #[arg(long, value_name = "NAME")]
        author: String,
        /// Leave PORTCULLIS_... environment variables out.
        #[arg(long)]
        no_environment: bool,
    },
    /// Print the catalogue of signals as a page: what each sees, its weight, its thresholds.
    Signals,
    /// What the second policy decides by that the first does not: everything in force, defaults included.
    Diff {
        #[arg(value_name = "A")]
        a: PathBuf,
        #[arg(value_name = "B")]
        b: PathBuf,
    },
    /// Propose weights from labelled verdicts: a table of before and after, and the change as YAML. Applies nothing.
    Calibrate(super::calibrate::Args),
    /// Print the model card: purpose, where the numbers come from, how far they can be believed.
    ModelCard,
    /// Print a policy; without a file the default one, ready to be edited.
    Show {
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Everything in force: every signal with its weight, thresholds and units, and all that has a default.
        #[arg(long)]
        effective: bool,
        /// The feature row instead: every column that a rule may name, with its type, unit and meaning.
        #[arg(long, conflicts_with_all = ["file", "effective"])]
        columns: bool,
    },
}

/// Reads a policy file; its faults are a configuration failure.
pub fn read(path: &Path) -> Result<(Policy, String), Failure> {
    let text = text_of(path)?;
    let policy = portcullis_rules::parse(&path.display().to_string(), &text).map_err(|faults| failure(&faults))?;
    Ok((policy, text))
}

/// The same of a policy that is to be put in force now. Warnings go to standard error.
pub fn read_to_apply(path: &Path) -> Result<(Policy, String), Failure> {
    let text = text_of(path)?;
    let (policy, warnings) =
        portcullis_rules::parse_to_apply(&path.display().to_string(), &text, wall_clock()).map_err(|faults| failure(&faults))?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok((policy, text))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::Configuration(vec![format!("the policy {} cannot be read: {e}", path.display())]))
}

fn failure(faults: &[Fault]) -> Failure {
    Failure::Configuration(faults.iter().map(ToString::to_string).collect())
}

/// Writes a policy to every partition of both logs, unless it is in force already. Says what it did.
pub fn apply_file(config: &Config, file: &Path, author: &str) -> Result<String, Failure> {
    let (policy, text) = read_to_apply(file)?;
    let kafka = config.kafka.settings();
    let topics = Topics::new(&config.topics.prefix);
    connect_check(&kafka, &[&topics.events, &topics.proposals], CONNECT_MAX)?;
    let began = Instant::now();
    loop {
        match apply_once(config, file, author, &kafka, &topics, (&policy, &text)) {
            // New topics have no leader for a moment, and a transaction can fail. Whatever became of it, the next look at the log says so.
            Err(Failure::Failed(error)) if began.elapsed() < APPLY_MAX => {
                tracing::warn!("not applied yet, once more: {error:#}");
                std::thread::sleep(APPLY_AGAIN);
            }
            Err(Failure::Failed(error)) => {
                return Err(error
                    .context("it is not known whether the policy is in force: repeat the command, it looks before it writes")
                    .into());
            }
            done => return done,
        }
    }
}

fn apply_once(
    config: &Config,
    file: &Path,
    author: &str,
    kafka: &Settings,
    topics: &Topics,
    (policy, text): (&Policy, &str),
) -> Result<String, Failure> {
    let mut reader = Reader::open(kafka)?;
    let force = in_force(&mut reader, topics)?;
    if let Some(record) = force.record() {
        if record.digest == policy.digest {
            return Ok(format!("policy {} is in force already", policy.version));
        }
        if policy.version <= record.version {
            return Err(Failure::Configuration(vec![format!(
                "{}: version {} is not greater than {}, which is in force since {}: give a changed policy a greater version",
                file.display(),
                policy.version,
                record.version,
                record.applied_at
            )]));
        }
    }
    let version = policy.version.clone();
    let record = PolicyRecord { signatures: signatures(file)?, ..policy_record(policy, text.to_owned(), author, wall_clock()) };
    may_follow(force.policy(), &record).map_err(|why| Failure::Configuration(vec![format!("{}: {why}", file.display())]))?;
    let record = Control::Policy(record);
    let mut sink = Sink::open(kafka, SinkSettings::new(transactional_id(&config.topics.prefix, User::PolicyApply, "")))?;
    let mut value = Vec::new();
    encode_control(&record, &mut value);
    sink.begin()?;
    for topic in [&topics.events, &topics.proposals] {
        for partition in 0..reader.partitions(topic)? {
            sink.send(topic, Some(partition), Some(b"policy"), Some(&value), &[], None)?;
        }
    }
    sink.commit_outputs()?;
    Ok(format!("policy {version} is in force from here on"))
}

/// The policy that the gate's log has put in force.
fn in_force(reader: &mut Reader, topics: &Topics) -> Result<ActivePolicy, Failure> {
    let mut active = ActivePolicy::built_in();
    let at = TopicPartition::new(std::sync::Arc::clone(&topics.proposals), 0);
    reader.read(&at, Start::Beginning, None, |record| {
        if let Some(Ok(GateRecord::Control(Control::Policy(policy)))) = record.value.map(decode_gate_record)
            && let Ok(Some(next)) = active.after(&policy)
        {
            active = next;
        }
        ControlFlow::Continue(())
    })?;
    Ok(active)
}

/// Where the signatures of a policy stand.
fn signatures_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The signatures that stand beside a policy; none where there is no such file.
fn signatures(file: &Path) -> anyhow::Result<Vec<String>> {
    let beside = signatures_beside(file);
    match std::fs::read_to_string(&beside) {
        Ok(text) => Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("reading {}", beside.display())),
    }
}

pub fn run(command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { file } => {
            let (policy, _) = read_to_apply(&file)?;
            say!(
                "{}: version {}, {} rules, {} playbooks, {} exceptions, no fault; digest {}",
                file.display(),
                policy.version,
                policy.rules.list().len(),
                policy.playbooks.len(),
                policy.exceptions.len(),
                policy.digest
            );
        }
        PolicyCommand::Test { file, cases } => {
            let (policy, text) = read(&file)?;
            super::policy_test::run(&policy, &text, &cases)?;
        }
        PolicyCommand::Sign { file, key } => {
            let (policy, _) = read(&file)?;
            let signer = Signer::open(&key, "", "")?;
            let jws = signer.sign_policy(&SignedPolicy { version: policy.version.clone(), digest: policy.digest.clone() });
            let beside = signatures_beside(&file);
            let mut lines = signatures(&file)?;
            lines.push(jws);
            std::fs::write(&beside, lines.join("\n") + "\n").with_context(|| format!("writing {}", beside.display()))?;
            say!("{}: version {}, {} signatures in {}", file.display(), policy.version, lines.len(), beside.display());
        }
        PolicyCommand::Apply { file, config, author, no_environment } => {
            let config = super::validate::load(&config, no_environment)?;
            say!("{}", apply_file(&config, &file, &author)?);
        }
        PolicyCommand::Diff { a, b } => {
            let told = super::policy_diff::diff(&read(&a)?.0, &read(&b)?.0);
            say_on!("{}", if told.is_empty() { "Nothing differs.\n" } else { &told });
        }
        PolicyCommand::Calibrate(args) => super::calibrate::run(&args)?,
        PolicyCommand::ModelCard => say_on!("{}", crate::model_page::model_page()),
        PolicyCommand::Signals => say_on!("{}", crate::signals_page::signals_page()),
        PolicyCommand::Show { columns: true, .. } => say_on!("{}", portcullis_rules::column::page()),
        PolicyCommand::Show { file, effective: all, columns: false } => {
            let (policy, text) = match &file {
                Some(file) => read(file)?,
                None => (Policy::default_policy(), parse::DEFAULT_TEXT.to_owned()),
            };
            say_on!("{}", if all { effective_at(&policy, wall_clock()) } else { text });
        }
    }
    Ok(())
}
