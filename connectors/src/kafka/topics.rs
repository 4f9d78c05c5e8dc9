//! Which topics Portcullis needs, with which settings and why; what differs on a broker; creating what is missing.

use super::access::{Access, Operation, Resource, User};
use super::connect;
use super::fault::KafkaFault;
use super::{Settings, context::ClientEvents};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The gate's log: low volume, few partitions (the key is the tenant).
const GATE_PARTITIONS: i32 = 4;
const ADMIN_MAX: Duration = Duration::from_secs(10);

/// What the broker should be told beside the topics (`server.properties`): after a crash an open transaction blocks readers until the
/// broker's next look at time-outs, 10 s by default.
pub const BROKER_ADVICE: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000";

/// Whose topic it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Created and configured by us.
    Portcullis,
    /// A raw input: it must exist, nothing else is ours to say.
    Others,
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    pub why: &'static str,
    /// Correctness depends on it: a broker that differs is refused. Otherwise it is an operator's choice, and set at creation only.
    pub required: bool,
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub owner: Owner,
    pub purpose: &'static str,
    pub partitions: i32,
    pub replication: i32,
    pub settings: Vec<Setting>,
    pub readers: &'static [User],
    pub writers: &'static [User],
}

/// A topic as a broker has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    pub partitions: i32,
    pub replication: i32,
    pub settings: BTreeMap<String, String>,
}

/// The names under one prefix.
#[derive(Clone, Debug)]
pub struct Names {
    pub events: String,
    pub verdicts: String,
    pub risk: String,
    pub proposals: String,
    pub waiting: String,
    pub answers: String,
    pub reputation: String,
    pub inventory: String,
    pub journal: String,
    pub gate_journal: String,
    pub dead_letter: String,
    pub retry: String,
    pub ocsf: String,
    pub set: String,
    pub set_refused: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        let name = |suffix: &str| format!("{prefix}.{suffix}");
        Self {
            events: name("events"),
            verdicts: name("verdicts"),
            risk: name("risk"),
            proposals: name("proposals"),
            waiting: name("waiting"),
            answers: name("answers"),
            reputation: name("reputation"),
            inventory: name("inventory"),
            journal: name("journal"),
            gate_journal: name("gate-journal"),
            dead_letter: name("dead-letter"),
            retry: name("retry"),
            ocsf: name("ocsf"),
            set: name("set"),
            set_refused: name("set-refused"),
        }
    }
}

enum Keep {
    Days(i64),
    LatestPerKey,
}

/// The topics for a prefix, and who reads and who writes each. `partitions` of events, verdicts and journal is fixed for life (growing means a replay into a new prefix);
/// the gate's log and journal have at most four, because the tenant is their key.
pub fn plan(prefix: &str, partitions: i32, replication: i32, inputs: &[String]) -> Vec<Topic> {
    let names = Names::new(prefix);
    let gate = partitions.min(GATE_PARTITIONS);
    let ours = |name: String, purpose, partitions, keep, readers, writers| {
        of_ours(name, purpose, (partitions, replication), keep, readers, writers)
    };
    use User::{Audit, Contain, DeadLetter, Gate, Ingest, LogExport, PolicyApply, Score};
    let mut topics = vec![
        // INGEST looks whether there is an event already, when its group has no offset.
        ours(
            names.events,
            "the keyed log that SCORE decides from",
            partitions,
            Keep::Days(30),
            &[Ingest, Score, Audit, LogExport],
            &[Ingest, Score, PolicyApply],
        ),
        ours(names.verdicts, "verdicts, containment requests and decisions", partitions, Keep::Days(90), &[Contain, Audit], &[Score, Gate]),
        ours(names.risk, "the current level of every subject above low", partitions, Keep::LatestPerKey, &[], &[Score]),
        ours(
            names.proposals,
            "the gate's log, keyed by tenant",
            gate,
            Keep::Days(90),
            &[Gate, PolicyApply, Contain, Audit, LogExport],
            &[Ingest, Score, Gate, PolicyApply],
        ),
        ours(
            names.waiting,
            "what waits for a person, so that a list of it need not read all verdicts",
            gate,
            Keep::LatestPerKey,
            &[Contain],
            &[Gate],
        ),
        ours(names.answers, "what people answer, on its way into the gate's log", gate, Keep::Days(7), &[Ingest, Gate], &[Contain]),
        ours(names.reputation, "reputation of sources, stamped on events by INGEST", partitions, Keep::LatestPerKey, &[Ingest], &[Score]),
        ours(names.inventory, "inventory of identities, stamped on events by INGEST", partitions, Keep::LatestPerKey, &[Ingest], &[Ingest]),
        ours(names.journal, "SCORE's audit chain and recovery authority", partitions, Keep::Days(400), &[Score, Gate, Audit], &[Score]),
        ours(names.gate_journal, "the gate's audit chain", gate, Keep::Days(400), &[Gate, Audit], &[Gate]),
        ours(names.dead_letter, "records that could not be read, raw", partitions, Keep::Days(30), &[DeadLetter], &[Ingest]),
        ours(
            names.retry,
            "dead letters to be read again: an ordinary input",
            partitions,
            Keep::Days(7),
            &[Ingest, DeadLetter],
            &[DeadLetter],
        ),
    ];
    topics.extend(inputs.iter().map(|name| Topic {
        name: name.clone(),
        owner: Owner::Others,
        purpose: "raw input",
        partitions,
        replication,
        settings: Vec::new(),
        readers: &[Ingest],
        writers: &[],
    }));
    topics
}

