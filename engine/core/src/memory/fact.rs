//! What was done to an identity and to its credentials: revoked, exposed, disabled, contained, reset by support. Facts, and made on first use.

use super::session::{Sessions, session_hash};
use crate::containment::Action;
use crate::event::{AuthMethod, CredentialKind, Event, EventType, OutcomeStatus};
use crate::hash::{Of, hash};
use crate::row::{Contained, Gone, Revoked, Row};
use crate::time::{DAY_MS, MINUTE_MS, Time};
use serde::{Deserialize, Serialize};

const REVOKED_MAX: usize = 24;
const EXPOSED_MAX: usize = 8;
const CONTAINED_MAX: usize = 12;
const ASKED_MAX: usize = 4;
const CREATED_MAX: usize = 8;

/// A step-up must be passed within this after it was asked for, to be the answer to it.
const STEP_UP_WITHIN_MS: i64 = 30 * MINUTE_MS;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Facts {
    revoked: Vec<RevokedCredential>,
    /// Credential and when it was found exposed.
    exposed: Vec<(u64, Time)>,
    gone: Option<(Gone, Time)>,
    contained: Vec<Containment>,
    /// Session (0: any of the account's) and when a step-up was asked of it.
    asked: Vec<(u64, Time)>,
    /// Long-lived credentials and when they were created.
    created: Vec<(u64, Time)>,
    /// When the account was created, as the log or the inventory says.
    pub created_at: Option<Time>,
    /// When support last reset a factor or the password.
    pub assisted_at: Option<Time>,
    /// When a factor was removed, or a weaker one than usual was used.
    pub weakened_at: Option<Time>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct RevokedCredential {
    credential: u64,
    at: Time,
    /// Replaced by another one, and perhaps still in use until that is everywhere.
    rotated: bool,
}

/// A containment that was carried out, and what it should have stopped.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Containment {
    action: Action,
    /// Session, credential or workload; 0: the whole account.
    target: u64,
    at: Time,
}

impl Facts {
    /// Learns from what somebody did to this identity, itself included.
    pub fn done_to(&mut self, event: &Event<'_>, t: Time) {
        use EventType::*;
        let change = event.change.as_deref();
        match event.kind {
            AccountCreate => self.created_at = self.created_at.or(Some(t)),
            AccountDisable => self.gone = Some((Gone::Disabled, t)),
            AccountDelete => self.gone = Some((Gone::Deleted, t)),
            AccountEnable => {
                self.gone = None;
                self.contained.retain(|c| c.target != 0);
            }
            CredentialCreate => {
                if let Some(id) = concerned(event) {
                    push(&mut self.created, CREATED_MAX, (credential(id), t));
                }
            }
            CredentialRotate => {
                if let Some(old) = change.and_then(|c| c.value.as_deref()) {
                    self.revoke(credential(old), t, true);
                }
            }
            CredentialRevoke => {
                if let Some(id) = concerned(event) {
                    self.revoke(credential(id), t, false);
                }
            }
            _ => {}
        }
    }

    fn revoke(&mut self, credential: u64, at: Time, rotated: bool) {
        if let Some(known) = self.revoked.iter_mut().find(|r| r.credential == credential) {
            known.rotated &= rotated;
            return;
        }
        if self.revoked.len() >= REVOKED_MAX {
            // Credentials that were merely replaced go first: a flood of rotations does not bring a revoked key back.
            let oldest = (0..self.revoked.len()).min_by_key(|i| (!self.revoked[*i].rotated, self.revoked[*i].at));
            self.revoked.remove(oldest.unwrap_or(0));
        }
        self.revoked.push(RevokedCredential { credential, at, rotated });
    }

    /// Support reset a factor or the password of this identity.
    pub fn assisted(&mut self, t: Time) {
        self.assisted_at = Some(t);
    }

    pub fn exposed(&mut self, id: &str, t: Time) {
        let credential = credential(id);
        if self.exposed.iter().all(|(c, _)| *c != credential) {
            push(&mut self.exposed, EXPOSED_MAX, (credential, t));
        }
    }

