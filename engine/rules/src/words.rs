//! What a hit says: the rule's own sentence with the row's values in it, what was read, and what was not expected.

use crate::column::{self, Column};
use crate::input::{Input, shown};
use portcullis_core::named::nearest;
use portcullis_core::rule::{Asked, Rule};
use portcullis_core::signal::Said;

/// Stands for NULL.
const UNKNOWN: &str = "unknown";

/// The words of one rule.
#[derive(Clone, Debug)]
pub struct Words {
    detail: Vec<Piece>,
    expected: String,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Value(&'static Column),
}

impl Words {
    /// Reads the rule's sentence.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn of(rule: &Rule) -> Result<Words, (String, String)> {
        let mut detail = Vec::new();
        let mut rest = rule.detail.as_str();
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(("a { is not closed".to_owned(), "write {column} for a value".to_owned()));
            };
            detail.push(Piece::Text(text.to_owned()));
            detail.push(Piece::Value(column::by_name(name).ok_or_else(|| no_column(name))?));
            rest = after;
        }
        detail.push(Piece::Text(rest.to_owned()));
        if rule.detail.is_empty() {
            detail.push(Piece::Text(format!("the rule {} holds", rule.id)));
        }
        Ok(Words { detail, expected: format!("anything but {}", rule.when.split_whitespace().collect::<Vec<_>>().join(" ")) })
    }

    /// What is said of a row that the rule hits. `read`: what its predicate reads.
    pub fn said(&self, read: &[Input], row: &Asked<'_>) -> Said {
        let unknown = || UNKNOWN.to_owned();
        let detail = self.detail.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(column) => shown(column, row).unwrap_or_else(unknown),
        });
        let observed: Vec<String> = read.iter().map(|i| format!("{} {}", i.name(), i.shown(row).unwrap_or_else(unknown))).collect();
        Said { strength_permille: 1_000, observed: observed.join(", "), expected: self.expected.clone(), detail: detail.collect() }
    }
}

/// There is no column of that name.
pub fn no_column(name: &str) -> (String, String) {
    let help = match nearest(name, column::ALL.iter().map(|c| c.name)) {
        Some(near) => format!("did you mean {near}?"),
        None => "`portcullis policy show --columns` lists them".to_owned(),
    };
    (format!("no column {name:?}"), help)
}
