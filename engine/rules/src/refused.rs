//! Functions that people will want and that a rule must not have, with what to write instead.

/// Its answer depends on when or where it is asked, so a replay would decide otherwise.
const VOLATILE: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "today",
    "sysdate",
    "getdate",
    "clock_timestamp",
    "random",
    "rand",
    "uuid",
    "gen_random_uuid",
    "version",
    "current_user",
    "session_user",
    "user",
];

/// It adds up several rows, and a rule sees one.
const AGGREGATE: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "median",
    "stddev",
    "var",
    "variance",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "approx_distinct",
    "approx_percentile_cont",
    "first_value",
    "last_value",
];

/// It looks at neighbouring rows.
const WINDOW: &[&str] = &["row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "nth_value"];

/// It deals in times, which depend on a zone.
const TIME: &[&str] = &["date_part", "date_trunc", "date_bin", "extract", "to_timestamp", "to_date", "to_char", "from_unixtime", "age"];

/// What is wrong with a function, and what to do; `None` for one that nobody would expect.
pub fn why(name: &str) -> Option<(String, &'static str)> {
    let is_in = |list: &[&str]| list.contains(&name);
    if is_in(VOLATILE) {
        Some((
            format!("{name} is volatile: a replay would get another answer"),
            "compare columns of the row, such as hour_of_day or since_recovery_s",
        ))
    } else if is_in(AGGREGATE) {
        Some((format!("{name} is an aggregate, and a rule sees one row"), "use a column that counts over a window, such as events_1h"))
    } else if is_in(WINDOW) {
        Some((format!("{name} is a window function, and a rule sees one row"), WINDOW_HELP))
    } else if is_in(TIME) {
        Some((format!("{name} deals in times, which depend on a time zone"), TIME_HELP))
    } else {
        None
    }
}

pub const WINDOW_HELP: &str = "what depends on the order of events is a signal; `spoke('new_device')` asks one";
pub const TIME_HELP: &str = "use hour_of_day and day_of_week (UTC), or a column in seconds or days";