    /// Learns what became of a containment. What was reverted or released stops nothing any more.
    ///
    /// A signed outcome may come once more while it is fresh, by a hand that cannot sign: it says what was so when it was signed, and takes
    /// back nothing that was done since.
    pub fn outcome(&mut self, event: &Event<'_>, sessions: &Sessions, t: Time) {
        let Some(outcome) = event.containment.as_deref() else { return };
        let t = if outcome.is_signed() { t.min(event.time) } else { t };
        let since = |at: Time| outcome.is_signed() && at > t;
        let Some(action) = outcome.action.as_deref().and_then(Action::from_name) else { return };
        let named = outcome.target.as_ref().filter(|n| n.kind.as_str() != "account");
        let target = named.map_or(0, |n| match n.kind.as_str() {
            "session" => session_hash(&n.id).into(),
            "workload" => hash(Of::Workload, n.id.as_bytes()),
            _ => credential(&n.id),
        });
        match (outcome.status, action) {
            (OutcomeStatus::Reverted, _) | (OutcomeStatus::Done | OutcomeStatus::AlreadyDone, Action::Release) => {
                self.contained.retain(|c| c.target != target || since(c.at));
                self.gone = self.gone.filter(|(gone, at)| target != 0 || *gone != Gone::Disabled || since(*at));
            }
            (OutcomeStatus::Accepted | OutcomeStatus::Done | OutcomeStatus::AlreadyDone, Action::StepUp | Action::Challenge) => {
                push(&mut self.asked, ASKED_MAX, (target, t));
            }
            (OutcomeStatus::Done | OutcomeStatus::AlreadyDone, Action::Offboard) => self.gone = Some((Gone::Offboarded, t)),
            // All sessions of the account end: those that are known by name.
            (OutcomeStatus::Done | OutcomeStatus::AlreadyDone, Action::TerminateSession) if target == 0 => {
                for session in sessions.ids() {
                    self.contain(action, session.into(), t);
                }
            }
            (
                OutcomeStatus::Done | OutcomeStatus::AlreadyDone,
                Action::TerminateSession | Action::RevokeToken | Action::RotateSecret | Action::DisableAccount | Action::IsolateWorkload,
            ) if target != 0 || action == Action::DisableAccount => self.contain(action, target, t),
            _ => {}
        }
    }

    fn contain(&mut self, action: Action, target: u64, at: Time) {
        if let Some(known) = self.contained.iter_mut().find(|c| (c.action, c.target) == (action, target)) {
            known.at = known.at.max(at);
            return;
        }
        if self.contained.len() >= CONTAINED_MAX {
            // An account that was disabled outlives any number of its sessions.
            let oldest = (0..self.contained.len()).min_by_key(|i| (self.contained[*i].target == 0, self.contained[*i].at));
            self.contained.remove(oldest.unwrap_or(0));
        }
        self.contained.push(Containment { action, target, at });
    }

    /// What is known against an accepted event.
    pub fn fill(&self, event: &Event<'_>, t: Time, row: &mut Row) {
        let since = |at: Time| t.since(at);
        row.age_ms = self.created_at.map(since).filter(|ms| *ms >= 0);
        row.since_assisted_ms = self.assisted_at.map(since);
        row.since_weakened_ms = self.weakened_at.map(since);
        if let Some((gone, at)) = self.gone {
            row.fact.gone = Some((gone, since(at))).filter(|(_, ms)| *ms > 0);
        }
        let session = event.session_id().map_or(0, |s| u64::from(session_hash(s)));
        if let Some(id) = event.credential_id().filter(|_| self.knows_credentials()) {
            let credential = credential(id);
            let of = |list: &[(u64, Time)]| list.iter().find(|(c, _)| *c == credential).map(|(_, at)| since(*at)).filter(|ms| *ms >= 0);
            row.fact.exposed_ms = of(&self.exposed);
            row.credential_new_ms = of(&self.created);
            row.fact.revoked = self
                .revoked
                .iter()
                .find(|r| r.credential == credential)
                .map(|r| Revoked { ms: since(r.at), rotated: r.rotated })
                .filter(|r| r.ms > 0);
        }
        if !self.contained.is_empty() && event.kind != EventType::AuthLogout {
            let credential = event.credential_id().map_or(0, credential);
            let workload = event.source.as_ref().and_then(|s| s.workload.as_deref()).map_or(0, |w| hash(Of::Workload, w.as_bytes()));
            // A secret that is named after its client keeps its name when it is rotated: what is used under it is the new one.
            let named_after = event.credential.as_ref().and_then(|c| c.client_id.as_deref());
            let keeps_its_name = event.credential_id().is_some() && event.credential_id() == named_after;
            let replaced = |c: &Containment| c.action == Action::RotateSecret && c.target == credential && keeps_its_name;
            let stops = |c: &&Containment| (c.target == 0 || [session, credential, workload].contains(&c.target)) && !replaced(c);
            // A rotated secret may be good for a while yet; what ended it is not.
            let latest = self.contained.iter().filter(stops).max_by_key(|c| (c.action != Action::RotateSecret, c.at));
            row.fact.contained = latest.map(|c| Contained { action: c.action, ms: since(c.at) }).filter(|c| c.ms > 0);
        }
        if matches!(event.kind, EventType::AuthMfa | EventType::AuthLogin) && event.succeeded() {
            let answers = |(s, at): &(u64, Time)| (*s == 0 || *s == session) && (0..=STEP_UP_WITHIN_MS).contains(&since(*at));
            row.fact.step_up_passed = self.asked.iter().any(answers);
        }
    }