fn of_ours(
    name: String,
    purpose: &'static str,
    (partitions, replication): (i32, i32),
    keep: Keep,
    readers: &'static [User],
    writers: &'static [User],
) -> Topic {
    Topic { name, owner: Owner::Portcullis, purpose, partitions, replication, settings: settings(keep, replication), readers, writers }
}

/// Which outputs there are beside the verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Also {
    pub ocsf: bool,
    pub set: bool,
}

/// Adds the topics of further outputs to a plan, and who makes them of the verdicts.
pub fn add_outputs(plan: &mut Vec<Topic>, prefix: &str, also: Also) {
    use User::{Audit, Contain, Publish};
    let names = Names::new(prefix);
    let Some(verdicts) = plan.iter_mut().find(|topic| topic.name == names.verdicts).filter(|_| also.ocsf || also.set) else { return };
    verdicts.readers = &[Contain, Audit, Publish];
    let copies = (verdicts.partitions, verdicts.replication);
    if also.ocsf {
        plan.push(of_ours(names.ocsf, "verdicts and containment as OCSF", copies, Keep::Days(30), &[], &[Publish]));
    }
    if also.set {
        let purpose = "changes of level and confirmed containment as Security Event Tokens";
        plan.push(of_ours(names.set, purpose, copies, Keep::Days(7), &[Publish], &[Publish]));
        plan.push(of_ours(names.set_refused, "SETs that a receiver refused, with its reason", copies, Keep::Days(30), &[], &[Publish]));
    }
}

/// A raw record at the broker's default limit (1 MiB) must still fit with what says why it is a dead letter, and an event made of it.
/// A little more than [`super::sink::RECORD_BYTES_MAX`], so that a record too large is refused here, one by one, and never by the broker,
/// which would fail its transaction again and again.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

fn settings(keep: Keep, replication: i32) -> Vec<Setting> {
    let required = |name, value: String, why| Setting { name, value, why, required: true };
    let chosen = |name, value: String, why| Setting { name, value, why, required: false };
    let mut settings = vec![
        required("message.timestamp.type", "LogAppendTime".into(), "log time is the broker's stamp: a forged event cannot move deadlines"),
        required("min.insync.replicas", replication.min(2).to_string(), "an acknowledged commit survives the loss of one broker"),
        required("unclean.leader.election.enable", "false".into(), "a stale replica must not take back what was committed"),
        required(
            "max.message.bytes",
            MESSAGE_BYTES_MAX.to_string(),
            "what the sink lets pass must fit, or its transaction fails again and again",
        ),
        chosen("compression.type", "producer".into(), "batches stay as the producer compressed them (lz4)"),
    ];
    match keep {
        Keep::Days(days) => {
            settings.push(required("cleanup.policy", "delete".into(), "a log: every record counts, not only the latest of a key"));
            settings.push(chosen("retention.ms", (days * DAY_MS).to_string(), "longer than the oldest checkpoint and the audit need"));
        }
        Keep::LatestPerKey => {
            settings.push(required("cleanup.policy", "compact".into(), "a table: the latest record of each key stays"));
            settings.push(chosen("segment.ms", DAY_MS.to_string(), "only closed segments are compacted"));
            settings.push(chosen("delete.retention.ms", (7 * DAY_MS).to_string(), "a reader a week behind still sees the tombstones"));
        }
    }
    settings
}

