//! `impossible_travel`: two accepted activities so far apart that nobody travels that fast.

use super::{Applies, Doc, Look, Param, Said, Signal, Types};
use crate::event::Network;
use crate::policy::SignalSettings;
use crate::subject::Kind;
use crate::verdict::Family;
#[cfg(test)]
use crate::{memory::place::travel, row::Place, time::Time};

pub const SIGNAL: Signal = Signal {
    number: 7,
    name: "impossible_travel",
    family: Family::Place,
    on: &[Kind::Identity],
    weight_db: 28,
    for_class: &[],
    at_least: None,
    unauthenticated: false,
    applies: Applies::People,
    when: Types::ACTS,
    params: &[
        Param { name: "speed_kmh", default: 900, least: 100, most: 100000, doc: "faster than this is not travel" },
        Param { name: "distance_km", default: 300, least: 10, most: 20000, doc: "closer than this is not judged" },
    ],
    attack: &["T1078"],
    nhi: &[],
    doc: Doc {
        sees: "Two accepted activities so far apart that nobody travels that fast.",
        why: "One of the two is not the owner.",
        silent: "For machines; a quarter where either end is a VPN, proxy, relay, hosting or mobile network, whose place says little (half on a device that is new as well), or where device and network are its own, for then the database of places erred; and not at all where such a network is its own (a company VPN) or the identity is being learned; below the least distance, where GeoIP errs.",
        source: "MITRE ATT&CK T1078; both error radii of the GeoIP database are subtracted",
    },
    speak,
};

const SPEED_KMH: usize = 0;
const DISTANCE_KM: usize = 1;

fn speak(look: &Look<'_>, settings: &SignalSettings) -> Option<Said> {
    let (travel, p) = (look.row.travel?, &settings.params);
    let speed_kmh = travel.speed_kmh();
    if travel.distance_km < p[DISTANCE_KM] as f64 || speed_kmh <= p[SPEED_KMH] as f64 {
        return None;
    }
    let vague = |network| matches!(network, Some(Network::Vpn | Network::Proxy | Network::Relay | Network::Hosting | Network::Mobile));
    let row = look.row;
    let own = row.new_country.is_none() && row.new_network.is_none() && row.network_known_days.is_some_and(|days| days >= 1);
    if (own || row.learning) && (vague(travel.from.network) || vague(travel.to.network)) {
        return None;
    }
    let same_line = row.network_known_days.is_some_and(|d| d >= 1) && row.device_known_days.is_some();
    // On another device no tunnel of the owner's explains the jump, though the place may still be wrong.
    let tunnel = if row.new_device.is_some() { 1 } else { 2 };
    let halvings = match (vague(travel.from.network) || vague(travel.to.network), same_line) {
        (true, _) => tunnel,
        (false, true) => 2, // the device and the network are its own: what moved is the database of places
        (false, false) => 0,
    };
    let country = |c: [u8; 2]| if c[0] == 0 { "an unknown country".to_owned() } else { String::from_utf8_lossy(&c).into_owned() };
    let minutes = (travel.hours * 60.0).max(1.0);
    Some(Said {
        strength_permille: 1_000 >> halvings,
        observed: format!(
            "{:.0} km from {} to {} in {minutes:.0} min ({speed_kmh:.0} km/h)",
            travel.distance_km,
            country(travel.from.country),
            country(travel.to.country)
        ),
        expected: format!("at most {} km/h", p[SPEED_KMH]),
        detail: format!(
            "accepted in {} and in {}, {:.0} km apart, within {minutes:.0} min",
            country(travel.from.country),
            country(travel.to.country),
            travel.distance_km
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::example::example;

    #[test]
    fn speaks_of_what_no_plane_flies() {
        let said = |hours: i64, network, known_days, new_device| {
            example(&SIGNAL, |_, row| {
                let place = |lat, lon, at, network| Place { lat, lon, radius_km: 50, at: Time(at), country: *b"CH", network };
                row.travel = Some(travel(place(47.4, 8.5, 0, None), place(40.7, -74.0, hours * 3_600_000, network)));
                row.learning = false;
                (row.network_known_days, row.device_known_days) = (known_days, known_days);
                row.new_device = Some(crate::row::Novelty { likelihood_cb: 100, share_ppm: 0 }).filter(|_| new_device);
            })
            .map(|s| s.strength_permille)
        };
        assert_eq!(said(1, None, None, true), Some(1_000));
        assert_eq!(said(1, Some(Network::Vpn), None, false), Some(250), "a tunnel");
        assert_eq!(said(1, Some(Network::Vpn), None, true), Some(500), "a tunnel of somebody else's");
        assert_eq!(said(1, Some(Network::Vpn), Some(9), false), None, "the company's tunnel");
        assert_eq!(said(1, None, Some(9), false), Some(250), "the same line, placed elsewhere");
        assert_eq!(said(8, None, None, false), None, "a flight");
    }
}
