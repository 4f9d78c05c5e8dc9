//! What an identity holds: the tokens of its sessions, its keys, what was delegated to it, and where a machine uses them. By name, because
//! whoever acts must be told names, and whoever has stolen one of them comes back with another.
//!
//! Moved in the decide pass by what was accepted, and read by proposals alone: nothing here weighs anything. Most people hold nothing that
//! their log names, and then nothing is kept.

use crate::containment::{SeenFrom, Target};
use crate::event::{Class, CredentialKind, Event, EventType, OutcomeStatus};
use crate::hash::{Of, hash, hash_parts};
use crate::memory::fact::{concerned, is_long_lived};
use crate::subject::source_id;
use crate::time::{DAY_MS, HOUR_MS, Time};
use serde::{Deserialize, Serialize};

/// Keys that are held at once.
const KEYS_MAX: usize = 6;
/// Things of each other sort.
const OTHERS_MAX: usize = 4;
/// Places from which a machine's credentials are used.
const USES_MAX: usize = 8;
/// What was not used for longer is not where it is used from.
const LATELY_MS: i64 = 30 * DAY_MS;
/// Longer names are not kept.
const NAME_BYTES_MAX: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
enum Sort {
    /// A session that belongs to another one.
    Session,
    /// What access tokens are issued from.
    Token,
    /// What somebody acts with for a principal.
    Delegation,
    /// A secret that lasts.
    Key,
}

impl Sort {
    /// As targets name it.
    fn name(self) -> &'static str {
        match self {
            Sort::Session => "session",
            Sort::Token => "token",
            Sort::Delegation => "delegation",
            Sort::Key => "credential",
        }
    }

    fn most(self) -> usize {
        if self == Sort::Key { KEYS_MAX } else { OTHERS_MAX }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Held {
    sort: Sort,
    id: String,
    /// Who named it so, as in targets.
    provider: Option<String>,
    /// Hash of the session, or of the session's parent, that it ends with; 0: of none.
    session: u64,
    /// Hash of whose place it takes when there is a new one: a client's in its session, a principal's; 0: nobody's.
    place: u64,
    /// Hours since 1970.
    first: u32,
    last: u32,
    /// The same: when it was issued, or seen first where nobody says it.
    made: u32,
}

/// A secret that lasts, and how old it is; to the hour.
pub struct Key<'k> {
    pub id: &'k str,
    pub made: Time,
    pub last: Time,
}

/// A place from which a machine used a credential.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Use {
    /// Hash of the key; 0: of tokens whose key is not known.
    key: u64,
    /// By its name, or by its address.
    is_workload: bool,
    id: String,
    first: u32,
    last: u32,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Keyring {
    held: Vec<Held>,
    uses: Vec<Use>,
}

/// As profiles of version 4 hold it: without when a thing was made.
#[derive(Deserialize)]
pub(crate) struct KeyringOf4 {
    held: Vec<HeldOf4>,
    uses: Vec<Use>,
}

#[derive(Deserialize)]
struct HeldOf4 {
    sort: Sort,
    id: String,
    provider: Option<String>,
    session: u64,
    place: u64,
    first: u32,
    last: u32,
}

impl From<KeyringOf4> for Keyring {
    fn from(old: KeyringOf4) -> Keyring {
        let held = old.held.into_iter().map(|h| Held {
            sort: h.sort,
            id: h.id,
            provider: h.provider,
            session: h.session,
            place: h.place,
            first: h.first,
            last: h.last,
            made: h.first,
        });
        Keyring { held: held.collect(), uses: old.uses }
    }
}

impl Keyring {
    /// Learns from an event about this identity: its own, or what another did to it.
    pub fn learn(ring: &mut Option<Box<Keyring>>, event: &Event<'_>, class: Class, acted_upon: bool, now: Time) {
        use EventType::*;
        match event.kind {
            ContainmentOutcome => forget_contained(ring, event),
            _ if event.kind.is_control() || !event.accepted() => {}
            // What somebody makes or takes away for another is the other's.
            CredentialCreate | CredentialRotate | CredentialRevoke if acted_upon || event.acts_upon().is_none() => {
                learn_change(ring, event, class, now);
            }
            CredentialCreate | CredentialRotate | CredentialRevoke => {}
            _ if acted_upon => {}
            AuthLogout => {
                if let (Some(ring), Some(session)) = (ring, event.session_id()) {
                    ring.end_session(session);
                }
            }
            _ => learn_use(ring, event, class, now),
        }
    }