/// How a broker differs from the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub topic: String,
    pub what: What,
    /// The command that mends it, or what to do where none does.
    pub mend: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Missing { owner: Owner },
    Partitions { want: i32, have: i32 },
    Replication { want: i32, have: i32 },
    Setting { name: &'static str, want: String, have: Option<String>, required: bool },
}

impl Difference {
    /// Whether work must not start (or, for a missing topic of ours, not before it is created).
    pub fn is_fault(&self) -> bool {
        match &self.what {
            What::Missing { .. } | What::Partitions { .. } => true,
            What::Replication { .. } => false,
            What::Setting { required, .. } => *required,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.topic)?;
        match &self.what {
            What::Missing { owner: Owner::Portcullis } => f.write_str("missing")?,
            What::Missing { owner: Owner::Others } => f.write_str("missing (an input: whoever writes it owns it)")?,
            What::Partitions { want, have } => write!(f, "{have} partitions instead of {want}")?,
            What::Replication { want, have } => write!(f, "replication factor {have} instead of {want}")?,
            What::Setting { name, want, have, .. } => write!(f, "{name} is {} instead of {want}", have.as_deref().unwrap_or("unknown"))?,
        }
        write!(f, "; {}", self.mend)
    }
}

/// Compares the plan with what a broker has (missing topics are missing in `existing`).
pub fn check(plan: &[Topic], existing: &BTreeMap<String, Existing>, bootstrap_servers: &str) -> Vec<Difference> {
    let mut differences = Vec::new();
    for topic in plan {
        let mut differs = |what, mend| differences.push(Difference { topic: topic.name.clone(), what, mend });
        let Some(found) = existing.get(&topic.name) else {
            differs(What::Missing { owner: topic.owner }, create_command(topic, bootstrap_servers));
            continue;
        };
        if topic.owner == Owner::Others {
            continue;
        }
        if found.partitions != topic.partitions {
            let mend = format!(
                "the number is fixed for life: set topics.partitions to what the prefix was made with, or replay into a new topics.prefix; \
                 an unused topic goes with `kafka-topics.sh --bootstrap-server {bootstrap_servers} --delete --topic {}`",
                topic.name
            );
            differs(What::Partitions { want: topic.partitions, have: found.partitions }, mend);
        }
        if found.replication != topic.replication {
            let mend = format!(
                "`kafka-reassign-partitions.sh --bootstrap-server {bootstrap_servers}` with a plan for {}, or set topics.replication to {}",
                topic.name, found.replication
            );
            differs(What::Replication { want: topic.replication, have: found.replication }, mend);
        }
        for setting in &topic.settings {
            let have = found.settings.get(setting.name);
            if have != Some(&setting.value) {
                let mend = format!(
                    "`kafka-configs.sh --bootstrap-server {bootstrap_servers} --alter --entity-type topics --entity-name {} --add-config {}={}` ({})",
                    topic.name, setting.name, setting.value, setting.why
                );
                let what =
                    What::Setting { name: setting.name, want: setting.value.clone(), have: have.cloned(), required: setting.required };
                differs(what, mend);
            }
        }
    }
    differences
}

/// The command that creates a topic of the plan.
pub fn create_command(topic: &Topic, bootstrap_servers: &str) -> String {
    let mut command = format!(
        "`kafka-topics.sh --bootstrap-server {bootstrap_servers} --create --topic {} --partitions {} --replication-factor {}",
        topic.name, topic.partitions, topic.replication
    );
    for setting in &topic.settings {
        command.push_str(&format!(" --config {}={}", setting.name, setting.value));
    }
    command.push('`');
    command
}

