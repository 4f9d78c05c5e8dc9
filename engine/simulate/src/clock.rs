//! Simulated time: civil dates, time zones with their daylight saving rules, and RFC 3339 text. Nothing here reads a clock.

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
pub const WEEK: i64 = 7 * DAY;

/// 2026-03-02T00:00:00Z, a Monday. Four weeks from it hold both changes of clocks, America's and Europe's.
pub const DEFAULT_START_MS: i64 = 1_772_409_600_000;

/// When a country puts its clocks forward.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Saving {
    Never,
    /// From the last Sunday of March to the last Sunday of October, 01:00 UTC.
    Europe,
    /// From the second Sunday of March to the first Sunday of November, 02:00 local time.
    America,
}

/// A time zone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Zone {
    /// East of UTC, in winter.
    pub minutes: i16,
    pub saving: Saving,
}

impl Zone {
    /// Milliseconds east of UTC at this UTC time.
    pub fn offset(self, utc_ms: i64) -> i64 {
        let winter = i64::from(self.minutes) * MINUTE;
        let (year, _, _) = civil(utc_ms.div_euclid(DAY));
        let summer = match self.saving {
            Saving::Never => return winter,
            Saving::Europe => (sunday(year, 3, 31) * DAY + HOUR)..(sunday(year, 10, 31) * DAY + HOUR),
            Saving::America => (sunday(year, 3, 14) * DAY + 2 * HOUR - winter)..(sunday(year, 11, 7) * DAY + HOUR - winter),
        };
        if summer.contains(&utc_ms) { winter + HOUR } else { winter }
    }

    /// The UTC time of a local one. In the hour that does not exist, the hour after it.
    pub fn to_utc(self, local_ms: i64) -> i64 {
        local_ms - self.offset(local_ms - i64::from(self.minutes) * MINUTE)
    }
}

/// 0 = Monday.
pub fn weekday(ms: i64) -> i64 {
    (ms.div_euclid(DAY) + 3).rem_euclid(7)
}

/// Midnight of the Monday at or before.
pub fn monday(ms: i64) -> i64 {
    (ms.div_euclid(DAY) - weekday(ms)) * DAY
}

/// Days since 1970-01-01 of the last Sunday at or before that date.
fn sunday(year: i64, month: i64, day: i64) -> i64 {
    let days = days_from_civil(year, month, day);
    days - (days + 4).rem_euclid(7)
}

/// Howard Hinnant, "chrono-compatible low-level date algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// Appends `"2026-03-02T00:00:00.000Z"`, quotes included.
pub fn write_time(out: &mut Vec<u8>, ms: i64) {
    let (year, month, day) = civil(ms.div_euclid(DAY));
    let rest = ms.rem_euclid(DAY);
    let two = |n: i64| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    text[1..3].copy_from_slice(&two(year / 100));
    text[3..5].copy_from_slice(&two(year % 100));
    text[6..8].copy_from_slice(&two(month));
    text[9..11].copy_from_slice(&two(day));
    text[12..14].copy_from_slice(&two(rest / HOUR));
    text[15..17].copy_from_slice(&two(rest / MINUTE % 60));
    text[18..20].copy_from_slice(&two(rest / SECOND % 60));
    text[21] = b'0' + (rest / 100 % 10) as u8;
    text[22..24].copy_from_slice(&two(rest % 100));
    out.extend_from_slice(&text);
}

/// `2026-03-02T00:00:00.000Z`.
pub fn time_text(ms: i64) -> String {
    let mut out = Vec::with_capacity(26);
    write_time(&mut out, ms);
    String::from_utf8_lossy(&out[1..out.len() - 1]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_they_should() {
        assert_eq!(time_text(DEFAULT_START_MS), "2026-03-02T00:00:00.000Z");
        assert_eq!(time_text(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(time_text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(weekday(DEFAULT_START_MS), 0);
        assert_eq!(monday(DEFAULT_START_MS + 5 * DAY + 7), DEFAULT_START_MS);
    }

    #[test]
    fn clocks_change_on_the_right_sundays() {
        let zurich = Zone { minutes: 60, saving: Saving::Europe };
        let change = 1_774_746_000_000; // 2026-03-29T01:00:00Z
        assert_eq!((zurich.offset(change - 1), zurich.offset(change)), (HOUR, 2 * HOUR));
        let new_york = Zone { minutes: -300, saving: Saving::America };
        let change = 1_772_953_200_000; // 2026-03-08T07:00:00Z
        assert_eq!((new_york.offset(change - 1), new_york.offset(change)), (-5 * HOUR, -4 * HOUR));
        // Noon on both sides of the change.
        assert_eq!(new_york.to_utc(DEFAULT_START_MS + 12 * HOUR), DEFAULT_START_MS + 17 * HOUR);
        assert_eq!(new_york.to_utc(DEFAULT_START_MS + 20 * DAY + 12 * HOUR), DEFAULT_START_MS + 20 * DAY + 16 * HOUR);
    }
}