    /// Takes in what was not held before.
    fn hold(&mut self, new: Held) {
        // What takes another's place, or is of another sort than was believed.
        self.held.retain(|h| h.id != new.id && (new.place == 0 || (h.sort, h.place) != (new.sort, new.place)));
        let of_sort = self.held.iter().filter(|h| h.sort == new.sort);
        if of_sort.clone().count() >= new.sort.most() {
            // Known for the least days, so that a flood evicts its own.
            let least = of_sort.min_by_key(|h| (days(h.first, h.last), h.last, &h.id)).map(|h| h.id.clone());
            self.held.retain(|h| Some(&h.id) != least.as_ref());
        }
        self.held.push(new);
    }

    fn used(&mut self, key: u64, is_workload: bool, id: &str, hour: u32) {
        if let Some(known) = self.uses.iter_mut().find(|u| (u.key, u.is_workload, u.id.as_str()) == (key, is_workload, id)) {
            known.last = known.last.max(hour);
            return;
        }
        if self.uses.len() >= USES_MAX
            && let Some(least) = (0..self.uses.len()).min_by_key(|i| {
                let u = &self.uses[*i];
                (days(u.first, u.last), u.last, u.key, &u.id)
            })
        {
            self.uses.swap_remove(least);
        }
        self.uses.push(Use { key, is_workload, id: id.to_owned(), first: hour, last: hour });
    }

    fn drop_one(&mut self, id: &str) {
        self.held.retain(|h| h.id != id);
    }

    fn end_session(&mut self, session: &str) {
        let ended = session_of(session);
        self.held.retain(|h| h.id != session && (h.session != ended || h.sort == Sort::Session));
    }

    /// What an incident on the target reaches too. `session`: in which it was used; `parent`: what it was issued from.
    pub fn siblings(&self, target: &Target, session: Option<&str>, parent: Option<&str>) -> Vec<Target> {
        let own = self.held.iter().find(|h| h.id == target.id);
        let mut sessions: Vec<u64> = session.map(session_of).into_iter().chain(own.map(|h| h.session).filter(|s| *s != 0)).collect();
        if target.kind == Sort::Session.name() {
            sessions.push(session_of(&target.id));
        }
        // A session's parent ends with it, and the parent's other sessions do.
        let of_sessions = || self.held.iter().filter(|h| h.sort == Sort::Session);
        let parents: Vec<u64> = of_sessions().filter(|h| sessions.contains(&session_of(&h.id))).map(|h| h.session).collect();
        sessions.extend(parents);
        let others: Vec<u64> = of_sessions().filter(|h| sessions.contains(&h.session)).map(|h| session_of(&h.id)).collect();
        sessions.extend(others);
        let is_key = own.is_some_and(|h| h.sort == Sort::Key);
        let mut list: Vec<&Held> = self
            .held
            .iter()
            .filter(|h| h.id != target.id)
            .filter(|h| {
                target.kind == "account"
                    || h.sort == Sort::Delegation
                    || (h.sort == Sort::Key && is_key)
                    || Some(h.id.as_str()) == parent
                    || (h.session != 0 && sessions.contains(&h.session))
            })
            .collect();
        list.sort_by(|a, b| (a.sort, b.last, &a.id).cmp(&(b.sort, a.last, &b.id)));
        let named =
            |h: &Held| Target { kind: h.sort.name().to_owned(), id: h.id.clone(), provider: h.provider.clone(), ..Target::default() };
        list.into_iter().map(named).collect()
    }

