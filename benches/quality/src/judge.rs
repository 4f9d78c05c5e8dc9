//! Plays a world before all detectors and compares what they say with what took place.

use crate::engine::Engine;
use crate::figures::{Alarms, Caught, Figures, LEVELS, Ranked};
use crate::finding::{Containment, Finding};
use crate::ingest::Ingest;
use crate::naive::{Naive, NewPlaceAndDevice, Silent, Thresholds};
use crate::traffic::Traffic;
use portcullis_core::event::Event;
use portcullis_core::policy::Policy;
use portcullis_core::time::{DAY_MS, Time};
use portcullis_core::verdict::{Level, Name, Verdict};
use portcullis_model::count::{Counting, Counts};
use portcullis_model::measure::{Measured, Measuring};
use portcullis_model::truth::{Kind, Truth};
use portcullis_schemas::json::decode_event;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a world says of the detectors, and of the engine's numbers.
pub struct Judged {
    /// In the order of `DETECTORS`.
    pub figures: Vec<Figures>,
    pub counts: Counts,
    pub measured: Measured,
}

pub fn judge(policy: &Policy, traffic: &Traffic) -> anyhow::Result<Judged> {
    let mut truth = Truth::new(traffic.labels()?);
    let mut ingest = Ingest::default();
    let mut engine = Engine::new(policy);
    let mut naive: [Box<dyn Naive>; 3] = [Box::<Thresholds>::default(), Box::<NewPlaceAndDevice>::default(), Box::new(Silent)];
    let mut scores: Vec<Score> = (0..=naive.len()).map(|_| Score::new(&truth)).collect();
    let mut population = Population::default();
    let (mut counting, mut measuring) = (Counting::new(policy, &truth), Measuring::new(policy, &truth));
    let (mut events, mut dead_letters) = (0, 0);
    let (mut findings, mut containments) = (Vec::new(), Vec::new());
    traffic.for_each_line(|line| {
        // A line that cannot be read is a dead letter of the service: counted, and nothing else.
        let Ok(mut event) = decode_event(line) else { return dead_letters += 1 };
        events += 1;
        ingest.see(&mut event);
        truth.saw(&event.id, event.time);
        population.saw(&event);
        measuring.event(&event);
        let mut study = |verdict: &Verdict| {
            counting.see(&truth, verdict);
            measuring.verdict(&truth, verdict, &event);
        };
        engine.see(&event, &mut study, &mut findings, &mut containments);
        findings.iter().for_each(|finding| ingest.reputation(finding));
        scores[0].take(&truth, findings.drain(..));
        scores[0].contain(&truth, containments.drain(..));
        if event.kind.is_control() {
            return;
        }
        for (detector, score) in naive.iter_mut().zip(&mut scores[1..]) {
            detector.see(&event, &mut findings);
            score.take(&truth, findings.drain(..));
        }
    })?;
    let mut all = Figures::of_all_detectors();
    for (figures, score) in all.iter_mut().zip(scores) {
        figures.worlds = 1;
        figures.events = events;
        figures.dead_letters = dead_letters;
        population.fill(figures);
        score.fill(&truth, figures);
    }
    let (counts, measured) = (counting.finish(&truth), measuring.finish(&truth));
    // Events say who was active, verdicts only who was decided on.
    let counts = Counts { identity_days: measured.identity_days, ..counts };
    Ok(Judged { figures: all, counts, measured })
}

/// Who was active on which day.
#[derive(Default)]
struct Population {
    days: HashSet<(u64, i64)>,
    by_class: BTreeMap<String, u64>,
}

impl Population {
    fn saw(&mut self, event: &Event<'_>) {
        let (Some(identity), false) = (&event.identity, event.kind.is_control()) else { return };
        // Somebody whom the identity provider does not know is nobody.
        if event.failure() == Some(portcullis_core::event::AuthFailure::UnknownIdentity) {
            return;
        }
        let who = hash(&(event.tenant.as_str(), identity.id.as_str()));
        if self.days.insert((who, event.time.0.div_euclid(DAY_MS))) {
            let class = identity.class.map_or("customer", |c| c.name());
            *self.by_class.entry(class.to_owned()).or_default() += 1;
        }
    }

