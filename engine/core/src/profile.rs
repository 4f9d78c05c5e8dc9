//! A profile: all that is remembered of one subject. `memory` moves in the observe pass, `risk` in the decide pass, neither in the other.

use crate::containment::Action;
use crate::event::{Class, Inventory};
use crate::evidence::Evidence;
use crate::falls::Answers;
use crate::feedback::Feedback;
use crate::hash::{Of, hash_parts};
use crate::heard::Heard;
use crate::keyring::{Keyring, KeyringOf4};
use crate::lifecycle::Lifecycle;
use crate::memory::Memory;
use crate::subject::Kind;
use crate::time::{DAY_MS, Time};
use crate::verdict::{Centibans, Level, Name};
use serde::{Deserialize, Serialize};

/// Stands before every value. Raised with every change of their layout, together with `decide::DECISION_VERSION` (the journal's digest of
/// the state is over these bytes); a newer one is refused.
/// 2: the memory of the whole catalogue of signals. 3: `Risk::feedback`, which stands last. 4: `keyring`, which stands behind the rest.
/// 5: when a key was made, and `lifecycle`, which stands behind that.
pub const STATE_VERSION: u32 = 5;

/// The oldest version that is read. What is older is thrown away and rebuilt from a checkpoint or the log.
pub const OLDEST_STATE_VERSION: u32 = 2;

/// Ids of the latest events, against repeats.
const RECENT_MAX: usize = 8;
/// Steps of a ladder remembered within one incident.
pub const STEPS_MAX: usize = 64;
/// Things planted within one incident.
pub const PLANTED_MAX: usize = 16;

/// Idle longer than this, an identity or card is absent at load. Long enough to know, of who comes back after a year, what they were like.
const RETENTION_MS: i64 = 540 * DAY_MS;
/// The same for sources and devices, which change hands.
const RETENTION_SHORT_MS: i64 = 30 * DAY_MS;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Profile {
    recent: Vec<[u8; 8]>,
    /// Log time of the latest record that was observed.
    observed_at: Time,
    pub memory: Memory,
    pub risk: Risk,
    /// Stands behind the rest, and only where there is any: a policy without such rules costs no byte.
    #[serde(skip)]
    pub heard: Vec<Heard>,
    /// Stands behind that, where there is one. Moves with `risk`.
    #[serde(skip)]
    pub keyring: Option<Box<Keyring>>,
    /// Stands behind that, where there is one. Moves with `risk`.
    #[serde(skip)]
    pub lifecycle: Option<Box<Lifecycle>>,
}

/// Appends to a vector. Nearly all that comes is a number of at most ten bytes, for which a call to copy memory costs more than the copy.
struct Appending<'o>(&'o mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > 16 {
            self.0.extend_from_slice(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        if let Some((eight, after)) = rest.split_first_chunk::<8>() {
            self.0.extend_from_slice(eight);
            rest = after;
        }
        for byte in rest {
            self.0.push(*byte);
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What version 3 added stands last, so a profile of version 2 is one of version 3 that ends too early: before the byte that says `None`.
fn from_2(bytes: &[u8]) -> postcard::Result<Profile> {
    postcard::from_bytes(&[bytes, &[0]].concat())
}

/// What is concluded of a subject, and what was already said and asked because of it.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Risk {
    pub evidence: Vec<Evidence>,
    pub level: Level,
    /// The evidence clock and the log time at which it stood there; between events it runs on with log time.
    pub clock: Time,
    pub clock_log: Time,
    /// Log time of the latest record that was decided on.
    decided_at: Time,
    /// Class and learning as of the latest event.
    pub class: Option<Class>,
    pub learning: bool,
    pub emitted: Option<Emitted>,
    /// Events since the last verdict.
    pub folded: u32,
    pub incident: Option<Box<Incident>>,
    /// When to look again, log time.
    pub due: Option<Time>,
    /// What the inventory says that a playbook asks for.
    pub context: Option<Box<Context>>,
    /// Verdicts above `low`, and what people made of them.
    pub feedback: Option<Box<Feedback>>,
}

/// The last verdict.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Emitted {
    pub evidence: Centibans,
    /// Log time.
    pub at: Time,
}

/// From the first level above `low` until the evidence has stayed below `release.below_db` for `release.after`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    /// Log time.
    pub opened_at: Time,
    /// Since when the evidence has been below the border of release, evidence clock.
    pub below_since: Option<Time>,
    pub steps: Vec<StepTaken>,
    /// What the subject created while it was above `low`.
    pub planted: Vec<Name>,
    #[serde(skip)]
    pub ends: Answers,
}

