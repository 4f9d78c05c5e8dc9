//! `portcullis run`: the service.

use super::Failure;
use super::score::stop_on_signal;
use crate::audit::collect::keys_of;
use crate::checkpointer::{self, Checkpointer};
use crate::config::{self, Config, InputEncoding, SchemaRegistry, Tenant, Trust};
use crate::http::Server;
use crate::http::contain::Office;
use crate::http::people::People;
use crate::http::set::Streams;
use crate::ingest::Ingest;
use crate::jws::Signer;
use crate::registration::{self, Refusal};
use crate::roles::answers::Answers;
use crate::roles::cloudevents::Headers;
use crate::roles::gate::Gate;
use crate::roles::ingest::{IngestRole, IngestSettings, InputTopic};
use crate::roles::outputs::Outputs;
use crate::roles::publish::{Publish, PublishSettings, SetSettings};
use crate::roles::recovery::matrix::Accept;
use crate::roles::score::Score;
use crate::roles::transmit::{Pusher, Stream, Transmit};
use crate::roles::{Place, Topics, Turnstile};
use crate::status::Status;
use crate::telemetry::{self, Metrics};
use crate::trace::{self, Exporter};
use crate::worker::{self, LeavesTheGroup, Pace, Role};
use anyhow::Context;
use portcullis_connectors::enrich::{Enricher, GeoSettings};
use portcullis_connectors::formats::{Format, Input};
use portcullis_connectors::kafka::access::{User, answers_group, group, receiver_group, transactional_id};
use portcullis_connectors::kafka::topics::Also;
use portcullis_connectors::kafka::{Settings, SinkSettings, SourceSettings, connect_check, denied, topics};
use portcullis_connectors::registry::{Schemas, Shelf};
use portcullis_schemas::Encoding;
use portcullis_state::{Shared, StateOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    given: super::validate::Args,
    /// What this process does.
    #[arg(long, value_enum, default_value_t = RoleName::All)]
    role: RoleName,
    /// Name of this process among those of its role, the same after a restart; without it the host's name.
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    #[command(flatten)]
    accept: Accept,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RoleName {
    Ingest,
    Score,
    Gate,
    /// OCSF and SETs of the verdicts, and SETs to their receivers.
    Publish,
    All,
}

impl RoleName {
    fn includes(self, role: RoleName) -> bool {
        self == role || self == RoleName::All
    }

    /// As whom it comes to the brokers.
    fn user(self) -> User {
        match self {
            RoleName::Ingest => User::Ingest,
            RoleName::Score => User::Score,
            RoleName::Gate => User::Gate,
            RoleName::Publish => User::Publish,
            RoleName::All => User::All,
        }
    }
}

/// Before a worker that failed is made anew.
const RESTART_AFTER: Duration = Duration::from_secs(1);
pub const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How a configuration has outputs written.
pub fn encoding_of(config: &Config) -> Encoding {
    match config.output.encoding {
        config::Encoding::Json => Encoding::Json,
        config::Encoding::Avro => Encoding::Avro,
    }
}

/// The topics that a configuration plans.
pub fn plan_of(config: &Config) -> Vec<topics::Topic> {
    let inputs: Vec<String> = config.ingest.inputs.iter().map(|i| i.topic.clone()).collect();
    let prefix = &config.topics.prefix;
    let mut plan = topics::plan(prefix, config.topics.partitions as i32, config.topics.replication as i32, &inputs);
    topics::add_outputs(&mut plan, prefix, Also { ocsf: config.output.ocsf, set: config.output.set.is_some() });
    plan
}

pub fn run(args: Args) -> Result<(), Failure> {
    let config = args.given.load()?;
    let file = args.given.config.display();
    if args.role == RoleName::Publish && !publishes(&config) {
        return Err(Failure::Configuration(vec![format!("{file}: output.also: there is nothing to publish; write `also: [ocsf, set]`")]));
    }
    let signs = args.role.includes(RoleName::Gate) || (args.role.includes(RoleName::Publish) && config.output.set.is_some());
    let signer = match (signs, &config.gate.signing_key_file) {
        (false, _) => None,
        (true, Some(path)) => Some(Signer::open(path, &config.gate.issuer, &config.gate.audience)?),
        (true, None) => {
            return Err(Failure::Configuration(vec![format!(
                "{file}: gate.signing_key_file: requests and SETs are signed, and that needs a key; make one with `portcullis gate keygen --out gate.key`"
            )]));
        }
    };
    let kafka = config.kafka.settings();
    let cluster = check_topics(&config, &kafka, args.role.user())?;
    if args.role == RoleName::All
        && let Some(file) = &config.policy.file
    {
        super::policy::apply_file(&config, file, "run --role all")?;
    }
    let instance = match args.instance {
        Some(name) => name,
        None => host_name().context("the host's name (--instance names this process instead)")?,
    };
    let decides = args.role.includes(RoleName::Score) || args.role.includes(RoleName::Gate);
    if decides {
        check_writable(&config.state.directory)?;
    }
    let registry = config.schema_registry.as_ref().filter(|_| decides || args.role.includes(RoleName::Ingest));
    let shelf = registry.map(shelf_of).transpose()?;
    let stop = stop_on_signal()?;
    let status = Status::default();
    let keys = signer.as_ref().map(|signer| published_keys(&config, signer)).transpose()?;
    let _http = Server::start(config.http.listen, status.clone(), Metrics::install()?, keys.clone())?;
    let _people = match &config.http.contain {
        Some(contain) if args.role.includes(RoleName::Gate) => Some(Server::of_people(contain.listen, office(&config, &kafka, contain)?)?),
        _ => None,
    };
    let streams: Vec<Arc<Stream>> = match &config.output.set {
        Some(set) if args.role.includes(RoleName::Publish) => set.receivers.iter().map(|r| Arc::new(Stream::new(&r.name))).collect(),
        _ => Vec::new(),
    };
    let _receivers = match (&config.output.set, &keys) {
        (Some(set), Some(keys)) if set.receivers.iter().any(|r| r.token_digest.is_some()) && !streams.is_empty() => {
            let signer = set_signer(&config, set, signer.as_ref())?;
            Some(Server::of_receivers(set.listen, Streams::new(set, &streams, signer, keys.clone()))?)
        }
        _ => None,
    };
    let outputs: Outputs = if !decides {
        encoding_of(&config).into()
    } else {
        let mend = format!("register it with `portcullis schemas register --config {}`", args.given.config.display());
        registration::outputs_of(&config, shelf.as_ref(), &mend, &stop).map_err(|refusal| match refusal {
            Refusal::Told(what) => Failure::Configuration(what),
            Refusal::Stopped => Failure::Interrupted,
        })?
    };
    let outputs = outputs.with(headers_of(&config));
    let exporter = config.traces.as_ref().map(|traces| Exporter::start(traces, &instance)).transpose().context("the exporter of traces")?;
    let service = Service {
        config: &config,
        outputs,
        kafka,
        cluster,
        instance,
        signer,
        shared: Shared::new(StateOptions::with_memory(config.state.cache_bytes as usize)),
        checkpointer: checkpointer_of(&config)?,
        accept: args.accept,
        status,
        turnstile: Turnstile::default(),
        streams,
        traces: exporter.as_ref().map(Exporter::handle).unwrap_or_default(),
    };
    service.run(args.role, &stop)?;
    tracing::info!("stopped; what was committed is on disk");
    Ok(())
}

/// The JWK set by which requests are verified: the key that signs, and those that the configuration adds.
fn published_keys(config: &Config, signer: &Signer) -> Result<String, Failure> {
    let mut keys = vec![signer.jwk()];
    if let Some(path) = &config.gate.also_publish {
        let fault = |why: String| Failure::Configuration(vec![format!("gate.also_publish: {}: {why}", path.display())]);
        let text = std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))?;
        keys_of(&text).map_err(fault)?;
        let more: serde_json::Value = serde_json::from_str(&text)?;
        let is_new = |key: &&serde_json::Value| key["kid"] != keys[0]["kid"];
        let more: Vec<_> = more["keys"].as_array().into_iter().flatten().filter(is_new).cloned().collect();
        keys.extend(more);
    }
    Ok(serde_json::json!({ "keys": keys }).to_string())
}

