//! The peers' work: what a Kafka Streams or Flink application does in the comparison, verdict for verdict and byte for byte, on our own
//! source, state, journal and commit loop.
//!
//! An event of 445 bytes of JSON moves its identity's profile ([`profile`]): counts over a minute to an hour, distinct addresses, speed,
//! devices, countries. Fourteen rules of fixed points make a score; a verdict is due when the level changed or is at least medium.

pub mod event;
pub mod profile;
pub mod role;
pub mod verdict;

/// FNV-1a, 64 bits: how the comparison names devices, and sums up verdicts.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::event::Event;
    use super::profile::Profile;
    use super::{fnv, verdict};
    use crate::traffic::{Population, Traffic};
    use portcullis_state::Value;
    use std::collections::HashMap;

    /// Emitted verdicts, how many of each level, and the digest: the check values of the comparison's page.
    fn run(events: u64, every: bool) -> (u64, [u64; 4], u64) {
        let mut traffic = Traffic::new(1, Population::DEFAULT);
        let mut profiles: HashMap<Vec<u8>, Profile> = HashMap::new();
        let (mut key, mut line, mut text) = (Vec::new(), Vec::new(), Vec::new());
        let (mut emitted, mut levels, mut digest) = (0, [0; 4], 0u64);
        for number in 0..events {
            key.clear();
            line.clear();
            traffic.event(&mut key, &mut line);
            let event = Event::parse(&line).expect("the generator writes JSON");
            let profile = profiles.entry(key.clone()).or_default();
            let judged = profile.judge(&event);
            levels[usize::from(judged.level)] += 1;
            if every || judged.is_due() {
                text.clear();
                verdict::write(&event, &judged, &mut text);
                digest = digest.wrapping_add(fnv(&text));
                emitted += 1;
            }
            if number % 7 == 0 {
                text.clear();
                profile.encode(&mut text);
                *profile = Profile::decode(&text).expect("what was written is read back");
            }
        }
        (emitted, levels, digest)
    }

    #[test]
    fn the_check_values_of_the_comparison_come_out() {
        assert_eq!(run(1_000, false), (1, [999, 1, 0, 0], 0xd19e_2e1a_31ae_c1e1));
        assert_eq!(run(200_000, false), (1_958, [198_173, 217, 611, 999], 0x131f_3e41_3cec_7a5b));
        assert_eq!(run(200_000, true).2, 0x31d4_4383_1ae8_8076);
    }
}
