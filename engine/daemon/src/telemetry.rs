//! Metrics: one visible list, with units in the names and no identity ever in a label.

use crate::roles::wall_clock;
use crate::status::{Phase, Status};
use crate::worker::Published;
use metrics::{Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use portcullis_core::containment::{Action, AnswerEnd, DecisionEnd};
use portcullis_core::decide::DECISION_VERSION;
use portcullis_core::event::{Class, Label};
use portcullis_core::lifecycle::FindingKind;
use portcullis_core::policy::Policy;
use portcullis_core::verdict::Level;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is counted, as Prometheus names it.
pub struct Meter {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const fn meter(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Meter {
    Meter { name, kind, labels, help }
}

const INGESTED: Meter = meter(
    "portcullis_ingested_total",
    Kind::Counter,
    &["input", "became"],
    "Events, ignored records and dead letters that INGEST made of an input's records",
);
const READ: Meter = meter("portcullis_records_read_total", Kind::Counter, &["role"], "Records of the role's log in committed transactions");
const WRITTEN: Meter = meter("portcullis_records_written_total", Kind::Counter, &["role"], "Records written in committed transactions");
const TRANSACTIONS: Meter = meter(
    "portcullis_transactions_total",
    Kind::Counter,
    &["role", "end"],
    "Transactions: committed, repeated after an abort, or lost to a rebalance",
);
const TRANSACTION: Meter = meter(
    "portcullis_transaction_seconds",
    Kind::Histogram,
    &["role"],
    "From the first output handed to the producer to the commit's answer",
);
const RESTARTS: Meter =
    meter("portcullis_worker_restarts_total", Kind::Counter, &["role"], "Workers made anew after a failure that passes");
const VERDICTS: Meter = meter(
    "portcullis_verdicts_total",
    Kind::Counter,
    &["level", "class"],
    "Verdicts that SCORE wrote; class `none`: of a source, a device or a card",
);
const SIGNALS: Meter = meter(
    "portcullis_signals_total",
    Kind::Counter,
    &["signal"],
    "Findings of a signal, before labels weigh them; beside portcullis_labels_total the share of them that was false",
);
const RULE_HITS: Meter = meter("portcullis_rule_hits_total", Kind::Counter, &["rule"], "Rows that a rule of the policy hit, in shadow too");
const RULE_ERRORS: Meter = meter(
    "portcullis_rule_errors_total",
    Kind::Counter,
    &["rule"],
    "Rows on which a rule of the policy could not be evaluated; verdicts name why",
);
const FINDINGS: Meter = meter(
    "portcullis_lifecycle_findings_total",
    Kind::Counter,
    &["finding"],
    "What was found to be wrong with how identities and their keys are kept; said again after 30 days",
);
const PROPOSALS: Meter = meter("portcullis_proposals_total", Kind::Counter, &["action"], "Containment that SCORE proposed");
const DECISIONS: Meter = meter("portcullis_decisions_total", Kind::Counter, &["action", "end"], "What became of proposals at the gate");
const ANSWERS: Meter = meter("portcullis_answers_total", Kind::Counter, &["end"], "Answers of people: followed, or refused");
const WAITING: Meter = meter(
    "portcullis_waiting",
    Kind::Gauge,
    &["end"],
    "Proposals that wait at the gate: for a person, a budget, the breaker, or a rotation's grace",
);
const HELD: Meter = meter(
    "portcullis_held_tenants",
    Kind::Gauge,
    &["by"],
    "Tenants of which everything is held: by the breaker, or by a person's pause. As of what the gate decided on last",
);
const BUDGET: Meter = meter(
    "portcullis_budget_spent_ratio",
    Kind::Gauge,
    &["action"],
    "The most that a class of a tenant has spent of its budget for the action: 1 is all of it. As of what the gate decided on last",
);
const LABELS: Meter = meter(
    "portcullis_labels_total",
    Kind::Counter,
    &["signal", "label"],
    "Labels by signal whose weight they moved for a subject; signal `none`: the verdict that was meant is not remembered",
);
const PUBLISHED: Meter = meter(
    "portcullis_published_total",
    Kind::Counter,
    &["output", "type"],
    "Records of the further outputs; output `none`: records of the verdicts that could not be read",
);
const SETS: Meter = meter(
    "portcullis_sets_total",
    Kind::Counter,
    &["receiver", "end"],
    "SETs by receiver: delivered, refused by it, or failed and tried again",
);
const CHECKPOINTS: Meter =
    meter("portcullis_checkpoints_total", Kind::Counter, &["end"], "Checkpoints of a partition's state: uploaded, or failed");
const CHECKPOINT_AT: Meter = meter(
    "portcullis_checkpoint_timestamp_seconds",
    Kind::Gauge,
    &["log", "partition"],
    "When this process last uploaded a checkpoint of the partition, Unix time; `time() - max by (log, partition) (...)` is its age",
);
const POLICY: Meter = meter(
    "portcullis_policy_info",
    Kind::Gauge,
    &["log", "version"],
    "1 for the policy that a partition of the log last adopted or was taken over with in this process, 0 for those before it",
);
const EXCEPTION: Meter = meter(
    "portcullis_exception_end_timestamp_seconds",
    Kind::Gauge,
    &["exception"],
    "When an exception of the policy in force ends, Unix time; 0: it was taken out",
);
const BUILD: Meter = meter("portcullis_build_info", Kind::Gauge, &["version", "decision_version"], "1: what runs here");
const LAG: Meter = meter("portcullis_lag_records", Kind::Gauge, &["role"], "Records that wait in the partitions assigned to this process");
const LAG_SECONDS: Meter = meter(
    "portcullis_lag_seconds",
    Kind::Gauge,
    &["role"],
    "How long the newest record that was dealt with has been in the log, where more wait; of the partition that is furthest behind",
);
const STATE_BYTES: Meter =
    meter("portcullis_state_bytes", Kind::Gauge, &["role"], "Files of the state of the partitions assigned to this process, bytes on disk");
const PARTITIONS: Meter =
    meter("portcullis_partitions", Kind::Gauge, &["role", "phase"], "Partitions assigned to this process: recovering, live, stopped");
const WAITING_FOR_SCHEMAS: Meter = meter(
    "portcullis_partitions_waiting_for_schemas",
    Kind::Gauge,
    &[],
    "Partitions of inputs in Avro that are held until the schema registry has answered",
);
const SINCE_TURN: Meter =
    meter("portcullis_since_turn_seconds", Kind::Gauge, &["role"], "Since the role's slowest worker last turned its loop");

const SPANS: Meter = meter(
    "portcullis_spans_total",
    Kind::Counter,
    &["end"],
    "Spans: sent to the collector of traces, refused by it, or dropped because too many waited",
);

/// Every metric.
pub const ALL: &[Meter] = &[
    INGESTED,
    READ,
    WRITTEN,
    TRANSACTIONS,
    TRANSACTION,
    RESTARTS,
    VERDICTS,
    SIGNALS,
    RULE_HITS,
    RULE_ERRORS,
    FINDINGS,
    PROPOSALS,
    DECISIONS,
    ANSWERS,
    WAITING,
    HELD,
    BUDGET,
    LABELS,
    PUBLISHED,
    SETS,
    CHECKPOINTS,
    CHECKPOINT_AT,
    POLICY,
    EXCEPTION,
    BUILD,
    LAG,
    LAG_SECONDS,
    STATE_BYTES,
    PARTITIONS,
    WAITING_FOR_SCHEMAS,
    SINCE_TURN,
    SPANS,
];

/// A commit takes 4 ms where all is well; 30 s is the longest that one is waited for.
const SECONDS: &[f64] = &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// The registry and how it is read.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Counts everything that this process counts.
    ///
    /// # Errors
    /// When the process counts into another registry already.
    pub fn install() -> anyhow::Result<Metrics> {
        let this = Self::detached();
        metrics::set_global_recorder(Arc::clone(&this.recorder)).map_err(|_| anyhow::anyhow!("metrics are installed twice"))?;
        Ok(this)
    }

    /// A registry of its own, that counts nothing but what is asked of a [`Status`].
    pub fn detached() -> Metrics {
        let builder = PrometheusBuilder::new();
        // The only error is an empty list of buckets.
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS).unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            gauge!(BUILD.name, "version" => env!("CARGO_PKG_VERSION"), "decision_version" => DECISION_VERSION.to_string()).set(1.0);
        });
        Metrics { recorder: Arc::new(recorder), handle }
    }

    /// Prometheus' text format, what the workers are at included.
    pub fn render(&self, status: &Status) -> String {
        metrics::with_local_recorder(&*self.recorder, || observe(status));
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn describe() {
    for meter in ALL {
        let unit = match meter.name.rsplit_once('_') {
            Some((_, "seconds")) => Unit::Seconds,
            Some((_, "bytes")) => Unit::Bytes,
            _ => Unit::Count,
        };
        match meter.kind {
            Kind::Counter => metrics::describe_counter!(meter.name, unit, meter.help),
            Kind::Gauge => metrics::describe_gauge!(meter.name, unit, meter.help),
            Kind::Histogram => metrics::describe_histogram!(meter.name, unit, meter.help),
        }
    }
}

fn observe(status: &Status) {
    let workers = status.workers();
    for role in ["ingest", "score", "gate", "answers", "publish", "transmit"] {
        let mine: Vec<_> = workers.iter().filter(|w| w.role == role).collect();
        if mine.is_empty() {
            continue;
        }
        let (mut lag, mut behind, mut bytes, mut phases) = (0, Duration::ZERO, 0, [0u32; 3]);
        for partition in mine.iter().flat_map(|w| w.partitions().into_values()) {
            lag += partition.lag().unwrap_or(0);
            behind = behind.max(partition.behind(wall_clock()));
            bytes += partition.state_bytes;
            phases[match partition.phase {
                Phase::Recovering => 0,
                Phase::Live => 1,
                Phase::Stopped(_) => 2,
            }] += 1;
        }
        gauge!(LAG.name, "role" => role).set(lag as f64);
        gauge!(LAG_SECONDS.name, "role" => role).set(behind.as_secs_f64());
        if ["score", "gate"].contains(&role) {
            gauge!(STATE_BYTES.name, "role" => role).set(bytes as f64);
        }
        for (phase, count) in ["recovering", "live", "stopped"].into_iter().zip(phases) {
            gauge!(PARTITIONS.name, "role" => role, "phase" => phase).set(f64::from(count));
        }
        let slowest = mine.iter().map(|w| w.since_turn()).max().unwrap_or_default();
        gauge!(SINCE_TURN.name, "role" => role).set(slowest.as_secs_f64());
    }
}

/// A transaction of a role has ended. `read` and `written`: its records.
pub fn transaction(role: &'static str, published: Published, read: usize, written: usize, took: Duration) {
    let end = match published {
        Published::Yes => "committed",
        Published::No => "repeated",
        Published::Lost => "lost",
    };
    counter!(TRANSACTIONS.name, "role" => role, "end" => end).increment(1);
    if published == Published::Yes {
        counter!(READ.name, "role" => role).increment(read as u64);
        counter!(WRITTEN.name, "role" => role).increment(written as u64);
        histogram!(TRANSACTION.name, "role" => role).record(took);
    }
}

/// Where the gate stands.
pub fn standing(waiting: &BTreeMap<DecisionEnd, usize>, tripped: usize, paused: usize, spent: &BTreeMap<Action, f64>) {
    use DecisionEnd::{HeldApproval, HeldBreaker, HeldBudget, HeldGrace};
    for end in [HeldApproval, HeldBudget, HeldBreaker, HeldGrace] {
        gauge!(WAITING.name, "end" => end.name()).set(waiting.get(&end).copied().unwrap_or(0) as f64);
    }
    for (by, tenants) in [("breaker", tripped), ("pause", paused)] {
        gauge!(HELD.name, "by" => by).set(tenants as f64);
    }
    for action in Action::ALL.iter().filter(|action| !action.is_notice()) {
        gauge!(BUDGET.name, "action" => action.name()).set(spent.get(action).copied().unwrap_or(0.0));
    }
}

/// A worker is made anew.
pub fn restarted(role: &'static str) {
    counter!(RESTARTS.name, "role" => role).increment(1);
}

/// So many partitions are held until the schema registry has answered.
pub fn waiting_for_schemas(partitions: usize) {
    gauge!(WAITING_FOR_SCHEMAS.name).set(partitions as f64);
}

/// A checkpoint of a partition of `log` was uploaded, or not.
pub fn checkpoint(log: &str, partition: i32, is_done: bool) {
    counter!(CHECKPOINTS.name, "end" => if is_done { "uploaded" } else { "failed" }).increment(1);
    if is_done {
        let at = wall_clock().0 as f64 / 1_000.0;
        gauge!(CHECKPOINT_AT.name, "log" => log.to_owned(), "partition" => partition.to_string()).set(at);
    }
}

/// What became of spans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanEnd {
    Sent,
    Refused,
    Dropped,
}

