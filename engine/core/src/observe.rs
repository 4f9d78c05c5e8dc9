//! The first pass: a record moves its profile's windows and habits and yields the signals that spoke. Observed facts only.

use crate::event::{Class, Event, EventType};
use crate::evidence::{Evidence, IN_SHADOW, Scope};
use crate::hash::{Of, hash};
use crate::heard::Heard;
use crate::memory::session::device_hash;
use crate::memory::{Memory, checkout::CheckoutMemory, identity::IdentityMemory, source::SourceMemory};
use crate::outcome;
use crate::policy::Policy;
use crate::profile::Profile;
use crate::record::Position;
use crate::row::Row;
use crate::rule;
use crate::sample::TenantSample;
use crate::signal::{self, ALL, Look, Said, WORDS_MAX};
use crate::speaker::Speaker;
use crate::subject::{Kind, SubjectRef};
use crate::time::{MINUTE_MS, Time};
use crate::verdict::{Centibans, Level, Mode, Reason};

/// An event's time is believed up to this long after the broker's stamp.
const AHEAD_MAX_MS: i64 = 5 * MINUTE_MS;

/// What one record of one subject looked like.
#[derive(Clone, PartialEq, Debug)]
pub struct Observation {
    /// The event is among the subject's last eight, or an outcome that is not believed: nothing was learned.
    pub repeat: bool,
    pub row: Row,
    /// Signals that speak against the subject. What speaks for it is asked by `speak_for` once something is held against it.
    pub spoke: Vec<Spoke>,
    /// What signals said before, where rules ask for it.
    pub heard: Vec<Heard>,
    /// What is shown and adds nothing: signals and rules in shadow, and what an exception of the policy silences.
    pub aside: Vec<Reason>,
    pub errors: Vec<String>,
}

/// A signal or rule that spoke, weighed by the policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Spoke {
    pub evidence: Evidence,
    pub at_least: Option<Level>,
}

impl Default for Observation {
    fn default() -> Observation {
        let row = Row::new(Kind::Identity, Class::Customer, Time(0));
        Observation { repeat: false, row, spoke: Vec::new(), heard: Vec::new(), aside: Vec::new(), errors: Vec::new() }
    }
}

/// Observes one event of one subject. What `seen` held before is gone; it is handed in for its room, for a row is close to a kilobyte.
pub fn observe(
    policy: &Policy,
    sample: &mut TenantSample,
    profile: &mut Profile,
    subject: SubjectRef<'_>,
    event: &Event<'_>,
    position: &Position,
    seen: &mut Observation,
) {
    let kind = subject.kind;
    let t = event.time.min(position.appended_at.plus(AHEAD_MAX_MS));
    let now = profile.memory.now().map_or(t, |before| before.max(t));
    // Nothing of `profile.risk` is read here: it moves in the decide pass, which may be a whole batch behind.
    seen.row = Row::new(kind, Class::Customer, now);
    seen.spoke.clear();
    seen.heard.clear();
    seen.aside.clear();
    seen.errors.clear();
    // Like a repeat it moves nothing; and it is not remembered as seen: whoever copies the id of an outcome must not keep the true one from
    // being heard.
    if event.kind == EventType::ContainmentOutcome && outcome::signed_by(policy, event, position.appended_at).is_err() {
        seen.repeat = true;
        return;
    }
    seen.repeat = profile.is_repeat(&event.tenant, source_of(event), &event.id);
    if seen.repeat {
        return;
    }
    if event.kind.is_control() {
        declare(profile, kind, event, now, &mut seen.row);
        if event.kind == EventType::RiskExternal {
            speak(policy, event, false, seen);
        }
        return;
    }
    let row = &mut seen.row;
    let acted_upon = kind == Kind::Identity && event.identity_id() != Some(subject.id);
    match (kind, &mut profile.memory) {
        (Kind::Identity, Memory::Identity(memory)) if acted_upon => memory.suffered(event, now, t, row),
        (Kind::Identity, other) if acted_upon => {
            let mut memory = Box::<IdentityMemory>::default();
            memory.suffered(event, now, t, row);
            *other = Memory::Identity(memory);
        }
        (Kind::Identity, Memory::Identity(memory)) => memory.observe(&policy.learning, sample, event, now, t, row),
        (Kind::Identity, other) => {
            let mut memory = Box::<IdentityMemory>::default();
            memory.observe(&policy.learning, sample, event, now, t, row);
            *other = Memory::Identity(memory);
        }
        (Kind::Source, Memory::Source(memory)) => memory.observe(sample, event, now, t, row),
        (Kind::Source, other) => {
            let mut memory = Box::<SourceMemory>::default();
            memory.observe(sample, event, now, t, row);
            *other = Memory::Source(memory);
        }
        (Kind::Device, Memory::Device(memory)) | (Kind::Card, Memory::Card(memory)) => memory.observe(kind, event, now, t, row),
        (Kind::Device | Kind::Card, other) => {
            let mut memory = Box::<CheckoutMemory>::default();
            memory.observe(kind, event, now, t, row);
            *other = if kind == Kind::Device { Memory::Device(memory) } else { Memory::Card(memory) };
        }
        (Kind::Tenant, _) => {}
    }
    speak(policy, event, false, seen);
    if !policy.rules.list().is_empty() {
        rule::prepare(policy, profile, seen);
    }
}

