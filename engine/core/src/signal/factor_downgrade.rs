//! `factor_downgrade`: a factor was removed, or a weaker method used than the identity has, and then activity from an unfamiliar place or device.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::time::{HOUR_MS, MINUTE_MS};
use crate::verdict::Family;

pub const SIGNAL: Signal = Signal {
    number: 21,
    name: "factor_downgrade",
    family: Family::Mfa,
    on: &[Kind::Identity],
    weight_db: 24,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param { name: "within_hours", default: 24, least: 1, most: 720, doc: "between the weakening and the activity" },
        Param { name: "soon_minutes", default: 120, least: 1, most: 43200, doc: "after which the two are less likely to belong together" },
        Param { name: "later_percent", default: 40, least: 0, most: 100, doc: "share of the strength after that" },
        Param { name: "place_percent", default: 70, least: 0, most: 100, doc: "strength when only the place is unfamiliar" },
        Param { name: "device_percent", default: 25, least: 0, most: 100, doc: "strength when only the device is: a new phone at home" },
    ],
    attack: &["T1556.006"],
    nhi: &[],
    doc: Doc {
        sees: "A factor was removed, or a weaker method used than the identity has, and then activity from an unfamiliar place or device.",
        why: "A factor that cannot be phished is in the way, so it is talked or clicked away first.",
        silent: "Where place and device are known, and nearly so for a new phone at home.",
        source: "MITRE ATT&CK T1556.006; NIST SP 800-63B-4, 4.2 (binding and removing authenticators)",
    },
    speak,
};

const WITHIN_HOURS: usize = 0;
const SOON_MINUTES: usize = 1;
const LATER_PERCENT: usize = 2;
const PLACE_PERCENT: usize = 3;
const DEVICE_PERCENT: usize = 4;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (row, p) = (look.row, &settings.params);
    let since_ms = if row.weaker_method { 0 } else { row.since_weakened_ms? };
    if row.learning || !(0..=p[WITHIN_HOURS] * HOUR_MS).contains(&since_ms) {
        return None;
    }
    let place = row.new_country.is_some() || row.new_network.is_some();
    let (percent, from) = match (place, row.new_device.is_some()) {
        (true, true) => (100, "place and device"),
        (true, false) => (p[PLACE_PERCENT], "place"),
        (false, true) => (p[DEVICE_PERCENT], "device"),
        (false, false) => return None,
    };
    let share = if since_ms <= p[SOON_MINUTES] * MINUTE_MS { 100 } else { p[LATER_PERCENT] };
    Some(Said {
        strength_permille: (percent * share / 10) as i32,
        observed: format!("an unfamiliar {from} {} min after a factor was weakened", since_ms / MINUTE_MS),
        expected: "its own factors from where it always is".to_owned(),
        detail: format!("a factor was removed or a weaker one used, then activity from an unfamiliar {from}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Novelty;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_unfamiliar_places_after_a_weakening() {
        let said = |since_ms, place: bool, device: bool| {
            example(&SIGNAL, |_, row| {
                let novelty = Some(Novelty { likelihood_cb: 200, share_ppm: 100 });
                (row.since_weakened_ms, row.learning) = (since_ms, false);
                (row.new_country, row.new_device) = (novelty.filter(|_| place), novelty.filter(|_| device));
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(Some(HOUR_MS), true, true), Some(1_000));
        assert_eq!(said(Some(HOUR_MS), false, true), Some(250), "a new phone at home");
        assert_eq!(said(Some(HOUR_MS), false, false), None);
        assert_eq!(said(Some(25 * HOUR_MS), true, true), None);
        assert_eq!(said(None, true, true), None);
    }
}
