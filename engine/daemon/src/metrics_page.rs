//! The metrics as a page, made of what is counted: `portcullis metrics`, kept as `docs/metrics.md`.

use crate::telemetry::{ALL, Kind};
use std::fmt::Write;

/// The page, Markdown.
pub fn metrics_page() -> String {
    let mut page = String::from(
        "<!-- Made by `portcullis metrics`; a test fails when it is stale. -->\n\
         # Metrics\n\n\
         At `/metrics` of each process (`http.listen`), in Prometheus' text format. Counters count what was committed: a batch that is done again\n\
         is counted once. No identity, address or device is ever a label; what a policy or configuration names (inputs, rules, topics) is.\n\
         What they are worth an alert for: [runbook.md](runbook.md).\n\n\
         | metric | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    for meter in ALL {
        let kind = match meter.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = meter.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", meter.name, meter.help);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_docs_is_this_one() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md")).unwrap();
        assert!(kept == metrics_page(), "docs/metrics.md is stale; write it again: portcullis metrics > docs/metrics.md");
    }
}