/// Whether anything is made of the verdicts for others.
fn publishes(config: &Config) -> bool {
    config.output.ocsf || config.output.set.is_some()
}

/// The key, for the audience of SETs.
fn set_signer(config: &Config, set: &config::SetOutput, signer: Option<&Signer>) -> anyhow::Result<Signer> {
    let signer = signer.context("there is no signing key")?;
    Ok(signer.for_audience(set.audience.as_ref().unwrap_or(&config.gate.audience)))
}

/// What people see and answer over HTTP.
fn office(config: &Config, kafka: &Settings, contain: &config::Contain) -> Result<Office, Failure> {
    Ok(Office {
        kafka: kafka.clone(),
        prefix: config.topics.prefix.clone(),
        encoding: encoding_of(config),
        people: People::of(&contain.people)?,
        answers: contain.answers,
    })
}

/// A state directory that cannot be used would fail each partition, again and again.
fn check_writable(directory: &Path) -> Result<(), Failure> {
    let probe = directory.join(".writable");
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| std::fs::remove_file(&probe))
        // RocksDB says more of a full disk.
        .or_else(|error| if error.kind() == ErrorKind::StorageFull { Ok(()) } else { Err(error) })
        .map_err(|error| {
            let directory = directory.display();
            Failure::Configuration(vec![format!("state.directory: {directory}: {error}: give a directory that this process may write to")])
        })
}

