//! `portcullis audit`: whether what was published is what was decided.

use super::run::{CONNECT_MAX, encoding_of};
use super::{Failure, span};
use crate::audit::collect::{Collector, keys_of, read};
use crate::audit::file::{About, Export, collect};
use crate::audit::{Findings, verify};
use crate::config;
use crate::jws::Signer;
use crate::roles::{Topics, wall_clock};
use crate::say::{harmless, say};
use anyhow::Context;
use portcullis_connectors::kafka::{Reader, connect_check};
use portcullis_core::decide::ENGINE;
use portcullis_core::signature::Signatory;
use portcullis_core::time::{Span, Time};
use std::path::{Path, PathBuf};

/// Faults that are listed; the rest is counted.
const LISTED_MAX: usize = 100;

#[derive(clap::Subcommand)]
pub enum AuditCommand {
    /// Hold what was published against the journals, on Kafka or in an export: names what was changed, removed, moved or added.
    Verify {
        /// The service's configuration.
        #[arg(long, value_name = "FILE", required_unless_present = "file")]
        config: Option<PathBuf>,
        #[command(flatten)]
        range: Range,
        /// An export, instead of Kafka: needs no broker.
        #[arg(long, value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// The keys that requests, ends of journals and the seal must be signed with, as `gate jwks` prints them.
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,
    },
    /// Write everything that an audit looks at into one file, with the events and the policies.
    Export {
        /// The service's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[command(flatten)]
        range: Range,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Sign the file's end with this key; without it, the gate's of the configuration, if there is one.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub struct Range {
    /// Leave PORTCULLIS_... environment variables out.
    #[arg(long)]
    no_environment: bool,
    /// How far back; without it, everything that the topics hold.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    since: Option<Span>,
}

impl Range {
    fn since(&self) -> Time {
        self.since.map_or(Time(0), |back| wall_clock().plus(-back.0))
    }

    fn open(&self, config: &Path) -> Result<(config::Config, Topics, Reader), Failure> {
        let config = super::validate::load(config, self.no_environment)?;
        let topics = Topics::new(&config.topics.prefix);
        let kafka = config.kafka.settings();
        connect_check(&kafka, &[&topics.journal, &topics.gate_journal, &topics.proposals, &topics.verdicts], CONNECT_MAX)?;
        let reader = Reader::open(&kafka)?;
        Ok((config, topics, reader))
    }
}

pub fn run(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { config, range, file, jwks } => {
            let keys = keys(jwks.as_deref())?;
            let evidence = match (&file, &config) {
                (Some(file), _) => collect(file, &keys)?.1,
                (None, None) => return Err(Failure::Usage("--config or --file is wanted".to_owned())),
                (None, Some(config)) => {
                    let (config, topics, mut reader) = range.open(config)?;
                    let mut collector = Collector::new(&config.topics.prefix, encoding_of(&config), &keys);
                    read(&mut reader, &topics, range.since(), false, |record| {
                        collector.take(record);
                        Ok(())
                    })?;
                    collector.evidence
                }
            };
            told(&verify(evidence), !keys.is_empty())
        }
        AuditCommand::Export { config, range, out, key } => {
            let (config, topics, mut reader) = range.open(&config)?;
            let key = key.as_ref().or(config.gate.signing_key_file.as_ref());
            let signer = key.map(|key| Signer::open(key, "", "")).transpose()?;
            let since = range.since();
            let about = About {
                audit: 1,
                prefix: config.topics.prefix.clone(),
                encoding: if encoding_of(&config) == portcullis_schemas::Encoding::Avro { "avro" } else { "json" }.to_owned(),
                engine: ENGINE.to_owned(),
                since,
                exported_at: wall_clock(),
                jwks: signer.as_ref().map_or(serde_json::Value::Null, Signer::jwks),
            };
            let mut export = Export::create(&out, &about)?;
            read(&mut reader, &topics, since, true, |record| export.record(&record))?;
            let lines = export.seal(|seal| signer.as_ref().map(|s| s.sign_seal(seal)))?;
            let sealed = if signer.is_some() { "signed" } else { "not signed" };
            say!("{lines} lines in {}, the end is {sealed}", out.display());
            Ok(())
        }
    }
}

fn keys(jwks: Option<&Path>) -> Result<Vec<Signatory>, Failure> {
    let Some(path) = jwks else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let keys = keys_of(&text).map_err(|what| Failure::Configuration(vec![format!("{}: {what}", path.display())]))?;
    if keys.is_empty() {
        return Err(Failure::Configuration(vec![format!("{}: holds no Ed25519 key", path.display())]));
    }
    Ok(keys)
}

fn told(findings: &Findings, with_keys: bool) -> Result<(), Failure> {
    for remark in &findings.remarks {
        say!("remark: {}", harmless(remark));
    }
    for fault in findings.faults.iter().take(LISTED_MAX) {
        say!("FAULT: {}", harmless(&fault.to_string()));
    }
    if findings.faults.len() > LISTED_MAX {
        say!("and {} faults more", findings.faults.len() - LISTED_MAX);
    }
    let signatures = if with_keys { "signatures verified" } else { "signatures not looked at (--jwks)" };
    say!(
        "{} batches, {} outputs, {} signed ends of journals, {signatures}: {} faults",
        findings.batches,
        findings.outputs,
        findings.heads,
        findings.faults.len()
    );
    if findings.faults.is_empty() { Ok(()) } else { Err(Failure::Data("what was published is not what was decided".to_owned())) }
}