/// One action on one target that was proposed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StepTaken {
    pub action: Action,
    /// Hash of the target's kind and id.
    pub target: u64,
    pub level: Level,
    pub count: u32,
}

/// Facts of the inventory that playbooks and requests need.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Context {
    pub owner: Option<String>,
    pub criticality: Option<u8>,
    pub labels: Vec<String>,
    pub roles: Vec<String>,
    pub privileged: bool,
    /// `None`: not known.
    pub dependents: Option<Vec<String>>,
}

impl Context {
    const LIST_MAX: usize = 32;

    pub fn from_inventory(inventory: &Inventory<'_>) -> Context {
        let list = |l: &[crate::text::Text<'_>]| l.iter().take(Self::LIST_MAX).map(|t| t.as_str().to_owned()).collect();
        Context {
            owner: inventory.owner.as_ref().map(|o| o.as_str().to_owned()),
            criticality: inventory.criticality,
            labels: list(&inventory.labels),
            roles: list(&inventory.roles),
            privileged: inventory.privileged.unwrap_or(false),
            dependents: inventory.shared_by.as_deref().map(list),
        }
    }
}

#[allow(clippy::derivable_impls)]
impl Default for Level {
    fn default() -> Self {
        Level::Low
    }
}

impl Risk {
    /// The evidence clock at `log_time`: subject time, running on with log time between events.
    pub fn clock_at(&self, log_time: Time) -> Time {
        if self.clock_log == Time(0) {
            return self.clock;
        }
        self.clock.plus(log_time.since(self.clock_log).max(0))
    }

    /// Moves the clock to an event at subject time `now`, read at `log_time`.
    pub fn advance(&mut self, now: Time, log_time: Time) {
        self.clock = self.clock_at(log_time).max(now);
        self.clock_log = log_time;
    }

    /// The log time at which the evidence clock will stand at `clock`.
    pub fn log_time_of(&self, clock: Time) -> Time {
        self.clock_log.plus(clock.since(self.clock))
    }
}

impl Profile {
    /// When to look at it again, log time.
    pub fn due(&self) -> Option<Time> {
        let of_lifecycle = self.lifecycle.as_ref().and_then(|l| l.due);
        self.risk.due.into_iter().chain(of_lifecycle).min()
    }

