//! Where each token or key was used from last: one credential in two places at once is a copy.

use crate::row::{Overlap, Row};
use crate::time::{DAY_MS, MINUTE_MS, Time};
use serde::{Deserialize, Serialize};

/// Credentials remembered of a machine; of a person, whose sessions tell more, the last two.
const MACHINE_MAX: usize = 6;
const PERSON_MAX: usize = 2;

/// Uses this close to each other are at once.
const AT_ONCE_MS: i64 = 10 * MINUTE_MS;

/// A place known for this many days belongs to the identity.
pub const OWN_DAYS_MIN: i64 = 1;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Use {
    /// 32 bits of the hashes: there are a handful of each.
    credential: u32,
    place: u32,
    /// The place belonged to the identity when it was used.
    own: bool,
    at: Time,
    uses: u16,
    /// The place before this one.
    before: u32,
    before_own: bool,
    before_at: Time,
    /// Days on which it was used from several own places at once, and the last of them.
    shared_days: u16,
    shared_day: i32,
}

impl Use {
    /// What must be beaten to evict it: idle ones go first, then the least used, so that a flood of new tokens evicts its own.
    fn rank(&self, now: Time) -> (bool, u16, Time, u32) {
        (now.since(self.at) < DAY_MS, self.uses, self.at, self.credential)
    }
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tokens {
    list: Vec<Use>,
}

impl Tokens {
    /// Sees an accepted use of a credential from a place (a workload or a network).
    pub fn observe(&mut self, credential: u64, place: u64, own: bool, is_machine: bool, t: Time, row: &mut Row) {
        let (credential, place) = (credential as u32, place as u32);
        let Some(known) = self.list.iter_mut().find(|u| u.credential == credential) else {
            if self.list.len() >= if is_machine { MACHINE_MAX } else { PERSON_MAX }
                && let Some(oldest) = (0..self.list.len()).min_by_key(|i| self.list[*i].rank(t))
            {
                self.list.swap_remove(oldest);
            }
            self.list.push(Use {
                credential,
                place,
                own,
                at: t,
                uses: 1,
                before: 0,
                before_own: true,
                before_at: Time::default(),
                shared_days: 0,
                shared_day: 0,
            });
            return;
        };
        if known.place != place {
            if known.before != place {
                (known.before, known.before_own, known.before_at) = (known.place, known.own, known.at);
            } else {
                std::mem::swap(&mut known.place, &mut known.before);
                std::mem::swap(&mut known.own, &mut known.before_own);
                std::mem::swap(&mut known.at, &mut known.before_at);
            }
            (known.place, known.at) = (place, t);
        }
        known.own = own;
        known.at = known.at.max(t);
        known.uses = known.uses.saturating_add(1);
        let apart_ms = known.at.since(known.before_at);
        if known.before == 0 || apart_ms > AT_ONCE_MS {
            return;
        }
        if known.own && known.before_own && known.shared_day != t.day() {
            known.shared_day = t.day();
            known.shared_days = known.shared_days.saturating_add(1);
        }
        row.token.overlap = Some(Overlap { ms: apart_ms, own: known.own && known.before_own, here_own: known.own });
        row.token.shared_days = known.shared_days;
    }

    pub fn blocks(&self, each: &mut dyn FnMut(*const u8, usize)) {
        each(self.list.as_ptr().cast(), size_of_val(&*self.list));
    }

    pub fn heap_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Use>()
    }

    pub fn entries(&self) -> usize {
        self.list.len()
    }

    pub const ENTRIES_MAX: usize = MACHINE_MAX;
}

/// A place belongs to the identity once it has been used for a day.
pub fn is_own(known_days: Option<i64>) -> bool {
    known_days.is_some_and(|d| d >= OWN_DAYS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Class;
    use crate::subject::Kind;

    fn overlap(uses: &[(u64, bool, i64)]) -> Option<Overlap> {
        let (mut tokens, mut last) = (Tokens::default(), None);
        for (place, own, minute) in uses {
            let mut row = Row::new(Kind::Identity, Class::Service, Time(0));
            tokens.observe(7, *place, *own, true, Time(minute * MINUTE_MS), &mut row);
            last = row.token.overlap;
        }
        last
    }

    #[test]
    fn two_places_at_once_overlap_whoever_speaks_last() {
        assert_eq!(overlap(&[(1, true, 0), (1, true, 5)]), None);
        assert_eq!(overlap(&[(1, true, 0), (2, false, 5)]), Some(Overlap { ms: 5 * MINUTE_MS, own: false, here_own: false }));
        assert_eq!(overlap(&[(1, true, 0), (2, false, 5), (1, true, 6)]), Some(Overlap { ms: MINUTE_MS, own: false, here_own: true }));
        assert_eq!(overlap(&[(1, true, 0), (2, false, 50)]), None, "one after the other");
        assert_eq!(overlap(&[(1, true, 0), (2, true, 1)]).map(|o| o.own), Some(true));
    }
}