    /// The secrets that last.
    pub fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        let keys = self.held.iter().filter(|h| h.sort == Sort::Key);
        keys.map(|h| Key { id: &h.id, made: time(h.made), last: time(h.last) })
    }

    /// Who can act on a session or credential: whoever named it so, or gave out the tokens of its session. The event that speaks may be of a
    /// gateway that only saw it pass.
    pub fn provider_of(&self, id: &str, session: Option<&str>) -> Option<&str> {
        let session = session.map_or(0, session_of);
        let named = self.held.iter().find(|h| h.id == id);
        let of_session = || self.held.iter().find(|h| session != 0 && h.session == session && h.provider.is_some());
        named.or_else(of_session).and_then(|h| h.provider.as_deref())
    }

    /// The secret behind a credential that was used: itself, what it was issued from, or the only one there is.
    pub fn secret_behind(&self, credential: &str, parent: Option<&str>) -> Option<&str> {
        let mut keys = self.held.iter().filter(|h| h.sort == Sort::Key).map(|h| h.id.as_str());
        let named = keys.clone().find(|id| *id == credential).or_else(|| keys.clone().find(|id| Some(*id) == parent));
        named.or_else(|| keys.next().filter(|_| keys.next().is_none()))
    }

    /// Where a key was used from lately, the place known for longest first; for what is no key, where any credential was.
    pub fn seen_from(&self, credential: &str, now: Time) -> Vec<SeenFrom> {
        let key = credential_of(credential);
        let is_key = self.uses.iter().any(|u| u.key == key);
        let is_late = |u: &&Use| now.since(time(u.last)) <= LATELY_MS;
        let mut uses: Vec<&Use> = self.uses.iter().filter(|u| !is_key || u.key == key).filter(is_late).collect();
        uses.sort_by(|a, b| (a.first, &a.id, a.key).cmp(&(b.first, &b.id, b.key)));
        let mut list: Vec<SeenFrom> = Vec::new();
        for u in uses {
            let kind = if u.is_workload { "workload" } else { "source" };
            match list.iter_mut().find(|s| s.kind == kind && s.id == u.id) {
                Some(known) => known.last = known.last.max(time(u.last)),
                None => list.push(SeenFrom { kind: kind.to_owned(), id: u.id.clone(), first: time(u.first), last: time(u.last) }),
            }
        }
        list
    }

    /// Estimate of the memory it takes, bytes.
    pub fn heap_bytes(&self) -> usize {
        let text = |s: &Option<String>| s.as_ref().map_or(0, String::capacity);
        size_of::<Keyring>()
            + self.held.iter().map(|h| size_of::<Held>() + h.id.capacity() + text(&h.provider)).sum::<usize>()
            + self.uses.iter().map(|u| size_of::<Use>() + u.id.capacity()).sum::<usize>()
    }
}

fn learn_change(ring: &mut Option<Box<Keyring>>, event: &Event<'_>, class: Class, now: Time) {
    let kind = event.credential.as_ref().and_then(|c| c.kind);
    let replaced = event.change.as_deref().and_then(|c| c.value.as_deref());
    let (gone, made) = match event.kind {
        EventType::CredentialRevoke => (concerned(event), None),
        EventType::CredentialRotate => (replaced, event.credential_id()),
        _ => (None, concerned(event)),
    };
    if let (Some(ring), Some(gone)) = (&mut *ring, gone) {
        ring.drop_one(gone);
    }
    let sort = match kind {
        Some(CredentialKind::RefreshToken) => Sort::Token,
        None if class.is_machine() => Sort::Key,
        kind if is_long_lived(kind) => Sort::Key,
        _ => return,
    };
    if let Some(id) = made {
        hold(ring, sort, id, event, 0, now);
    }
}

fn learn_use(ring: &mut Option<Box<Keyring>>, event: &Event<'_>, class: Class, now: Time) {
    if let Some(session) = &event.session
        && let (Some(id), Some(parent)) = (session.id.as_deref(), session.parent.as_deref())
    {
        for id in [parent, id] {
            hold_in(ring, Sort::Session, id, event, session_of(parent), 0, now);
        }
    }
    let credential = event.credential.as_ref();
    let (id, kind) = (event.credential_id(), credential.and_then(|c| c.kind));
    let parent = credential.and_then(|c| c.parent.as_deref()).filter(|p| Some(*p) != id && Some(*p) != event.session_id());
    // The next refresh token of a client in a session takes the place of the one before.
    let place = || {
        let client = credential.and_then(|c| c.client_id.as_deref()).unwrap_or("");
        event.session_id().map_or(0, |s| hash_parts(Of::Client, &[s.as_bytes(), client.as_bytes()]))
    };
    let is_key =
        |ring: &Option<Box<Keyring>>, id: &str| ring.as_ref().is_some_and(|r| r.held.iter().any(|h| h.sort == Sort::Key && h.id == id));
    let mut key = None;
    match (kind, id, parent) {
        (Some(CredentialKind::RefreshToken), Some(id), _) => hold(ring, Sort::Token, id, event, place(), now),
        (kind, Some(id), _) if is_long_lived(kind) => {
            hold(ring, Sort::Key, id, event, 0, now);
            key = Some(id);
        }
        // A machine gets its tokens for its secret, a person for a refresh token.
        (Some(CredentialKind::AccessToken) | None, _, Some(parent)) if class.is_machine() || is_key(ring, parent) => {
            hold(ring, Sort::Key, parent, event, 0, now);
            key = Some(parent);
        }
        (Some(CredentialKind::AccessToken) | None, _, Some(parent)) => hold(ring, Sort::Token, parent, event, place(), now),
        _ => {}
    }
    if let (Class::Agent, Some(principal)) = (class, event.identity.as_ref().and_then(|i| i.on_behalf_of.as_deref())) {
        let delegation = event.agent.as_deref().and_then(|a| a.delegation.as_deref());
        if let Some(id) = delegation.or(id) {
            hold(ring, Sort::Delegation, id, event, hash(Of::Identity, principal.as_bytes()), now);
        }
    }
    if class.is_machine() && (key.is_some() || id.is_some()) {
        let workload = event.source.as_ref().and_then(|s| s.workload.as_deref());
        let address = event.ip().and_then(source_id);
        if let Some(id) = workload.or(address.as_deref()).filter(|id| id.len() <= NAME_BYTES_MAX) {
            ring.get_or_insert_default().used(key.map_or(0, credential_of), workload.is_some(), id, hour(now));
        }
    }
}

