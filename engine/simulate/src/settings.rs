//! What to simulate.

use crate::clock::DEFAULT_START_MS;
use crate::scenario::SCENARIOS;

/// What to simulate. The same settings give the same bytes on every machine.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    /// About this many events come out, within 1 %, duplicates and inventory records included. The population grows with it; a small
    /// number also makes its members calmer. Every chosen scenario takes place at least once and each brings its cast, so with all of
    /// them the ordinary traffic shrinks to what room is left below 60,000 events, and below about 40,000 more come out than were asked for.
    pub events: u64,
    /// Only these, by name; `None` for all.
    pub scenarios: Option<Vec<String>>,
    /// How often each of them takes place, at easy, medium and hard in turn; `None` for about 0.2 % of all identities attacked, and as
    /// many look-alikes.
    pub times: Option<u32>,
    /// Epoch milliseconds. Default: Monday 2026-03-02T00:00:00Z. Accounts that have slept for months have a few events before it.
    pub start_ms: i64,
    /// 2 to 52.
    pub weeks: u32,
    /// Like real logs: 0.2 % of ordinary events are shipped late (median a minute, at most half an hour), 0.1 % twice (with the same id), and 2 %
    /// of people's visits lack the place or the TLS fingerprint. Events of scenarios are shipped once and on time.
    pub messy: bool,
    /// Adds one broken line in 5,000: cut, with a wrong type, without a time, or not UTF-8. They count as extra lines, not as events.
    pub malformed: bool,
    /// Begins with `inventory.identity` records, which an engine believes from a trusted input only.
    pub inventory: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            events: 100_000,
            scenarios: None,
            times: None,
            start_ms: DEFAULT_START_MS,
            weeks: 4,
            messy: true,
            malformed: false,
            inventory: true,
        }
    }
}

/// Settings that cannot be simulated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("there is no scenario {name:?}; did you mean {nearest:?}? Known are: {known}")]
    UnknownScenario { name: String, nearest: &'static str, known: String },
    #[error("{0} weeks cannot be simulated; choose 2 to 52")]
    Weeks(u32),
    #[error("{0} events cannot be simulated; choose 1 to 1,000,000,000")]
    Events(u64),
    #[error("scenarios cannot take place {0} times each; choose 1 to 10,000")]
    Times(u32),
    #[error("the simulation cannot start at {0} ms; choose a time between 2000 and 2099")]
    Start(i64),
}

impl Settings {
    /// Indices of the chosen scenarios, in the order of the list.
    pub(crate) fn check(&self) -> Result<Vec<usize>, SettingsError> {
        if !(2..=52).contains(&self.weeks) {
            return Err(SettingsError::Weeks(self.weeks));
        }
        if !(1..=1_000_000_000).contains(&self.events) {
            return Err(SettingsError::Events(self.events));
        }
        if let Some(times) = self.times
            && !(1..=10_000).contains(&times)
        {
            return Err(SettingsError::Times(times));
        }
        if !(946_684_800_000..4_070_908_800_000).contains(&self.start_ms) {
            return Err(SettingsError::Start(self.start_ms));
        }
        let Some(names) = &self.scenarios else { return Ok((0..SCENARIOS.len()).collect()) };
        for name in names {
            if SCENARIOS.iter().any(|s| s.name == name) {
                continue;
            }
            let nearest = SCENARIOS.iter().map(|s| s.name).min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or("");
            let known = SCENARIOS.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
            return Err(SettingsError::UnknownScenario { name: name.clone(), nearest, known });
        }
        Ok((0..SCENARIOS.len()).filter(|n| names.iter().any(|name| name == SCENARIOS[*n].name)).collect())
    }
}