/// What the broker has of the topics of a plan; settings only of ours.
///
/// # Errors
/// [`KafkaFault::Unreachable`], [`KafkaFault::NotAuthorized`].
pub fn existing(settings: &Settings, plan: &[Topic]) -> Result<BTreeMap<String, Existing>, KafkaFault> {
    let names: Vec<&str> = plan.iter().map(|topic| topic.name.as_str()).collect();
    let mut found = connect::describe(settings, &names, ADMIN_MAX)?;
    let ours: Vec<&str> = plan
        .iter()
        .filter(|topic| topic.owner == Owner::Portcullis && found.contains_key(&topic.name))
        .map(|topic| topic.name.as_str())
        .collect();
    if ours.is_empty() {
        return Ok(found);
    }
    let admin = admin(settings)?;
    let resources: Vec<_> = ours.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let answers =
        pollster::block_on(admin.describe_configs(&resources, &options())).map_err(|e| KafkaFault::of("reading topic settings", &e))?;
    // librdkafka answers in the order of the question.
    for (name, answer) in ours.iter().zip(answers) {
        let config = answer.map_err(|code| {
            KafkaFault::of(format!("reading the settings of {name}"), &KafkaError::AdminOp(code)).denying(Access::new(
                Operation::DescribeConfigs,
                Resource::Topic,
                *name,
            ))
        })?;
        if let Some(topic) = found.get_mut(*name) {
            topic.settings = config.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect();
        }
    }
    Ok(found)
}

/// What [`apply`] did and what it left to the operator.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    pub created: Vec<String>,
    /// Differences that are the operator's choice, and inputs that are missing.
    pub remaining: Vec<Difference>,
}

/// Why [`apply`] did nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum ApplyFault {
    #[error("topics with wrong settings are not touched:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Difference>),
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
}

/// Creates our missing topics. Refuses, before it creates anything, if one that exists is wrong. Inputs are never created.
///
/// # Errors
/// [`ApplyFault::Wrong`] with every difference and the command that mends it; failures of Kafka.
pub fn apply(settings: &Settings, plan: &[Topic]) -> Result<Applied, ApplyFault> {
    let differences = check(plan, &existing(settings, plan)?, &settings.bootstrap_servers);
    let (wrong, rest): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| difference.is_fault() && !matches!(difference.what, What::Missing { .. }));
    if !wrong.is_empty() {
        return Err(ApplyFault::Wrong(wrong));
    }
    let (missing, remaining): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|difference| difference.what == What::Missing { owner: Owner::Portcullis });
    let mut applied = Applied { created: Vec::new(), remaining };
    let create: Vec<&Topic> = plan.iter().filter(|topic| missing.iter().any(|difference| difference.topic == topic.name)).collect();
    if create.is_empty() {
        return Ok(applied);
    }
    let new: Vec<NewTopic<'_>> = create
        .iter()
        .map(|topic| {
            let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication));
            topic.settings.iter().fold(new, |new, setting| new.set(setting.name, &setting.value))
        })
        .collect();
    let admin = admin(settings)?;
    let answers = pollster::block_on(admin.create_topics(&new, &options())).map_err(|e| KafkaFault::of("creating topics", &e))?;
    for answer in answers {
        match answer {
            Ok(name) => applied.created.push(name),
            // Somebody was faster; the next check tells whether it is as it should be.
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                let fault = KafkaFault::of(format!("creating topic {name}"), &KafkaError::AdminOp(code));
                return Err(fault.denying(Access::new(Operation::Create, Resource::Topic, name)).into());
            }
        }
    }
    await_known(settings, &applied.created)?;
    Ok(applied)
}

