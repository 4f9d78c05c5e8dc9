//! Sessions in use: from which device, TLS stack and network each was first used.

use crate::event::{Event, Network};
use crate::hash::{Of, hash, hash_parts};
use crate::row::{Moved, Row};
use crate::time::{DAY_MS, MINUTE_MS, Time};
use serde::{Deserialize, Serialize};

/// Longer unused, a session is forgotten.
const IDLE_MAX_MS: i64 = 7 * DAY_MS;

/// Sessions remembered at once.
const SESSIONS_MAX: usize = 8;

/// One session, 32 bits of each hash: it is compared with itself alone. 0 = not known.
#[derive(Clone, PartialEq, Debug)]
struct Session {
    id: u32,
    device: u32,
    ja4: u32,
    asn: u32,
    /// ISO 3166-1 alpha-2.
    country: [u8; 2],
    network: Option<Network>,
    /// To the minute.
    last_minute: u32,
    uses: u16,
}

impl Session {
    /// What must be beaten to evict it: idle ones go first, then the least used, so that a flood of log-ins evicts its own.
    fn rank(&self, now: Time) -> (bool, u16, u32, u32) {
        (self.idle_ms(now) < DAY_MS, self.uses, self.last_minute, self.id)
    }

    fn idle_ms(&self, now: Time) -> i64 {
        now.since(Time(i64::from(self.last_minute) * MINUTE_MS))
    }

    /// Takes over what is known of the latest use.
    fn follow(&mut self, seen: &Session) {
        fn take<T: Copy + PartialEq + Default>(known: &mut T, seen: T) {
            if seen != T::default() {
                *known = seen;
            }
        }
        take(&mut self.device, seen.device);
        take(&mut self.ja4, seen.ja4);
        take(&mut self.asn, seen.asn);
        take(&mut self.country, seen.country);
        take(&mut self.network, seen.network);
    }
}

/// The join of sessions with the log-ins that issued them must have been complete for this long before a gap in it says anything.
const JOIN_MS: i64 = 7 * DAY_MS;

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sessions {
    #[serde(with = "packed")]
    list: Vec<Session>,
    /// Since when every session that appeared was one that a log-in or token event had issued.
    joined_since: Option<Time>,
}

impl Sessions {
    /// Sees an accepted event; says what differs from how its session was used before, and whether nobody issued it.
    pub fn observe(&mut self, event: &Event<'_>, now: Time, row: &mut Row) {
        row.session_moved = self.follow(event, now, &mut row.token.unissued_after_days);
    }

    fn follow(&mut self, event: &Event<'_>, now: Time, unissued_after_days: &mut Option<i64>) -> Option<Moved> {
        let id = session_hash(event.session_id()?);
        let source = event.source.as_ref()?;
        let seen = Session {
            id,
            device: told_apart(event),
            ja4: source.ja4.as_deref().map_or(0, ja4_hash) as u32,
            asn: source.asn.unwrap_or(0),
            country: source.country.as_deref().and_then(|c| c.as_bytes().first_chunk()).copied().unwrap_or_default(),
            network: source.network,
            last_minute: now.0.div_euclid(MINUTE_MS).clamp(0, u32::MAX.into()) as u32,
            uses: 1,
        };
        let Some(known) = self.list.iter_mut().find(|s| s.id == id) else {
            let parent = event.session.as_ref().and_then(|s| s.parent.as_deref()).map(session_hash);
            if event.kind.is_auth() {
                self.joined_since = self.joined_since.or(Some(now));
            } else if !is_older(event, now) && parent.is_none_or(|parent| self.list.iter().all(|s| s.id != parent)) {
                // One gap breaks the join, so that an incomplete log speaks once and not for every session.
                let joined_ms = self.joined_since.take().map(|since| now.since(since));
                *unissued_after_days = joined_ms.filter(|ms| *ms >= JOIN_MS).map(|ms| ms / DAY_MS);
            }
            self.list.retain(|s| s.idle_ms(now) < IDLE_MAX_MS);
            if self.list.len() >= SESSIONS_MAX
                && let Some(oldest) = (0..self.list.len()).min_by_key(|i| self.list[*i].rank(now))
            {
                self.list.swap_remove(oldest);
            }
            self.list.push(seen);
            return None;
        };
        let differs = |a: u32, b: u32| a != 0 && b != 0 && a != b;
        let alike = |a: u32, b: u32| a & 1 == b & 1;
        let mobile = |n: Option<Network>| n == Some(Network::Mobile);
        let moved = Moved {
            device: alike(known.device, seen.device) && differs(known.device, seen.device),
            ja4: differs(known.ja4, seen.ja4),
            asn: differs(known.asn, seen.asn),
            roaming: mobile(known.network) != mobile(seen.network) && known.country == seen.country,
        };
        known.last_minute = known.last_minute.max(seen.last_minute);
        known.uses = known.uses.saturating_add(1);
        // One change is a person on the move: the session goes with it. Two are reported, and what the owner used stays the measure.
        if moved.changes() < 2 {
            known.follow(&seen);
        }
        (moved.changes() > 0).then_some(moved)
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.list.as_ptr().cast(), size_of_val(&*self.list));
    }

    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.list.iter().map(|s| s.id)
    }

    pub fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Session>()
    }
}

/// The device of an event: odd by its id, even by what its user agent says. One is never compared with the other, for logs that lack the id
/// now and then.
fn told_apart(event: &Event<'_>) -> u32 {
    let hash = device_hash(event).unwrap_or(0) as u32;
    if hash == 0 || event.device_id().is_some() { hash | u32::from(hash != 0) } else { hash & !1 }
}

