//! The model card as a page, made of the default policy and of the figures that were kept: `portcullis policy model-card`, kept as `docs/model.md`.

use portcullis_core::policy::Policy;
use portcullis_model::card;
use portcullis_model::count::Counts;
use portcullis_model::measure::Measured;

/// What the weights were counted from: `make weights` writes it.
const COUNTED: &str = include_str!("../../policy/counted.json");
/// What the sums came to on other worlds: `make model` writes it.
const MEASURED: &str = include_str!("../../policy/measured.json");

/// The page, Markdown.
pub fn model_page() -> String {
    card::page(&Policy::default_policy(), &counted(), &measured())
}

pub fn counted() -> Counts {
    serde_json::from_str(COUNTED).unwrap_or_else(|e| unreachable!("engine/policy/counted.json is compiled in and tested: {e}"))
}

fn measured() -> Measured {
    serde_json::from_str(MEASURED).unwrap_or_else(|e| unreachable!("engine/policy/measured.json is compiled in and tested: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_of_this_policy_and_these_figures() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/model.md")).unwrap();
        assert!(kept == model_page(), "docs/model.md is stale; write it again: portcullis policy model-card > docs/model.md");
    }
}