    fn knows_credentials(&self) -> bool {
        !(self.revoked.is_empty() && self.exposed.is_empty() && self.created.is_empty())
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Facts>()
            + self.revoked.capacity() * size_of::<RevokedCredential>()
            + self.contained.capacity() * size_of::<Containment>()
            + (self.exposed.capacity() + self.asked.capacity() + self.created.capacity()) * size_of::<(u64, Time)>()
    }

    /// Entries of all lists, for the test of their caps.
    pub fn entries(&self) -> usize {
        self.revoked.len() + self.exposed.len() + self.contained.len() + self.asked.len() + self.created.len()
    }

    pub const ENTRIES_MAX: usize = REVOKED_MAX + EXPOSED_MAX + CONTAINED_MAX + ASKED_MAX + CREATED_MAX;
}

/// The credential that is created or revoked. The event's own one may merely be what its actor presents.
pub fn concerned<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    event.change.as_deref().and_then(|c| c.value.as_deref()).or(event.credential_id())
}

fn credential(id: &str) -> u64 {
    hash(Of::Credential, id.as_bytes())
}

/// Appends to a list of bounded length; the oldest goes.
fn push<T>(list: &mut Vec<T>, most: usize, value: T) {
    if list.len() >= most {
        list.remove(0);
    }
    list.push(value);
}

/// A long-lived secret: young ones are worth a look, while access tokens are always young.
pub fn is_long_lived(kind: Option<CredentialKind>) -> bool {
    matches!(kind, Some(CredentialKind::ApiKey | CredentialKind::ClientSecret | CredentialKind::Certificate))
}

/// How hard it is to phish or guess; 0 where a method says nothing of it (a federated log-in, a key).
fn rank(method: AuthMethod) -> u8 {
    use AuthMethod::*;
    match method {
        Webauthn | Mtls => 4,
        Push | Totp => 3,
        Sms => 2,
        Password | Legacy | DeviceCode => 1,
        Kerberos | Federated | Oauth | ClientCredentials | Saml | ApiKey => 0,
    }
}

/// A method used this often is the identity's own.
const METHOD_OWN_MIN: u16 = 3;

/// The methods that were accepted, and how often.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Methods {
    used: Vec<(AuthMethod, u16)>,
}

impl Methods {
    /// Learns an accepted method. True twice: used for the first time; weaker than what this identity uses, and not its own.
    pub fn observe(&mut self, method: AuthMethod) -> (bool, bool) {
        let before = self.used.iter().find(|(m, _)| *m == method).map_or(0, |(_, n)| *n);
        let strongest = self.used.iter().filter(|(_, n)| *n >= METHOD_OWN_MIN).map(|(m, _)| rank(*m)).max().unwrap_or(0);
        let weaker = before < METHOD_OWN_MIN && rank(method) > 0 && rank(method) < strongest;
        match self.used.iter_mut().find(|(m, _)| *m == method) {
            Some((_, times)) => *times = times.saturating_add(1),
            None => self.used.push((method, 1)), // at most one for each method there is
        }
        (before == 0, weaker)
    }

