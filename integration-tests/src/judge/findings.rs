//! What is wrong, and how much of it: the first of each kind in full, the rest as a number.

use std::collections::BTreeMap;
use std::fmt;

/// Of one kind of finding this many are told.
const TOLD_MAX: usize = 3;

#[derive(Default)]
pub struct Findings(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Findings {
    pub fn add(&mut self, kind: &'static str, told: impl FnOnce() -> String) {
        let (count, examples) = self.0.entry(kind).or_default();
        *count += 1;
        if examples.len() < TOLD_MAX {
            examples.push(told());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (count, examples)) in &self.0 {
            writeln!(f, "{kind}: {count}")?;
            for example in examples {
                writeln!(f, "    {}", example.chars().take(600).collect::<String>())?;
            }
        }
        Ok(())
    }
}