/// Where what a registry says is kept.
fn shelf_of(registry: &SchemaRegistry) -> Result<Shelf, Failure> {
    Shelf::open(&registry.directory, &registry.url).map_err(|error| {
        let directory = registry.directory.display();
        let what = format!("schema_registry.directory: {directory}: {error}: give a directory that this process may write to");
        Failure::Configuration(vec![what])
    })
}

fn schemas_of(registry: &SchemaRegistry) -> anyhow::Result<Schemas> {
    let client = registry.client().map_err(anyhow::Error::msg)?;
    let shelf = Shelf::open(&registry.directory, &registry.url).with_context(|| registry.directory.display().to_string())?;
    Ok(Schemas::start(client, shelf)?)
}

fn checkpointer_of(config: &Config) -> anyhow::Result<Option<Arc<Checkpointer>>> {
    let Some(checkpoints) = &config.state.checkpoints else { return Ok(None) };
    let every = Duration::from_millis(checkpoints.every_ms.unsigned_abs());
    let checkpointer = Checkpointer::start(checkpointer::checkpoints_of(checkpoints)?, every).context("starting a thread")?;
    Ok(Some(Arc::new(checkpointer)))
}

/// Says within seconds what is missing on the broker, or is not allowed to this role, and which command mends it. Returns the cluster's id.
fn check_topics(config: &Config, kafka: &Settings, role: User) -> Result<String, Failure> {
    let plan: Vec<topics::Topic> = plan_of(config).into_iter().filter(|topic| !topic.operations(role).is_empty()).collect();
    connect_check(kafka, &[], CONNECT_MAX)?;
    let denied = denied(kafka, role, &plan)?;
    if !denied.is_empty() {
        let mend = "; `portcullis topics plan --acls` prints the command that grants it";
        return Err(Failure::Configuration(denied.iter().map(|access| format!("{access} is denied to this principal{mend}")).collect()));
    }
    let names: Vec<&str> = plan.iter().map(|t| t.name.as_str()).collect();
    let cluster = connect_check(kafka, &names, CONNECT_MAX)?;
    let existing = topics::existing(kafka, &plan)?;
    let wrong: Vec<String> = topics::check(&plan, &existing, &kafka.bootstrap_servers)
        .into_iter()
        .filter(topics::Difference::is_fault)
        .map(|d| format!("{d}"))
        .collect();
    if wrong.is_empty() { Ok(cluster.id) } else { Err(Failure::Configuration(wrong)) }
}

fn host_name() -> anyhow::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(name.trim().to_owned())
}

struct Service<'c> {
    config: &'c Config,
    outputs: Outputs,
    kafka: Settings,
    cluster: String,
    instance: String,
    signer: Option<Signer>,
    shared: Shared,
    checkpointer: Option<Arc<Checkpointer>>,
    accept: Accept,
    status: Status,
    turnstile: Turnstile,
    /// One for each receiver of SETs, where they are handed on.
    streams: Vec<Arc<Stream>>,
    traces: trace::Handle,
}