/// Waits until the brokers know the new topics: the controller answers before they have heard of them, and whoever comes next would be
/// told that the topics are missing.
fn await_known(settings: &Settings, created: &[String]) -> Result<(), KafkaFault> {
    let names: Vec<&str> = created.iter().map(String::as_str).collect();
    let began = Instant::now();
    loop {
        match connect::connect_check(settings, &names, ADMIN_MAX) {
            Err(KafkaFault::MissingTopics { .. }) if began.elapsed() < ADMIN_MAX => std::thread::sleep(Duration::from_millis(100)),
            known => return known.map(drop),
        }
    }
}

fn admin(settings: &Settings) -> Result<AdminClient<ClientEvents>, KafkaFault> {
    settings.client(&[], &[], ClientEvents::new, AdminClient::inner)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ADMIN_MAX)).operation_timeout(Some(ADMIN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_planned(plan: &[Topic]) -> BTreeMap<String, Existing> {
        plan.iter()
            .map(|topic| {
                let settings = topic.settings.iter().map(|setting| (setting.name.to_owned(), setting.value.clone())).collect();
                (topic.name.clone(), Existing { partitions: topic.partitions, replication: topic.replication, settings })
            })
            .collect()
    }

    fn setting<'a>(plan: &'a [Topic], topic: &str, name: &str) -> &'a str {
        &plan.iter().find(|t| t.name == topic).unwrap().settings.iter().find(|s| s.name == name).unwrap().value
    }

    #[test]
    fn events_verdicts_and_journal_have_the_same_number_of_partitions() {
        let plan = plan("p", 12, 3, &["raw".into()]);
        assert_eq!(plan.len(), 13);
        for name in ["p.events", "p.verdicts", "p.journal"] {
            assert_eq!(plan.iter().find(|t| t.name == name).unwrap().partitions, 12, "{name}");
        }
        assert_eq!(plan.iter().find(|t| t.name == "p.proposals").unwrap().partitions, 4);
        assert_eq!(super::plan("p", 2, 1, &[]).iter().find(|t| t.name == "p.gate-journal").unwrap().partitions, 2);
    }

    #[test]
    fn logs_are_stamped_by_the_broker_and_tables_are_compacted() {
        let plan = plan("p", 12, 3, &[]);
        for topic in &plan {
            assert_eq!(setting(&plan, &topic.name, "message.timestamp.type"), "LogAppendTime");
            assert_eq!(setting(&plan, &topic.name, "min.insync.replicas"), "2");
        }
        for name in ["p.risk", "p.reputation", "p.inventory"] {
            assert_eq!(setting(&plan, name, "cleanup.policy"), "compact");
        }
        assert_eq!(setting(&plan, "p.events", "cleanup.policy"), "delete");
        assert_eq!(setting(&super::plan("p", 1, 1, &[]), "p.events", "min.insync.replicas"), "1");
    }

    #[test]
    fn a_broker_as_planned_has_no_differences() {
        let plan = plan("p", 3, 1, &["raw".into()]);
        assert_eq!(check(&plan, &as_planned(&plan), "b:1"), []);
    }

    #[test]
    fn every_difference_names_the_command_that_mends_it() {
        let plan = plan("p", 3, 1, &["raw".into()]);
        let mut broker = as_planned(&plan);
        broker.remove("p.retry");
        broker.remove("raw");
        broker.get_mut("p.journal").unwrap().partitions = 5;
        let events = broker.get_mut("p.events").unwrap();
        events.settings.insert("message.timestamp.type".into(), "CreateTime".into());
        events.settings.insert("retention.ms".into(), "1".into());

        let differences = check(&plan, &broker, "b:1");
        let text = |topic: &str| differences.iter().filter(|d| d.topic == topic).map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text("p.retry").contains("kafka-topics.sh --bootstrap-server b:1 --create --topic p.retry --partitions 3"));
        assert!(text("raw").contains("an input"));
        assert!(text("p.journal").contains("5 partitions instead of 3") && text("p.journal").contains("new topics.prefix"));
        assert!(text("p.events").contains("--entity-name p.events --add-config message.timestamp.type=LogAppendTime"));

        let faults: Vec<_> = differences.iter().filter(|d| d.is_fault()).map(|d| d.topic.as_str()).collect();
        assert_eq!(faults, ["p.events", "p.journal", "p.retry", "raw"], "retention is the operator's choice");
    }
}