/// By its own word the session began before what is remembered here.
fn is_older(event: &Event<'_>, now: Time) -> bool {
    event.credential.as_ref().and_then(|c| c.issued_at).is_some_and(|at| now.since(at) >= IDLE_MAX_MS)
}

/// The name under which a session is remembered.
pub fn session_hash(id: &str) -> u32 {
    hash(Of::Session, id.as_bytes()) as u32
}

/// Twenty-four bytes a session.
mod packed {
    use super::Session;
    use crate::event::Network;
    use serde::{Deserialize, Deserializer, Serializer};

    type Packed = ([u8; 4], [u8; 4], [u8; 4], u32, [u8; 2], Option<Network>, u32, u16);

    pub fn serialize<S: Serializer>(list: &[Session], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list.iter().map(|k| -> Packed {
            (k.id.to_le_bytes(), k.device.to_le_bytes(), k.ja4.to_le_bytes(), k.asn, k.country, k.network, k.last_minute, k.uses)
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Session>, D::Error> {
        let read = |(id, device, ja4, asn, country, network, last_minute, uses): Packed| {
            let [id, device, ja4] = [id, device, ja4].map(u32::from_le_bytes);
            Session { id, device, ja4, asn, country, network, last_minute, uses }
        };
        Ok(Vec::<Packed>::deserialize(d)?.into_iter().map(read).collect())
    }
}

/// The device by its id, or by the family and system of its user agent where the log has no id.
pub fn device_hash(event: &Event<'_>) -> Option<u64> {
    if let Some(id) = event.device_id() {
        return Some(hash(Of::Device, id.as_bytes()));
    }
    agent_hash(event)
}

/// The family and system of the user agent; without a stamp its first word.
pub fn agent_hash(event: &Event<'_>) -> Option<u64> {
    let stamp = event.stamp.as_ref();
    if let Some(family) = stamp.and_then(|s| s.agent_family.as_deref()) {
        let os = stamp.and_then(|s| s.agent_os.as_deref()).unwrap_or("");
        return Some(hash_parts(Of::AgentFamily, &[family.as_bytes(), os.as_bytes()]));
    }
    let agent = event.source.as_ref()?.user_agent.as_deref()?;
    let family = agent.split(['/', ' ']).next().unwrap_or(agent);
    Some(hash(Of::AgentFamily, family.as_bytes()))
}

/// A JA4 fingerprint without what changes between a program's own connections: the transport (first character) and the ALPN (last two
/// of the first part). FoxIO, JA4 technical details.
pub fn ja4_hash(ja4: &str) -> u64 {
    match ja4.split_once('_') {
        Some((head, tail)) if head.is_ascii() && head.len() > 3 => {
            hash_parts(Of::Ja4, &[&head.as_bytes()[1..head.len() - 2], tail.as_bytes()])
        }
        _ => hash(Of::Ja4, ja4.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventType, Source};

    fn event<'a>(device: &'a str, ja4: &'a str, asn: u32) -> Event<'a> {
        let mut event = Event::new(EventType::ApiRequest, Time(0));
        event.session = Some(crate::event::Session { id: Some("s".into()), parent: None });
        event.source = Some(Source { device_id: Some(device.into()), ja4: Some(ja4.into()), asn: Some(asn), ..Source::default() });
        event
    }

    #[test]
    fn two_changes_are_reported_until_they_end_and_one_is_followed() {
        let mut sessions = Sessions::default();
        let mut moved = |event: &Event<'_>, at: i64| sessions.follow(event, Time(at), &mut None);
        let ja4 = "t13d1516h2_8daaf6152771_b0da82dd1658";
        assert_eq!(moved(&event("a", ja4, 1), 1), None);
        assert_eq!(moved(&event("a", "q13d1516h3_8daaf6152771_b0da82dd1658", 1), 2), None, "transport and ALPN do not count");
        assert_eq!(moved(&event("a", ja4, 2), 3).unwrap().changes(), 1);
        assert_eq!(moved(&event("a", ja4, 2), 4), None, "followed");
        for at in 5..7 {
            assert_eq!(moved(&event("b", "t12d0000h1_x_y", 9), at).unwrap().changes(), 3);
        }
        assert_eq!(moved(&event("a", ja4, 2), 8), None, "the owner is still the measure");
    }

    #[test]
    fn a_log_that_lacks_the_device_now_and_then_moves_no_session() {
        let mut sessions = Sessions::default();
        let mut moved = |event: &Event<'_>, at: i64| sessions.follow(event, Time(at), &mut None).map_or(0, |m| m.changes());
        let mut nameless = event("a", "t13d1516h2_8daaf6152771_b0da82dd1658", 2);
        nameless.source.as_mut().unwrap().device_id = None;
        nameless.source.as_mut().unwrap().user_agent = Some("Mozilla/5.0".into());
        let named = event("a", "t13d1516h2_8daaf6152771_b0da82dd1658", 1);
        assert_eq!((moved(&named, 1), moved(&nameless, 2), moved(&named, 3)), (0, 1, 1), "the network alone");
    }

    #[test]
    fn a_session_older_than_what_is_remembered_is_nobodys_forgery() {
        let now = Time(40 * DAY_MS);
        let unissued = |age_days: i64| {
            let mut sessions = Sessions { joined_since: Some(Time(DAY_MS)), ..Sessions::default() };
            let mut event = event("a", "j", 1);
            event.credential = Some(crate::event::Credential { issued_at: Some(now.plus(-age_days * DAY_MS)), ..Default::default() });
            let mut days = None;
            sessions.follow(&event, now, &mut days);
            days
        };
        assert_eq!((unissued(1), unissued(20)), (Some(39), None));
    }
}
