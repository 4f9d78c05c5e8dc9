//! Window features against features that somebody else computed and published: the transactions of the Fraud Detection Handbook
//! (<https://github.com/Fraud-Detection-Handbook>), every row of them, exactly.
//!
//! Customers: count and mean amount in `(t - w, t]` with the current transaction. Terminals: count and share of fraud in
//! `(t - 7d - w, t - 7d]`, because labels arrive a week late. Both for w = 1, 7 and 30 days. Transactions at the same second count in
//! the order of the rows, as in the original (pandas `rolling`).

use flate2::read::GzDecoder;
use portcullis_core::time::{DAY_MS, Time};
use portcullis_core::window::{Series, Shape, Tally};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

const WINDOWS_DAYS: [i64; 3] = [1, 7, 30];
const DELAY_DAYS: i64 = 7;
/// Every entry is kept, so the windows are exact.
const CUSTOMER: Shape = Shape { exact_max: usize::MAX, spans_ms: &[DAY_MS, 7 * DAY_MS, 30 * DAY_MS] };
const TERMINAL: Shape = Shape { exact_max: usize::MAX, spans_ms: &[(30 + DELAY_DAYS) * DAY_MS] };

/// One row: who, when, the amount in minor units, whether it was fraud, and the six published features.
struct Row {
    line: usize,
    entity: String,
    time: i64,
    amount: i64,
    fraud: i64,
    published: [(u32, f64); 3],
}

/// `None` with a message when the data is not there.
fn rows(file: &str, entity: &str, count: &str, mean: &str) -> Option<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/card-transactions").join(file);
    let Ok(packed) = std::fs::read(&path) else {
        eprintln!("SKIPPED: {} is missing, so the windows were not compared with the published features", path.display());
        return None;
    };
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|h| *h == name).unwrap_or_else(|| panic!("{file} has no column {name}"));
    let (time, amount, fraud, who) = (column("TX_DATETIME"), column("TX_AMOUNT"), column("TX_FRAUD"), column(entity));
    let features = WINDOWS_DAYS.map(|days| (column(&format!("{count}_{days}DAY_WINDOW")), column(&format!("{mean}_{days}DAY_WINDOW"))));
    let rows = lines.enumerate().map(|(i, line)| {
        let cells: Vec<&str> = line.split(',').collect();
        Row {
            line: i + 2,
            entity: cells[who].to_owned(),
            time: Time::parse(&format!("{}Z", cells[time].replace(' ', "T"))).unwrap().0,
            amount: whole(number(cells[amount]) * 100.0, 1e-6).unwrap_or_else(|| panic!("{file}:{}: {}", i + 2, cells[amount])),
            fraud: cells[fraud].parse().unwrap(),
            published: features.map(|(n, x)| (whole(number(cells[n]), 0.0).unwrap() as u32, number(cells[x]))),
        }
    });
    Some(rows.collect())
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The integer that a float stands for, if it is one up to the noise of the floats that the original was summed in.
fn whole(x: f64, noise: f64) -> Option<i64> {
    ((x - x.round()).abs() <= noise).then_some(x.round() as i64)
}

/// The mean was printed as a float; times its count it is the sum, an integer, and no other sum is as near.
fn assert_features(file: &str, row: &Row, days: i64, ours: Tally, (count, mean): (u32, f64), units_per_one: f64) {
    let at = format!("{file}:{}, {} at {}, {days} days", row.line, row.entity, Time(row.time));
    assert_eq!(ours.count, count, "{at}: count");
    let sum = whole(mean * f64::from(count) * units_per_one, 1e-6).unwrap_or_else(|| panic!("{at}: {mean} over {count} is no sum"));
    assert_eq!(ours.sum, sum, "{at}: sum of which {mean} is the mean");
}

#[test]
fn customer_windows_agree_with_the_published_ones_on_every_row() {
    let Some(rows) = rows("customers.csv.gz", "CUSTOMER_ID", "CUSTOMER_ID_NB_TX", "CUSTOMER_ID_AVG_AMOUNT") else { return };
    let mut customers = BTreeMap::<&str, Series>::new();
    for row in &rows {
        let series = customers.entry(&row.entity).or_default();
        series.add(&CUSTOMER, row.time, row.time, row.amount);
        for (i, (days, published)) in WINDOWS_DAYS.into_iter().zip(row.published).enumerate() {
            let ours = series.tally(&CUSTOMER, row.time, i);
            assert_eq!(ours, series.between(&CUSTOMER, row.time - days * DAY_MS, row.time));
            assert_features("customers.csv.gz", row, days, ours, published, 100.0);
        }
    }
    assert!(rows.len() > 30_000 && customers.len() == 300, "{} rows of {} customers", rows.len(), customers.len());
    println!("{} rows of {} customers agree", rows.len(), customers.len());
}

#[test]
fn terminal_windows_agree_with_the_published_ones_on_every_row() {
    let Some(rows) = rows("terminals.csv.gz", "TERMINAL_ID", "TERMINAL_ID_NB_TX", "TERMINAL_ID_RISK") else { return };
    let mut terminals = BTreeMap::<&str, Series>::new();
    let mut frauds = 0;
    for row in &rows {
        let series = terminals.entry(&row.entity).or_default();
        series.add(&TERMINAL, row.time, row.time, row.fraud);
        frauds += row.fraud;
        let to = row.time - DELAY_DAYS * DAY_MS;
        for (days, published) in WINDOWS_DAYS.into_iter().zip(row.published) {
            assert_features("terminals.csv.gz", row, days, series.between(&TERMINAL, to - days * DAY_MS, to), published, 1.0);
        }
    }
    assert!(rows.len() > 15_000 && terminals.len() == 300 && frauds > 0, "{} rows of {} terminals", rows.len(), terminals.len());
    println!("{} rows of {} terminals agree", rows.len(), terminals.len());
}

#[test]
fn a_mean_that_is_off_by_one_minor_unit_would_be_found() {
    assert_eq!(whole(33.193_333_333_333_335 * 3.0 * 100.0, 1e-6), Some(9_958));
    assert_eq!(whole(33.193_3 * 3.0 * 100.0, 1e-6), None);
}
