//! Randomness that is the same on every machine and in every version of every library.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one 64-bit word of state, so that each
//! identity and each visit can have a generator of its own. Own code, because a simulation's bytes must not change when a
//! random-number crate changes its sampling. Draws are integers; the one logarithm is from `libm`.

/// A generator.
#[derive(Clone, Debug)]
pub struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: spreads every input bit over the whole output.
pub const fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// A generator that depends on all the words and their order.
    pub fn of(words: &[u64]) -> Random {
        Random(words.iter().fold(0x706f_7274, |state, word| mix(state ^ mix(*word))))
    }

    pub fn next(&mut self) -> u64 {
        let word = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        word
    }

    /// `0..n`, or 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// True in `per_mille` of 1,000 draws.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// An index, by weight. The weights must not all be 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut at = self.below(weights.iter().map(|w| u64::from(*w)).sum());
        for (index, weight) in weights.iter().enumerate() {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return index,
            }
        }
        weights.len() - 1
    }

    /// Exponentially distributed with this mean, at most 20 times the mean: gaps between independent acts.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        let unit = ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        ((-libm::log(unit)).min(20.0) * mean as f64) as u64
    }

    /// Pareto with exponent 1 between `low` and `high`: a few do most of it.
    pub fn power_law(&mut self, low: u64, high: u64) -> u64 {
        let unit = (self.next() >> 32) + 1;
        (low.saturating_mul(1 << 32) / unit).min(high)
    }

    /// About log-normal around `median`, a factor of two either way being one standard deviation.
    pub fn log_normal(&mut self, median: i64) -> i64 {
        // The sum of twelve uniforms (Irwin-Hall) is normal enough for amounts of money.
        let sum: i64 = (0..12).map(|_| self.below(1 << 16) as i64).sum();
        let halvings = (sum - 6 * (1 << 16)) as f64 / f64::from(1 << 16);
        ((median as f64 * libm::exp2(halvings)) as i64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_and_near_their_mean() {
        let mut random = Random::of(&[1, 2]);
        let mut sum = 0;
        for _ in 0..20_000 {
            assert!((3..=9).contains(&random.between(3, 9)));
            assert!((10..=500).contains(&random.power_law(10, 500)));
            sum += random.exponential(1_000);
        }
        assert!((19_000_000..21_000_000).contains(&sum), "{sum}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.weighted(&[0, 0, 7]), 2);
    }

    #[test]
    fn words_and_their_order_matter() {
        let first = |words: &[u64]| Random::of(words).next();
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        // The first output of the reference implementation for seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }
}