fn hold(ring: &mut Option<Box<Keyring>>, sort: Sort, id: &str, event: &Event<'_>, place: u64, now: Time) {
    hold_in(ring, sort, id, event, event.session_id().map_or(0, session_of), place, now);
}

fn hold_in(ring: &mut Option<Box<Keyring>>, sort: Sort, id: &str, event: &Event<'_>, session: u64, place: u64, now: Time) {
    if id.is_empty() || id.len() > NAME_BYTES_MAX {
        return;
    }
    let ring = ring.get_or_insert_default();
    let hour = hour(now);
    let provider = || provider_of(event).filter(|p| p.len() <= NAME_BYTES_MAX);
    // A key outlives the sessions that it opens.
    let session = if sort == Sort::Key { 0 } else { session };
    let issued = || event.credential.as_ref().filter(|c| c.id.as_deref() == Some(id)).and_then(|c| c.issued_at).map(self::hour);
    // The common event names what is held already, and nothing is copied for it.
    if let Some(known) = ring.held.iter_mut().find(|h| h.sort == sort && h.id == id) {
        known.last = known.last.max(hour);
        known.made = issued().unwrap_or(known.made);
        if session != 0 {
            known.session = session;
        }
        // Of whoever issued it, and not of a system where it was used.
        if event.kind != EventType::ApiRequest {
            known.provider = provider();
        }
        return;
    }
    ring.hold(Held {
        sort,
        id: id.to_owned(),
        provider: provider(),
        session,
        place,
        first: hour,
        last: hour,
        made: issued().unwrap_or(hour),
    });
}

/// What was taken away because of a request is not taken away again.
fn forget_contained(ring: &mut Option<Box<Keyring>>, event: &Event<'_>) {
    let (Some(ring), Some(outcome)) = (ring, event.containment.as_deref()) else { return };
    let Some(target) = &outcome.target else { return };
    if !matches!(outcome.status, OutcomeStatus::Done | OutcomeStatus::AlreadyDone) {
        return;
    }
    match outcome.action.as_deref() {
        Some("revoke_token") => ring.drop_one(&target.id),
        Some("terminate_session") => ring.end_session(&target.id),
        _ => {}
    }
}

