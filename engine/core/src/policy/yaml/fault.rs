//! A fault: where it is, what is wrong, what to do.

use super::tree::Mark;
use std::cell::RefCell;
use std::fmt;

/// The most faults that are told at once.
pub const FAULTS_MAX: usize = 200;

/// One thing that is wrong in a document, for the person who edits it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fault {
    /// File name, or the environment variable that the value came from.
    pub file: String,
    /// From 1; 0 where there are no lines, as in an environment variable.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// `playbooks[2].high[0].action`; empty for the document itself.
    pub path: String,
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Fault {
    /// A fault of a whole file, for instance one that cannot be read.
    pub fn of_file(file: &str, what: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), line: 0, column: 0, path: String::new(), what: what.into(), help: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        write!(f, ": {}", self.what)?;
        match &self.help {
            Some(help) => write!(f, ", {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// Collects the faults of one document.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Where values come from: the file first, then each variable that was laid over it.
    pub(super) sources: Vec<String>,
    list: RefCell<Vec<Fault>>,
    /// What is not wrong, and not to be overlooked.
    warnings: RefCell<Vec<Fault>>,
    untold: RefCell<usize>,
}

impl Faults {
    pub(super) fn of(file: &str) -> Faults {
        Faults { sources: vec![file.to_owned()], ..Faults::default() }
    }

    pub(super) fn note(&self, mark: Mark, path: &str, what: String, help: Option<String>) {
        let mut list = self.list.borrow_mut();
        if list.len() >= FAULTS_MAX {
            *self.untold.borrow_mut() += 1;
            return;
        }
        list.push(self.fault(mark, path, what, help));
    }

    pub(super) fn warn(&self, mark: Mark, path: &str, what: String, help: Option<String>) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < FAULTS_MAX {
            warnings.push(self.fault(mark, path, what, help));
        }
    }

    fn fault(&self, mark: Mark, path: &str, what: String, help: Option<String>) -> Fault {
        let file = self.sources.get(usize::from(mark.source)).cloned().unwrap_or_default();
        Fault { file, line: mark.line, column: mark.column, path: path.to_owned(), what, help }
    }

    pub(super) fn into_warnings(self) -> Vec<Fault> {
        self.warnings.into_inner()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// In the order of the text.
    pub(super) fn into_sorted(self) -> Vec<Fault> {
        let mut list = self.list.into_inner();
        list.sort_by(|a, b| (a.line, a.column, &a.file).cmp(&(b.line, b.column, &b.file)));
        list.dedup();
        let untold = self.untold.into_inner();
        if untold > 0 {
            let file = self.sources.into_iter().next().unwrap_or_default();
            list.push(Fault::of_file(&file, format!("and {untold} more faults")));
        }
        list
    }
}

/// The beginning of a text, quoted, for a message.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 48;
    if text.chars().count() <= SHOWN_MAX {
        return format!("{text:?}");
    }
    format!("{:?}...", text.chars().take(SHOWN_MAX).collect::<String>())
}