/// Spans that the collector of traces has, or never will.
pub fn spans(end: SpanEnd, n: usize) {
    let end = match end {
        SpanEnd::Sent => "sent",
        SpanEnd::Refused => "refused",
        SpanEnd::Dropped => "dropped",
    };
    counter!(SPANS.name, "end" => end).increment(n as u64);
}

/// A partition of `log` goes by a policy now, in place of another.
pub fn policy(log: &str, before: Option<&Policy>, now: &Policy) {
    if let Some(before) = before {
        gauge!(POLICY.name, "log" => log.to_owned(), "version" => before.version.clone()).set(0.0);
        before.exceptions.iter().for_each(|exception| gauge!(EXCEPTION.name, "exception" => exception.id.clone()).set(0.0));
    }
    gauge!(POLICY.name, "log" => log.to_owned(), "version" => now.version.clone()).set(1.0);
    for exception in &now.exceptions {
        gauge!(EXCEPTION.name, "exception" => exception.id.clone()).set((exception.ends.0 / 1_000) as f64);
    }
}

/// What a record of an input became.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Became {
    Event,
    Ignored,
    DeadLetter,
}

impl Became {
    pub fn name(self) -> &'static str {
        match self {
            Became::Event => "event",
            Became::Ignored => "ignored",
            Became::DeadLetter => "dead_letter",
        }
    }
}

