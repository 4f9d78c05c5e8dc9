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
    weight_db: 25,
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
        silent: "For machines; less and less where either end is a VPN, proxy, relay, hosting or mobile network, whose place says little; below the least distance, where GeoIP errs.",
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
    let halvings = u32::from(vague(travel.from.network)) * 2 + u32::from(vague(travel.to.network)) * 2;
    let country = |c: [u8; 2]| if c[0] == 0 { "an unknown country".to_owned() } else { String::from_utf8_lossy(&c).into_owned() };
    let minutes = (travel.hours * 60.0).max(1.0);
    Some(Said {
        strength_permille: 1_000 >> halvings.min(2),
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
        let said = |hours: i64, network| {
            example(&SIGNAL, |_, row| {
                let place = |lat, lon, at, network| Place { lat, lon, radius_km: 50, at: Time(at), country: *b"CH", network };
                row.travel = Some(travel(place(47.4, 8.5, 0, None), place(40.7, -74.0, hours * 3_600_000, network)));
            })
        };
        assert_eq!(said(1, None).unwrap().strength_permille, 1_000);
        assert_eq!(said(1, Some(Network::Vpn)).unwrap().strength_permille, 250);
        assert_eq!(said(8, None), None, "a flight");
    }
}