/// Asks the protective signals. Most events have nothing that they could protect from, so only the decide pass knows when to ask; they see
/// the same event and row.
pub fn speak_for(policy: &Policy, event: &Event<'_>, seen: &mut Observation) {
    speak(policy, event, true, seen);
}

/// The log that an event comes from, for telling repeats: the provider that wrote it, or the input.
fn source_of<'a>(event: &'a Event<'_>) -> &'a str {
    let provider = event.provider.as_ref().and_then(|p| p.instance.as_deref().or(p.product.as_deref()));
    provider.or(event.origin.as_ref().map(|o| o.topic.as_str())).unwrap_or("")
}

/// Takes in what others know of an identity, or did about it. No other subject is told anything.
fn declare(profile: &mut Profile, kind: Kind, event: &Event<'_>, now: Time, row: &mut Row) {
    if kind != Kind::Identity {
        return;
    }
    if matches!(profile.memory, Memory::Nothing) {
        let mut memory = Box::<IdentityMemory>::default();
        memory.now = now;
        profile.memory = Memory::Identity(memory);
    }
    if let Memory::Identity(memory) = &mut profile.memory {
        match (event.kind, &event.inventory) {
            (EventType::InventoryIdentity, Some(inventory)) => memory.declare(inventory),
            _ => memory.told(event, now),
        }
        row.class = memory.class();
    }
}

/// Asks the signals that this event can make speak: those that protect the subject, or those that speak against it.
fn speak(policy: &Policy, event: &Event<'_>, protective: bool, seen: &mut Observation) {
    let Observation { row, spoke, aside, .. } = seen;
    let row = &*row;
    let look = Look { event, row };
    for i in signal::asked(protective, row.kind, row.class, event.kind) {
        let i = usize::from(*i);
        let settings = &policy.signals[i].by_class[row.class as usize];
        let Some(said) = (ALL[i].speak)(&look, settings) else { continue };
        let (number, spares) = (u32::from(ALL[i].number), signal::spares(&ALL[i], event, row));
        let evidence = evidence(number, spares, event, row, settings.weight, said);
        match policy.signals[i].mode {
            Mode::Enforce => spoke.push(Spoke { evidence, at_least: settings.at_least }),
            Mode::Shadow => aside.push(evidence.aside(Speaker::Signal(&ALL[i]), IN_SHADOW)),
        }
    }
}

/// What a signal or rule said, as evidence about what the event names.
pub(crate) fn evidence(number: u32, spares: u16, event: &Event<'_>, row: &Row, weight: Centibans, said: Said) -> Evidence {
    // What somebody did to the subject was not done in the subject's session.
    let own = !row.acted_upon;
    Evidence {
        signal: number,
        weight: Centibans((i64::from(weight.0) * i64::from(said.strength_permille) / 1_000) as i32),
        at: row.now,
        floor: None,
        // A source, a device or a card is one thing: its evidence is about all of it.
        scope: match row.kind {
            Kind::Identity if own => scope_of(event),
            Kind::Identity => Scope { credential: scope_of(event).credential, ..Scope::default() },
            _ => Scope::default(),
        },
        spares,
        observed: cut(said.observed),
        expected: cut(said.expected),
        detail: cut(said.detail),
        events: vec![event.id.as_str().to_owned()],
        session: event.session_id().filter(|_| own).map(str::to_owned),
        credential: event.credential_id().map(str::to_owned),
        source_ip: event.ip().filter(|_| own).map(str::to_owned),
    }
}

fn scope_of(event: &Event<'_>) -> Scope {
    let of = |kind, value: Option<&str>| value.map_or(0, |v| hash(kind, v.as_bytes()));
    Scope {
        session: of(Of::Session, event.session_id()),
        device: device_hash(event).unwrap_or(0),
        credential: of(Of::Credential, event.credential_id()),
        workload: of(Of::Workload, event.source.as_ref().and_then(|s| s.workload.as_deref())),
    }
}

/// Words from the log are kept up to `WORDS_MAX` bytes, cut between characters.
pub(crate) fn cut(mut words: String) -> String {
    if words.len() > WORDS_MAX {
        let end = (0..=WORDS_MAX).rev().find(|i| words.is_char_boundary(*i)).unwrap_or(0);
        words.truncate(end);
    }
    words
}