/// The system that wrote the event and can act: `keycloak https://idp.example/realms/lab`.
pub fn provider_of(event: &Event<'_>) -> Option<String> {
    let provider = event.provider.as_ref()?;
    Some([provider.product.as_deref(), provider.instance.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

fn session_of(id: &str) -> u64 {
    hash(Of::Session, id.as_bytes())
}

fn credential_of(id: &str) -> u64 {
    hash(Of::Credential, id.as_bytes())
}

/// Hours since 1970.
pub(crate) fn hour(t: Time) -> u32 {
    t.0.div_euclid(HOUR_MS).clamp(0, u32::MAX.into()) as u32
}

/// The beginning of an hour.
pub(crate) fn time(hour: u32) -> Time {
    Time(i64::from(hour) * HOUR_MS)
}

fn days(first: u32, last: u32) -> u32 {
    last.saturating_sub(first) / 24
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Credential, Identity, Outcome, Session, Source};
    use proptest::prelude::*;

    fn used(kind: CredentialKind, id: String, session: String, workload: String) -> Event<'static> {
        let mut event = Event::new(EventType::ApiRequest, Time(0));
        event.outcome = Outcome::Success;
        event.identity = Some(Identity { id: "sync".into(), on_behalf_of: Some(session.clone().into()), ..Identity::default() });
        let parent = Some(format!("parent of {session}").into());
        event.session = Some(Session { id: Some(session.into()), parent });
        event.credential = Some(Credential { id: Some(id.into()), kind: Some(kind), ..Credential::default() });
        event.source = Some(Source { workload: Some(workload.into()), ..Source::default() });
        event
    }

    fn target(kind: &str, id: &str) -> Target {
        Target { kind: kind.to_owned(), id: id.to_owned(), ..Target::default() }
    }

    #[test]
    fn a_flood_of_new_keys_and_places_evicts_its_own() {
        let mut ring = None;
        for day in 0..3 {
            let event = used(CredentialKind::ApiKey, "own".to_owned(), "s".to_owned(), "home".to_owned());
            Keyring::learn(&mut ring, &event, Class::Service, false, Time(day * DAY_MS));
        }
        for n in 0..10_000 {
            let event = used(CredentialKind::ApiKey, format!("key-{n}"), format!("s-{n}"), format!("w-{n}"));
            Keyring::learn(&mut ring, &event, Class::Service, false, Time(3 * DAY_MS + n));
        }
        let ring = ring.unwrap();
        assert!(ring.siblings(&target("credential", "key-9999"), None, None).iter().any(|t| t.id == "own"));
        assert_eq!(ring.seen_from("own", Time(4 * DAY_MS)).iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["home"]);
        assert!(ring.seen_from("own", Time(40 * DAY_MS)).is_empty(), "not lately");
    }

    #[test]
    fn failures_teach_nothing_and_people_without_named_tokens_cost_nothing() {
        let mut ring = None;
        let mut failed = used(CredentialKind::ApiKey, "k".to_owned(), "s".to_owned(), "w".to_owned());
        failed.outcome = Outcome::Failure;
        Keyring::learn(&mut ring, &failed, Class::Service, false, Time(0));
        let mut plain = used(CredentialKind::Session, "s".to_owned(), "s".to_owned(), "w".to_owned());
        plain.session = Some(Session { id: Some("s".into()), parent: None });
        Keyring::learn(&mut ring, &plain, Class::Customer, false, Time(0));
        assert_eq!(ring, None);
    }

    #[test]
    fn what_is_believed_of_a_thing_can_change_and_no_list_grows_by_it() {
        let mut ring = None;
        for n in 0..100 {
            let mut by_token = used(CredentialKind::AccessToken, "t".to_owned(), "s".to_owned(), "w".to_owned());
            by_token.credential.as_mut().unwrap().parent = Some(format!("p-{n}").into());
            Keyring::learn(&mut ring, &by_token, Class::Customer, false, Time(0));
            let by_itself = used(CredentialKind::ApiKey, format!("p-{n}"), "s".to_owned(), "w".to_owned());
            Keyring::learn(&mut ring, &by_itself, Class::Customer, false, Time(0));
        }
        let of_sort = |sort| ring.as_ref().unwrap().held.iter().filter(|h| h.sort == sort).count();
        assert_eq!((of_sort(Sort::Key), of_sort(Sort::Token)), (KEYS_MAX, 0), "what is a key stays one");
    }

    proptest! {
        #[test]
        fn it_is_bounded_whatever_comes_and_reads_back(
            events in prop::collection::vec((prop::sample::select(EventType::ALL.to_vec()), prop::sample::select(CredentialKind::ALL.to_vec()), prop::sample::select(Class::ALL.to_vec()), 0u32..40, 0usize..400, any::<bool>()), 0..300),
        ) {
            let mut ring = None;
            for (n, (kind, credential, class, name, long, acted_upon)) in events.into_iter().enumerate() {
                let mut event = used(credential, format!("{name}{}", "x".repeat(long)), format!("s-{}", name % 7), format!("w-{name}"));
                event.kind = kind;
                Keyring::learn(&mut ring, &event, class, acted_upon, Time(n as i64 * HOUR_MS));
            }
            let Some(ring) = ring else { return Ok(()) };
            for sort in [Sort::Session, Sort::Token, Sort::Delegation, Sort::Key] {
                prop_assert!(ring.held.iter().filter(|h| h.sort == sort).count() <= sort.most());
            }
            prop_assert!(ring.uses.len() <= USES_MAX && ring.held.iter().all(|h| h.id.len() <= NAME_BYTES_MAX));
            let bytes = postcard::to_stdvec(&ring).unwrap();
            prop_assert!(bytes.len() <= 12 * 1_024, "{}", bytes.len());
            prop_assert_eq!(postcard::from_bytes::<Keyring>(&bytes).unwrap(), *ring);
        }
    }
}
