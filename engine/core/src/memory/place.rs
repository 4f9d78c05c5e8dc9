//! Distance on the earth.

use crate::row::{Place, Travel};

/// Mean radius of the earth, kilometres.
const EARTH_KM: f64 = 6_371.0;

/// Great-circle distance in kilometres by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", 1984).
pub fn haversine_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let radians = |degrees: f64| degrees * (std::f64::consts::PI / 180.0);
    let (lat_a, lat_b) = (radians(a.0), radians(b.0));
    let half = |x: f64| {
        let s = libm::sin(x / 2.0);
        s * s
    };
    let h = half(lat_b - lat_a) + libm::cos(lat_a) * libm::cos(lat_b) * half(radians(b.1 - a.1));
    2.0 * EARTH_KM * libm::asin(h.sqrt().min(1.0))
}

/// The way between two successes, in whichever order they came.
pub fn travel(from: Place, to: Place) -> Travel {
    let (a, b) = ((from.lat, from.lon), (to.lat, to.lon));
    // Most are where they were before.
    let apart = if a == b { 0.0 } else { haversine_km(a, b) };
    let distance_km = (apart - f64::from(from.radius_km) - f64::from(to.radius_km)).max(0.0);
    let ms = to.at.since(from.at).abs().max(1_000);
    Travel { distance_km, hours: ms as f64 / 3_600_000.0, from, to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    #[test]
    fn zurich_to_new_york() {
        let km = haversine_km((47.37, 8.54), (40.71, -74.01));
        assert!((6_320.0..6_330.0).contains(&km), "{km}");
        let place = |lat, lon, at| Place { lat, lon, radius_km: 50, at: Time(at), country: *b"CH", network: None };
        let way = travel(place(47.37, 8.54, 0), place(40.71, -74.01, 3_600_000));
        assert!((way.distance_km - (km - 100.0)).abs() < 1e-9 && (way.speed_kmh() - way.distance_km).abs() < 1e-9);
        assert_eq!(travel(place(1.0, 1.0, 0), place(1.1, 1.1, 0)).distance_km, 0.0);
    }
}
