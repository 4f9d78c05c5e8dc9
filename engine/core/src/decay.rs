//! Exponential decay in integers: the same on every machine.

/// `round(2^(-i/64) * 65536)`.
const FRACTION: [i64; 64] = [
    65536, 64830, 64132, 63441, 62757, 62081, 61413, 60751, 60097, 59449, 58809, 58176, 57549, 56929, 56316, 55709, 55109, 54515, 53928,
    53347, 52773, 52204, 51642, 51085, 50535, 49991, 49452, 48920, 48393, 47871, 47356, 46846, 46341, 45842, 45348, 44859, 44376, 43898,
    43425, 42958, 42495, 42037, 41584, 41136, 40693, 40255, 39821, 39392, 38968, 38548, 38133, 37722, 37316, 36914, 36516, 36123, 35734,
    35349, 34968, 34591, 34219, 33850, 33486, 33125,
];

/// `value * 2^(-age / half_life)`, towards zero, in steps of a sixty-fourth of a half-life. No decay for an age below 0.
pub fn decayed(value: i32, age_ms: i64, half_life_ms: i64) -> i32 {
    if age_ms <= 0 || half_life_ms <= 0 {
        return value;
    }
    // What saturates is older than mankind.
    let steps = age_ms.saturating_mul(64) / half_life_ms;
    if steps >= 64 * 31 {
        return 0;
    }
    let shrunk = (i64::from(value.unsigned_abs()) * FRACTION[(steps % 64) as usize]) >> (16 + steps / 64);
    if value < 0 { -(shrunk as i32) } else { shrunk as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_with_each_half_life() {
        assert_eq!(decayed(200, 0, 60_000), 200);
        assert_eq!(decayed(200, 60_000, 60_000), 100);
        assert_eq!(decayed(-200, 120_000, 60_000), -50);
        assert_eq!(decayed(200, 30_000, 60_000), 141);
        assert_eq!(decayed(i32::MIN, i64::MAX, 1), 0);
        assert_eq!(decayed(i32::MIN, -5, 1), i32::MIN);
    }

    #[test]
    fn never_grows_with_age() {
        let mut last = i32::MAX;
        for age in (0..4_000_000).step_by(997) {
            let now = decayed(1_000_000, age, 100_000);
            assert!(now <= last);
            last = now;
        }
    }
}