impl Service<'_> {
    /// One thread a worker; the first that cannot go on ends them all.
    fn run(&self, role: RoleName, stop: &AtomicBool) -> Result<(), Failure> {
        let mut failures = Vec::new();
        let streams = &self.streams;
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            if role.includes(RoleName::Ingest) {
                threads.push(scope.spawn(|| self.keep_running(User::Ingest, "0", stop, |s| s.ingest())));
            }
            if role.includes(RoleName::Score) {
                for number in 0..self.config.score.workers {
                    threads.push(scope.spawn(move || self.keep_running(User::Score, &number.to_string(), stop, |s| s.score(number))));
                }
            }
            if role.includes(RoleName::Gate) {
                threads.push(scope.spawn(|| self.keep_running(User::Gate, "0", stop, |s| s.gate())));
            }
            if let Some(host) = [RoleName::Gate, RoleName::Ingest].into_iter().find(|host| role.includes(*host)) {
                threads.push(scope.spawn(move || self.keep_running(host.user(), "answers", stop, |s| Ok(s.answers()))));
            }
            if role.includes(RoleName::Publish) && publishes(self.config) {
                threads.push(scope.spawn(|| self.keep_running(User::Publish, "0", stop, |s| s.publish())));
            }
            for (number, stream) in streams.iter().enumerate() {
                let name = format!("set-{}", stream.name);
                threads.push(scope.spawn(move || self.keep_running(User::Publish, &name, stop, |s| s.transmit(number, stream))));
            }
            for thread in threads {
                match thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => failures.push(error),
                    Err(_) => {
                        failures.push(anyhow::anyhow!("a worker panicked; this is a fault of Portcullis, please report it with the log"))
                    }
                }
            }
        });
        match failures.into_iter().next() {
            Some(error) => Err(Failure::Failed(error)),
            None => Ok(()),
        }
    }

    /// Runs a worker, and again after a failure that a restart may mend.
    fn keep_running<R: Role>(
        &self,
        user: User,
        worker: &str,
        stop: &AtomicBool,
        make: impl Fn(&Self) -> anyhow::Result<(SourceSettings, R)>,
    ) -> anyhow::Result<()> {
        let name = transactional_id(&self.config.topics.prefix, user, &format!("{}-{worker}", self.instance));
        loop {
            let done = make(self).and_then(|(mut source, role)| {
                source.instance = Some(name.clone());
                worker::run(&self.kafka, &source, SinkSettings::new(name.clone()), self.pace(), role, stop)
            });
            let Err(error) = done else { return Ok(()) };
            if worker::is_final(&error) {
                tracing::error!(worker = name, "ended: {error:#}");
                stop.store(true, Ordering::Relaxed);
                return Err(error.context(name));
            }
            tracing::warn!(worker = name, "started anew after: {error:#}");
            telemetry::restarted(user.name());
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            // Whoever leaves the group stays away until the broker has noticed.
            let away = if error.is::<LeavesTheGroup>() { SourceSettings::SESSION + RESTART_AFTER } else { RESTART_AFTER };
            let began = Instant::now();
            while began.elapsed() < away && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn pace(&self) -> Pace {
        let transaction = &self.config.score.transaction;
        Pace { at_most: Duration::from_millis(transaction.at_most_ms.unsigned_abs()), records_max: transaction.records as usize }
    }

    fn group(&self, role: User) -> String {
        if role == User::Score { self.config.score.group.clone() } else { group(&self.config.topics.prefix, role) }
    }

    fn topics(&self) -> Topics {
        Topics::new(&self.config.topics.prefix)
    }

    fn source(&self, role: User, topics: &[&str]) -> SourceSettings {
        SourceSettings::new(self.group(role), "", topics)
    }

    fn ingest(&self) -> anyhow::Result<(SourceSettings, IngestRole)> {
        let inputs: Vec<InputTopic> = self.config.ingest.inputs.iter().map(input_topic).collect::<anyhow::Result<_>>()?;
        let topics = self.topics();
        let mut names: Vec<&str> = inputs.iter().map(|i| i.input.name.as_str()).collect();
        names.push(&topics.retry);
        let source = self.source(User::Ingest, &names);
        let geo = GeoSettings {
            city: self.config.ingest.geoip.city.clone(),
            asn: self.config.ingest.geoip.asn.clone(),
            ..GeoSettings::default()
        };
        let ingest = Ingest::new(Enricher::open(&geo)?);
        let registry = self.config.schema_registry.as_ref().filter(|_| inputs.iter().any(|input| input.is_registered));
        let schemas = registry.map(schemas_of).transpose()?;
        let settings = IngestSettings { kafka: self.kafka.clone(), topics: topics.clone(), cluster: self.cluster.clone(), inputs, schemas };
        Ok((source, IngestRole::new(settings, ingest, self.status.worker("ingest", 0))?.traced(self.traces.clone())))
    }

    fn place(&self, role: &'static str, worker: u32, partitions: i32) -> Place {
        Place {
            checkpointer: self.checkpointer.clone(),
            accept: self.accept,
            turnstile: self.turnstile.clone(),
            ..Place::new(self.config.state.directory.clone(), self.shared.clone(), partitions, self.status.worker(role, worker))
        }
    }

    fn score(&self, worker: u32) -> anyhow::Result<(SourceSettings, Score)> {
        let topics = self.topics();
        let source = self.source(User::Score, &[&topics.events]);
        let place = self.place("score", worker, self.config.topics.partitions as i32);
        Ok((source, Score::new(&self.kafka, place, topics, self.outputs.clone()).traced(self.traces.clone())))
    }

    fn gate(&self) -> anyhow::Result<(SourceSettings, Gate)> {
        let topics = self.topics();
        let source = self.source(User::Gate, &[&topics.proposals]);
        let partitions = plan_of(self.config).iter().find(|t| *t.name == *topics.proposals).map_or(1, |t| t.partitions);
        let signer = self.signer.clone().context("the gate has no signing key")?;
        let every = Duration::from_millis(self.config.gate.sign_ends_every_ms.unsigned_abs());
        let gate = Gate::new(&self.kafka, self.place("gate", 0, partitions), topics, self.outputs.clone(), signer, every)?;
        Ok((source, gate.traced(self.traces.clone())))
    }

    fn answers(&self) -> (SourceSettings, Answers) {
        let topics = self.topics();
        let source = SourceSettings::new(answers_group(&self.config.topics.prefix), "", &[&topics.answers]);
        (source, Answers::new(topics, self.status.worker("answers", 0)))
    }

    fn publish(&self) -> anyhow::Result<(SourceSettings, Publish)> {
        let topics = self.topics();
        let source = self.source(User::Publish, &[&topics.verdicts]);
        let set = match &self.config.output.set {
            Some(set) => Some(SetSettings {
                signer: set_signer(self.config, set, self.signer.as_ref())?,
                gate_audience: self.config.gate.audience.clone(),
                subject_issuer: set.subject_issuer.clone(),
            }),
            None => None,
        };
        let (encoding, ocsf) = (encoding_of(self.config), self.config.output.ocsf);
        let settings = PublishSettings { topics, encoding, headers: headers_of(self.config), ocsf, set };
        Ok((source, Publish::new(settings, self.status.worker("publish", 0)).traced(self.traces.clone())))
    }

    fn transmit(&self, number: usize, stream: &Arc<Stream>) -> anyhow::Result<(SourceSettings, Transmit)> {
        let topics = self.topics();
        let set = self.config.output.set.as_ref();
        let receiver = set.and_then(|set| set.receivers.get(number)).context("there is no such receiver")?;
        let source = SourceSettings::new(receiver_group(&self.config.topics.prefix, &receiver.name), "", &[&topics.set]);
        let pusher = receiver.push.as_ref().map(Pusher::new).transpose()?;
        let status = self.status.worker("transmit", number as u32);
        Ok((source, Transmit::new(topics, Arc::clone(stream), receiver.tenants.clone(), pusher, status)))
    }
}

/// The headers that a configuration wants on what others read.
fn headers_of(config: &Config) -> Headers {
    Headers::new(config.output.cloudevents.then_some(config.gate.issuer.as_str()))
}

fn input_topic(input: &config::Input) -> anyhow::Result<InputTopic> {
    let format = Format::from_name(&input.format).with_context(|| format!("input {}: unknown format {}", input.topic, input.format))?;
    let (product, instance) = match input.provider.as_deref().map(|p| p.split_once(' ').unwrap_or(("", p))) {
        Some((product, instance)) => (Some(product.to_owned()).filter(|p| !p.is_empty()), Some(instance.to_owned())),
        None => (None, None),
    };
    Ok(InputTopic {
        format,
        is_registered: input.encoding == InputEncoding::Avro,
        input: Input {
            name: input.topic.clone(),
            tenant: match &input.tenant {
                Tenant::Named(name) => Some(name.clone()),
                Tenant::FromRecord => None,
            },
            tenant_from_record: input.tenant == Tenant::FromRecord,
            trust_control: input.trust == Trust::Control,
            provider_product: product,
            provider_instance: instance,
            mapping: input.mapping.as_ref().map(|file| Arc::clone(&file.mapping)),
        },
    })
}