    fn fill(&self, figures: &mut Figures) {
        for (class, days) in &self.by_class {
            figures.classes.entry(class.clone()).or_default().identity_days = *days;
        }
    }
}

fn hash(of: &impl std::hash::Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// What one detector said, held against the truth.
struct Score {
    labels: Vec<Seen>,
    /// The level up to which an incident was counted, or excused.
    incidents: HashMap<String, Level>,
    classes: BTreeMap<String, Alarms>,
    blamed: BTreeMap<(String, String), u64>,
    /// The strongest on each subject and day on which nothing was wrong.
    strongest: HashMap<(u64, i64), f64>,
}

/// What was made of one label.
#[derive(Clone, Default)]
struct Seen {
    /// Event and time of the first finding at medium, high, critical or above.
    first: [Option<(Option<String>, Time)>; 3],
    own_subject: bool,
    disruptive: bool,
    strongest: Option<f64>,
    signals: BTreeSet<String>,
}

impl Score {
    fn new(truth: &Truth) -> Score {
        Score {
            labels: vec![Seen::default(); truth.labels.len()],
            incidents: HashMap::new(),
            classes: BTreeMap::new(),
            blamed: BTreeMap::new(),
            strongest: HashMap::new(),
        }
    }

    fn take(&mut self, truth: &Truth, findings: impl Iterator<Item = Finding>) {
        // Nothing at all is held against most.
        for finding in findings.filter(|f| f.level > Level::Low || f.leading.is_some()) {
            let event = finding.event_id.as_deref();
            if event.is_some() {
                for (label, own) in truth.of(&finding.tenant, &finding.subject, event, finding.at) {
                    self.labels[label].take(&finding, own);
                }
            }
            let touched = truth.is_touched(&finding.tenant, &finding.subject, event, finding.at);
            if !touched {
                let key = (hash(&(&finding.tenant, &finding.subject.kind, &finding.subject.id)), finding.at.0.div_euclid(DAY_MS));
                let strongest = self.strongest.entry(key).or_insert(finding.strength);
                *strongest = strongest.max(finding.strength);
            }
            self.count(finding, touched);
        }
    }

    /// Counts an incident once at each level that it reaches while nothing was wrong.
    fn count(&mut self, finding: Finding, touched: bool) {
        if finding.level == Level::Low {
            return;
        }
        let counted = self.incidents.entry(finding.incident).or_insert(Level::Low);
        if finding.level <= *counted {
            return;
        }
        let before = std::mem::replace(counted, finding.level);
        if touched {
            return;
        }
        let class = class_of(finding.class.map(|c| c.name()), &finding.subject);
        let alarms = self.classes.entry(class.clone()).or_default();
        for (n, level) in LEVELS.iter().enumerate() {
            alarms.incidents[n] += u64::from(before < *level && *level <= finding.level);
        }
        if before < Level::High && finding.level >= Level::High {
            alarms.learning += u64::from(finding.learning);
            *self.blamed.entry((finding.leading.unwrap_or_default(), class)).or_default() += 1;
        }
    }

    fn contain(&mut self, truth: &Truth, containments: impl Iterator<Item = Containment>) {
        for it in containments {
            for (label, _) in truth.of(&it.tenant, &it.subject, None, it.at) {
                self.labels[label].disruptive |= it.action.is_disruptive();
            }
            if truth.is_touched(&it.tenant, &it.subject, None, it.at) {
                continue;
            }
            let alarms = self.classes.entry(class_of(it.class.map(|c| c.name()), &it.subject)).or_default();
            let (sent, said) = alarms.contained.entry(it.action).or_default();
            *if it.sent { sent } else { said } += 1;
        }
    }

    fn fill(self, truth: &Truth, figures: &mut Figures) {
        for (n, (label, seen)) in truth.labels.iter().zip(self.labels).enumerate() {
            let key = (label.kind, label.scenario.clone(), label.difficulty().to_owned());
            seen.fill(figures.scenarios.entry(key).or_default(), truth, n);
            let is_high = seen.first[1].is_some();
            figures.ranked.extend(seen.strongest.map(|strength| Ranked { strength, what: Some(label.kind) }));
            for signal in seen.signals {
                let key = (signal, label.scenario.clone());
                *figures.spoke_at_high.entry(key.clone()).or_default() += u64::from(is_high);
                *figures.spoke.entry(key).or_default() += 1;
            }
            for signal in &label.expect.signals {
                *figures.expected.entry((signal.clone(), label.scenario.clone())).or_default() += 1;
            }
        }
        figures.ranked.extend(self.strongest.into_values().map(|strength| Ranked { strength, what: None }));
        figures.blamed = self.blamed;
        for (class, alarms) in self.classes {
            let ours = figures.classes.entry(class).or_default();
            let identity_days = ours.identity_days;
            *ours = Alarms { identity_days, ..alarms };
        }
    }
}

impl Seen {
    fn take(&mut self, finding: &Finding, own: bool) {
        for (first, level) in self.first.iter_mut().zip(LEVELS) {
            if finding.level >= level && first.is_none() {
                *first = Some((finding.event_id.clone(), finding.at));
            }
        }
        self.own_subject |= own && finding.level >= Level::High;
        self.strongest = Some(self.strongest.map_or(finding.strength, |s| s.max(finding.strength)));
        for signal in &finding.signals {
            if !self.signals.contains(signal) {
                self.signals.insert(signal.clone());
            }
        }
    }

    fn fill(&self, caught: &mut Caught, truth: &Truth, label: usize) {
        caught.of += 1;
        for (count, first) in caught.at.iter_mut().zip(&self.first) {
            *count += u64::from(first.is_some());
        }
        caught.own_subject += u64::from(self.own_subject);
        caught.disruptive += u64::from(self.disruptive);
        if let (Some((event, at)), Kind::Attack) = (&self.first[1], truth.labels[label].kind) {
            caught.delays.push(truth.delay(label, event.as_deref(), *at));
        }
    }
}

/// The class of an identity; what kind of thing any other subject is.
fn class_of(class: Option<&'static str>, subject: &Name) -> String {
    if subject.kind == "identity" { class.unwrap_or("customer").to_owned() } else { subject.kind.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::DETECTORS;
    use portcullis_simulate::{Settings, Simulation};

    /// A small world: one easy attack that any engine must find, one look-alike.
    fn settings() -> Settings {
        let scenarios = ["push_fatigue", "new_phone"].map(str::to_owned).to_vec();
        Settings { seed: 1, events: 15_000, scenarios: Some(scenarios), malformed: true, ..Settings::default() }
    }

    #[test]
    fn what_is_known_of_a_small_world_is_measured() {
        let Judged { figures: all, counts, measured } =
            judge(&crate::engine::policy(None).unwrap(), &Traffic::Simulated(settings())).unwrap();
        let [engine, .., silent] = all.as_slice() else { panic!("{} detectors", all.len()) };
        assert_eq!((counts.attacks, counts.look_alikes), (1, 1));
        assert!(counts.signals["push_fatigue_won"].attacks == [0, 1] && counts.signals["new_device"].look_alikes != [0, 0], "{counts:?}");
        assert_eq!((counts.identity_days, measured.identity_days), (engine.identity_days(), engine.identity_days()));
        assert_eq!(measured.at_high[&0]["easy attacks"], 1);
        assert!(measured.countries.len() > 1 && measured.channels["sign-in"].identity_days > 100, "{measured:?}");
        assert_eq!(engine.caught(Kind::Attack, Some("easy")).at[1], 1, "push fatigue that won is high by itself");
        assert_eq!(engine.caught(Kind::LookAlike, None).of, 1);
        assert!(engine.dead_letters > 0 && engine.events > 14_000 && engine.identity_days() > 1_000);
        assert_eq!((silent.caught(Kind::Attack, None).at, silent.all_false(), silent.identity_days()), ([0; 3], 0, engine.identity_days()));
    }

    #[test]
    fn files_are_measured_like_the_simulation_that_wrote_them() {
        let dir = tempfile::tempdir().unwrap();
        let written = Simulation::new(settings()).unwrap().write_to(dir.path(), |_| ()).unwrap();
        let policy = crate::engine::policy(None).unwrap();
        let page = |traffic: &Traffic| crate::report::markdown(&policy, "x", &judge(&policy, traffic).unwrap().figures);
        let files = Traffic::Files { events: written.events, labels: written.labels };
        assert_eq!(page(&files), page(&Traffic::Simulated(settings())));
        assert_eq!(DETECTORS.len(), 4);
    }
}
