//! Sessions in use: from which device, TLS stack and network each was first used.

use crate::event::{Event, Network};
use crate::hash::{Of, hash, hash_parts};
use crate::row::Moved;
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Sessions remembered at once; the longest unused goes first.
const SESSIONS_MAX: usize = 8;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Session {
    id: u64,
    /// 0 = not known.
    device: u64,
    ja4: u64,
    asn: u32,
    country: u64,
    network: Option<Network>,
    last: Time,
}

impl Session {
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

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sessions {
    list: Vec<Session>,
}

impl Sessions {
    /// Sees an accepted event; says what differs from how its session was used before.
    pub fn observe(&mut self, event: &Event<'_>, now: Time) -> Option<Moved> {
        let id = hash(Of::Session, event.session_id()?.as_bytes());
        let source = event.source.as_ref()?;
        let seen = Session {
            id,
            device: device_hash(event).unwrap_or(0),
            ja4: source.ja4.as_deref().map_or(0, ja4_hash),
            asn: source.asn.unwrap_or(0),
            country: source.country.as_deref().map_or(0, |c| hash(Of::Country, c.as_bytes())),
            network: source.network,
            last: now,
        };
        let Some(known) = self.list.iter_mut().find(|s| s.id == id) else {
            if self.list.len() >= SESSIONS_MAX
                && let Some(oldest) = (0..self.list.len()).min_by_key(|i| (self.list[*i].last, self.list[*i].id))
            {
                self.list.swap_remove(oldest);
            }
            self.list.push(seen);
            return None;
        };
        let differs = |a: u64, b: u64| a != 0 && b != 0 && a != b;
        let mobile = |n: Option<Network>| n == Some(Network::Mobile);
        let moved = Moved {
            device: differs(known.device, seen.device),
            ja4: differs(known.ja4, seen.ja4),
            asn: differs(known.asn.into(), seen.asn.into()),
            roaming: mobile(known.network) != mobile(seen.network) && known.country == seen.country,
        };
        known.last = known.last.max(now);
        // One change is a person on the move: the session goes with it. Two are reported, and what the owner used stays the measure.
        if moved.changes() < 2 {
            known.follow(&seen);
        }
        (moved.changes() > 0).then_some(moved)
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.list.as_ptr().cast(), size_of_val(&*self.list));
    }

    pub fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Session>()
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
fn ja4_hash(ja4: &str) -> u64 {
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
        let ja4 = "t13d1516h2_8daaf6152771_b0da82dd1658";
        assert_eq!(sessions.observe(&event("a", ja4, 1), Time(1)), None);
        assert_eq!(
            sessions.observe(&event("a", "q13d1516h3_8daaf6152771_b0da82dd1658", 1), Time(2)),
            None,
            "transport and ALPN do not count"
        );
        assert_eq!(sessions.observe(&event("a", ja4, 2), Time(3)).unwrap().changes(), 1);
        assert_eq!(sessions.observe(&event("a", ja4, 2), Time(4)), None, "followed");
        for at in 5..7 {
            assert_eq!(sessions.observe(&event("b", "t12d0000h1_x_y", 9), Time(at)).unwrap().changes(), 3);
        }
        assert_eq!(sessions.observe(&event("a", ja4, 2), Time(8)), None, "the owner is still the measure");
    }
}