/// What became of a SET at a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetEnd {
    Delivered,
    Refused,
    Failed,
}

/// A receiver has answered, or not.
pub fn set(receiver: &str, end: SetEnd) {
    let end = match end {
        SetEnd::Delivered => "delivered",
        SetEnd::Refused => "refused",
        SetEnd::Failed => "failed",
    };
    counter!(SETS.name, "receiver" => receiver.to_owned(), "end" => end).increment(1);
}

/// What a batch brings forth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counted {
    Ingested(Arc<str>, Became),
    Verdict(Level, Option<Class>),
    /// By signal.
    Signal(&'static str),
    /// By the rule's id.
    RuleHit(String),
    RuleError(String),
    Finding(FindingKind),
    Proposal(Action),
    Decision(Action, DecisionEnd),
    Answer(AnswerEnd),
    /// By signal.
    Label(&'static str, Label),
    /// By output and type.
    Published(&'static str, &'static str),
}

impl Counted {
    fn count(&self, n: u64) {
        match self {
            Counted::Ingested(input, became) => {
                counter!(INGESTED.name, "input" => input.to_string(), "became" => became.name()).increment(n);
            }
            Counted::Verdict(level, class) => {
                counter!(VERDICTS.name, "level" => level.name(), "class" => class.map_or("none", Class::name)).increment(n);
            }
            Counted::Signal(signal) => counter!(SIGNALS.name, "signal" => *signal).increment(n),
            Counted::RuleHit(rule) => counter!(RULE_HITS.name, "rule" => rule.clone()).increment(n),
            Counted::RuleError(rule) => counter!(RULE_ERRORS.name, "rule" => rule.clone()).increment(n),
            Counted::Finding(kind) => counter!(FINDINGS.name, "finding" => kind.name()).increment(n),
            Counted::Proposal(action) => counter!(PROPOSALS.name, "action" => action.name()).increment(n),
            Counted::Decision(action, end) => counter!(DECISIONS.name, "action" => action.name(), "end" => end.name()).increment(n),
            Counted::Answer(end) => counter!(ANSWERS.name, "end" => end.name()).increment(n),
            Counted::Published(output, kind) => counter!(PUBLISHED.name, "output" => *output, "type" => *kind).increment(n),
            Counted::Label(signal, label) => counter!(LABELS.name, "signal" => *signal, "label" => label.name()).increment(n),
        }
    }
}

/// Counts of a batch that is not published yet: one that is done again is not counted twice.
#[derive(Default)]
pub struct Tally(BTreeMap<Counted, u64>);

impl Tally {
    pub fn add(&mut self, what: Counted, n: u64) {
        if n > 0 {
            *self.0.entry(what).or_default() += n;
        }
    }

    pub fn commit(&mut self) {
        for (what, n) in std::mem::take(&mut self.0) {
            what.count(n);
        }
    }

    pub fn abort(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_help() {
        let metrics = Metrics::detached();
        metrics::with_local_recorder(&*metrics.recorder, || {
            transaction("score", Published::Yes, 500, 3, Duration::from_millis(4));
            transaction("score", Published::No, 500, 3, Duration::ZERO);
            let mut tally = Tally::default();
            tally.add(Counted::Verdict(Level::Low, None), 9);
            tally.abort();
            tally.add(Counted::Ingested("okta-log".into(), Became::Ignored), 2);
            tally.add(Counted::Ingested("okta-log".into(), Became::DeadLetter), 0);
            tally.add(Counted::Verdict(Level::High, Some(Class::Service)), 1);
            tally.add(Counted::RuleError("night_secret_read".to_owned()), 3);
            tally.add(Counted::Decision(Action::StepUp, DecisionEnd::Sent), 1);
            tally.add(Counted::Label("new_device", Label::FalsePositive), 1);
            tally.commit();
            tally.commit();
        });
        let text = metrics.render(&Status::default());
        for line in [
            "portcullis_transactions_total{role=\"score\",end=\"repeated\"} 1",
            "portcullis_records_read_total{role=\"score\"} 500",
            "portcullis_transaction_seconds_bucket{role=\"score\",le=\"0.005\"} 1",
            "portcullis_verdicts_total{level=\"high\",class=\"service\"} 1",
            "portcullis_rule_errors_total{rule=\"night_secret_read\"} 3",
            "portcullis_ingested_total{input=\"okta-log\",became=\"ignored\"} 2",
            "portcullis_decisions_total{action=\"step_up\",end=\"sent\"} 1",
            "portcullis_labels_total{signal=\"new_device\",label=\"false_positive\"} 1",
            "# HELP portcullis_decisions_total What became of proposals at the gate",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(
            !text.contains("dead_letter\"") && !text.contains("level=\"low\""),
            "nothing is counted that was not there, or not published"
        );
    }

    #[test]
    fn names_are_unique_and_say_their_unit() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|b| b.name != a.name), "{} is there twice", a.name);
            assert_eq!(a.kind == Kind::Counter, a.name.ends_with("_total"), "{}", a.name);
            assert!(!a.help.is_empty() && a.labels.iter().all(|l| !["identity", "subject", "ip"].contains(l)), "{}", a.name);
        }
    }
}