    pub fn heap_bytes(&self) -> usize {
        self.used.capacity() * size_of::<(AuthMethod, u16)>()
    }
}

/// Which networks that hide somebody (tor, a proxy, hosting, ...) the identity uses anyway.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct HiddenNetworks {
    /// By `Network as usize`: days on which it was used.
    days: [u8; crate::event::Network::ALL.len()],
    /// Bits of those seen on `day`.
    today: u8,
    day: i32,
}

impl HiddenNetworks {
    /// Learns an accepted use; days on which this kind was used before.
    pub fn observe(&mut self, network: crate::event::Network, t: Time) -> u8 {
        let day = (t.0 / DAY_MS) as i32;
        if day != self.day {
            (self.day, self.today) = (day, 0);
        }
        let (slot, bit) = (&mut self.days[network as usize], 1u8 << network as u8);
        let before = *slot - u8::from(self.today & bit != 0 && *slot > 0);
        if self.today & bit == 0 {
            *slot = slot.saturating_add(1);
            self.today |= bit;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weaker_method_is_one_that_is_not_its_own() {
        let mut methods = Methods::default();
        for _ in 0..5 {
            assert!(!methods.observe(AuthMethod::Password).1, "the password comes first each time");
            methods.observe(AuthMethod::Webauthn);
        }
        assert_eq!(methods.observe(AuthMethod::Sms), (true, true));
        assert_eq!(methods.observe(AuthMethod::Federated), (true, false));
    }

    #[test]
    fn a_flood_of_rotations_does_not_bring_a_revoked_key_back() {
        let mut facts = Facts::default();
        facts.revoke(credential("stolen"), Time(1), false);
        for i in 0..1_000 {
            facts.revoke(credential(&format!("k-{i}")), Time(2 + i), true);
        }
        let mut event = Event::new(EventType::ApiRequest, Time(5_000));
        event.credential = Some(crate::event::Credential { id: Some("stolen".into()), ..Default::default() });
        let mut row = Row::new(crate::subject::Kind::Identity, crate::event::Class::Service, Time(5_000));
        facts.fill(&event, Time(5_000), &mut row);
        assert_eq!(row.fact.revoked, Some(Revoked { ms: 4_999, rotated: false }));
        assert!(facts.entries() <= Facts::ENTRIES_MAX);
    }

    #[test]
    fn what_is_revoked_is_not_what_its_actor_presents() {
        let mut event = Event::new(EventType::CredentialRevoke, Time(1));
        event.credential = Some(crate::event::Credential { id: Some("new".into()), ..Default::default() });
        assert_eq!(concerned(&event), Some("new"), "named by nothing else");
        event.change = Some(Box::new(crate::event::Change { value: Some("old".into()), ..Default::default() }));
        assert_eq!(concerned(&event), Some("old"));
    }

    #[test]
    fn a_rotated_secret_that_keeps_its_name_is_the_new_one() {
        let breach = |id: &str, action: Action| {
            let mut facts = Facts::default();
            facts.contain(action, credential(id), Time(1));
            let mut event = Event::new(EventType::AuthToken, Time(5_000));
            event.credential = Some(crate::event::Credential { id: Some(id.into()), client_id: Some("etl".into()), ..Default::default() });
            let mut row = Row::new(crate::subject::Kind::Identity, crate::event::Class::Service, Time(5_000));
            facts.fill(&event, Time(5_000), &mut row);
            row.fact.contained.is_some()
        };
        assert!(!breach("etl", Action::RotateSecret));
        assert!(breach("etl", Action::RevokeToken), "revoked, it is not replaced");
        assert!(breach("etl-secret-1", Action::RotateSecret), "the old one has a name of its own");
    }

    #[test]
    fn days_on_hidden_networks_are_counted_once() {
        let mut hidden = HiddenNetworks::default();
        let tor = crate::event::Network::Tor;
        let before: Vec<u8> = [0, 1, DAY_MS, DAY_MS + 1, 2 * DAY_MS].map(|t| hidden.observe(tor, Time(10 * DAY_MS + t))).to_vec();
        assert_eq!(before, [0, 0, 1, 1, 2]);
    }
}