    /// True for an event that this subject saw among its last eight; remembers it otherwise.
    pub fn is_repeat(&mut self, tenant: &str, source: &str, id: &str) -> bool {
        let hash = hash_parts(Of::EventId, &[tenant.as_bytes(), source.as_bytes(), id.as_bytes()]).to_le_bytes();
        if self.recent.contains(&hash) {
            return true;
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(hash);
        false
    }

    /// Nothing is known: the store need not keep it.
    pub fn is_empty(&self) -> bool {
        *self == Profile::default()
    }

    fn retention_ms(&self) -> i64 {
        match self.memory {
            Memory::Nothing | Memory::Identity(_) | Memory::Card(_) => RETENTION_MS,
            Memory::Source(_) | Memory::Device(_) => RETENTION_SHORT_MS,
        }
    }

    /// Both passes would find it idle beyond its retention at `log_time`, and begin anew: the store need not keep it.
    pub fn is_expired(&self, log_time: Time) -> bool {
        let last = self.observed_at.max(self.risk.decided_at);
        last != Time(0) && log_time.since(last) > self.retention_ms()
    }

    /// To be called by the observe pass at each record: what idled beyond its retention is forgotten, whether or not it has been removed.
    ///
    /// Each pass forgets its own part, because in a batch the other pass is at another record.
    pub fn begin_observe(&mut self, log_time: Time) {
        if self.observed_at != Time(0) && log_time.since(self.observed_at) > self.retention_ms() {
            self.memory = Memory::Nothing;
            self.recent.clear();
            self.heard.clear();
        }
        self.observed_at = log_time;
    }

    /// The same for the decide pass. `kind` and not the memory says how long, for the memory may be of a later record.
    pub fn begin_decide(&mut self, kind: Kind, log_time: Time) {
        let retention_ms = match kind {
            Kind::Identity | Kind::Card | Kind::Tenant => RETENTION_MS,
            Kind::Source | Kind::Device => RETENTION_SHORT_MS,
        };
        if self.risk.decided_at != Time(0) && log_time.since(self.risk.decided_at) > retention_ms {
            self.risk = Risk::default();
            self.keyring = None;
            self.lifecycle = None;
        }
        self.risk.decided_at = log_time;
    }

    /// The bytes that the store keeps: the state version, then postcard.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(STATE_VERSION as u8);
        // Writing into memory cannot fail, and no type here refuses to be written.
        let _written = postcard::serialize_with_flavor(self, Appending(out));
        let holds = self.keyring.is_some() || self.lifecycle.is_some();
        if !self.heard.is_empty() || holds {
            let _written = postcard::serialize_with_flavor(&self.heard, Appending(out));
        }
        if holds {
            let _written = postcard::serialize_with_flavor(&self.keyring, Appending(out));
        }
        if let Some(lifecycle) = &self.lifecycle {
            let _written = postcard::serialize_with_flavor(lifecycle, Appending(out));
        }
    }

    /// Reads the store's bytes back.
    pub fn decode(bytes: &[u8]) -> Result<Profile, String> {
        match bytes.split_first() {
            Some((version, rest)) if (OLDEST_STATE_VERSION..=STATE_VERSION).contains(&u32::from(*version)) => {
                let read = if *version < 3 { from_2(rest) } else { Profile::decode_parts(rest, *version) };
                read.map_err(|e| format!("profile of {} bytes: {e}", bytes.len()))
            }
            Some((version, _)) => {
                Err(format!("profile of state version {version}, this engine reads {OLDEST_STATE_VERSION} to {STATE_VERSION}"))
            }
            None => Err("empty profile".to_owned()),
        }
    }

    fn decode_parts(bytes: &[u8], version: u8) -> postcard::Result<Profile> {
        let (mut profile, mut behind) = postcard::take_from_bytes::<Profile>(bytes)?;
        if !behind.is_empty() {
            (profile.heard, behind) = postcard::take_from_bytes(behind)?;
        }
        if behind.is_empty() {
            return Ok(profile);
        }
        if version < 5 {
            profile.keyring = Some(Box::new(postcard::from_bytes::<KeyringOf4>(behind)?.into()));
            return Ok(profile);
        }
        (profile.keyring, behind) = postcard::take_from_bytes(behind)?;
        if !behind.is_empty() {
            profile.lifecycle = Some(postcard::from_bytes(behind)?);
        }
        Ok(profile)
    }

    /// Estimate of the memory it takes, bytes.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Profile>()
            + self.recent.capacity() * 8
            + self.heard.capacity() * size_of::<Heard>()
            + self.memory.heap_bytes()
            + self.risk.evidence.len() * 400
            + if self.risk.incident.is_some() { 1_000 } else { 0 }
            + if self.risk.feedback.is_some() { 500 } else { 0 }
            + self.keyring.as_ref().map_or(0, |k| k.heap_bytes())
            + self.lifecycle.as_ref().map_or(0, |l| l.heap_bytes())
    }
}
