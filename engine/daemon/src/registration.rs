//! Our schemas in a registry: under which subjects, with which ids, and how they get there.
//!
//! Nothing is registered unless somebody says so: `portcullis schemas register`, or `schema_registry.register: true`. A service that is to write a
//! registry's format asks for the ids when it starts. What it is told is kept on disk, so that it can start while the registry is down; a
//! registry that is up and does not know them is believed at once.

use crate::config::{Config, Encoding, Framing, SchemaRegistry};
use crate::roles::Topics;
use crate::roles::outputs::{Frames, Outputs, RECORDS, subject};
use portcullis_connectors::registry::{Client, Fault, Registered, SchemaId, Shelf};
use portcullis_schemas::avro::Record;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two questions to a registry that does not answer, the first and the longest.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LAST: Duration = Duration::from_secs(10);

/// A schema of ours under a subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Kept {
    subject: String,
    /// Of our schema, so that another version's ids are not taken for this one's.
    fingerprint: u64,
    id: u32,
    guid: Option<[u8; 16]>,
}

/// Why a service cannot write a registry's format.
#[derive(Debug)]
pub enum Refusal {
    /// What is wrong and which command mends it.
    Told(Vec<String>),
    /// It was to stop while it waited.
    Stopped,
}

/// What a registry is asked about.
pub struct Registration<'c> {
    registry: &'c SchemaRegistry,
    client: Client,
    topic: String,
}

impl<'c> Registration<'c> {
    /// # Errors
    /// When the configuration has no registry, or it cannot be used.
    pub fn of(config: &'c Config) -> Result<Registration<'c>, String> {
        let registry = config.schema_registry.as_ref().ok_or("the configuration has no schema_registry")?;
        let topic = Topics::new(&config.topics.prefix).verdicts.to_string();
        Ok(Registration { client: registry.client()?, registry, topic })
    }

    /// The subjects of what is written, and what each is.
    pub fn subjects(&self) -> impl Iterator<Item = (Record, String)> {
        RECORDS.into_iter().map(|record| (record, subject(&self.topic, record)))
    }

    /// # Errors
    /// As [`Fault`] says.
    pub fn find(&self, record: Record) -> Result<Registered, Fault> {
        self.client.find(&subject(&self.topic, record), record.schema())
    }

    /// # Errors
    /// As [`Fault`] says.
    pub fn register(&self, record: Record) -> Result<Registered, Fault> {
        self.client.register(&subject(&self.topic, record), record.schema())
    }

    /// The ids, from the registry, else as they were last time; waits for whichever comes first. `mend`: the command that registers.
    fn ids(&self, shelf: &Shelf, mend: &str, stop: &AtomicBool) -> Result<Vec<(Record, Registered)>, Refusal> {
        let (mut found, mut missing, mut wait, mut said) = (Vec::new(), Vec::new(), AGAIN_FIRST, None::<Instant>);
        for (record, subject) in self.subjects() {
            let name = format!("subject-{subject}");
            loop {
                let asked = if self.registry.register { self.register(record) } else { self.find(record) };
                match asked {
                    Ok(registered) => {
                        let Registered { id, guid } = registered;
                        let kept = Kept { subject: subject.clone(), fingerprint: record.fingerprint(), id, guid };
                        if let Err(error) = shelf.put(&name, &kept) {
                            tracing::warn!(subject, %error, "what the schema registry said cannot be kept: the service cannot start while it is down");
                        }
                        found.push((record, registered));
                        break;
                    }
                    Err(fault) if fault.passes() => {
                        let kept = shelf.get::<Kept>(&name);
                        if let Some(kept) = kept.filter(|kept| (kept.fingerprint, &kept.subject) == (record.fingerprint(), &subject)) {
                            tracing::warn!(subject, id = kept.id, "written under the id of last time: {fault}");
                            found.push((record, Registered { id: kept.id, guid: kept.guid }));
                            break;
                        }
                        if said.is_none_or(|said| said.elapsed() > Duration::from_secs(60)) {
                            said = Some(Instant::now());
                            tracing::warn!(
                                subject,
                                "the service starts once the schema registry has said under which id outputs are written: {fault}"
                            );
                        }
                        pause(wait, stop)?;
                        wait = (wait * 2).min(AGAIN_LAST);
                    }
                    Err(Fault::Unknown { url, .. }) => {
                        missing.push(format!("the schema registry {url} has no schema of ours under the subject {subject}; {mend}"));
                        break;
                    }
                    Err(fault) => {
                        missing.push(fault.to_string());
                        break;
                    }
                }
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(Refusal::Told(missing)) }
    }
}

fn pause(wait: Duration, stop: &AtomicBool) -> Result<(), Refusal> {
    let began = Instant::now();
    while began.elapsed() < wait {
        if stop.load(Ordering::Relaxed) {
            return Err(Refusal::Stopped);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// How a configuration has outputs written. `shelf`: where what the registry said is kept; `mend`: the command that registers.
///
/// # Errors
/// When they are to be in a registry's format and it does not have our schemas.
pub fn outputs_of(config: &Config, shelf: Option<&Shelf>, mend: &str, stop: &AtomicBool) -> Result<Outputs, Refusal> {
    let in_header = match (config.output.encoding, config.output.framing) {
        (Encoding::Json, _) => return Ok(portcullis_schemas::Encoding::Json.into()),
        (Encoding::Avro, Framing::SingleObject) => return Ok(portcullis_schemas::Encoding::Avro.into()),
        (Encoding::Avro, framing) => framing == Framing::Header,
    };
    let told = |what: String| Refusal::Told(vec![what]);
    let registration = Registration::of(config).map_err(told)?;
    let shelf = shelf.ok_or_else(|| told("schema_registry.directory is not open".to_owned()))?;
    let ids = registration.ids(shelf, mend, stop)?;
    let named = |registered: Registered| match registered.guid.filter(|_| in_header) {
        Some(guid) => SchemaId::Guid(guid),
        // Without a GUID the header holds the id, which the same readers take.
        None => SchemaId::Id(registered.id),
    };
    let ids: Vec<(Record, SchemaId)> = ids.into_iter().map(|(record, registered)| (record, named(registered))).collect();
    for (record, id) in &ids {
        tracing::info!(subject = subject(&registration.topic, *record), %id, "outputs are written under the registry's id");
    }
    Ok(Frames { in_header, ids }.into())
}
