//! Whether a predicate hits only what the holder of a credential does.

use super::column_of;
use super::function::arguments;
use super::typed::literal_text;
use portcullis_core::event::EventType;
use portcullis_core::signal;
use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::tokenizer::Location;

/// Whether every hit needs a credential, as far as the predicate says so: it asks for a success, for a type of event that nobody causes
/// without one, or for a signal that needs one. What is not certain needs none.
pub(super) fn needs_credential(ast: &Expr) -> bool {
    match ast {
        Expr::Nested(inner) => needs_credential(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => needs_credential(left) || needs_credential(right),
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => needs_credential(left) && needs_credential(right),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => says_so(left, &[right.as_ref()]) || says_so(right, &[left.as_ref()]),
        Expr::InList { expr, list, negated: false } => says_so(expr, &list.iter().collect::<Vec<_>>()),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("spoke") => {
            // Of this event; what spoke before it says nothing of who causes this one.
            match arguments(Location { line: 0, column: 0 }, "spoke", function).as_deref() {
                Ok([name]) => literal_text(name).and_then(signal::by_name).is_some_and(|place| !signal::ALL[place].unauthenticated),
                _ => false,
            }
        }
        _ => false,
    }
}

fn says_so(column: &Expr, values: &[&Expr]) -> bool {
    let Expr::Identifier(name) = column else { return false };
    let all = |allowed: fn(&str) -> bool| !values.is_empty() && values.iter().all(|v| literal_text(v).is_some_and(allowed));
    match column_of(name).map(|c| c.name) {
        Some("outcome") => all(|word| word == "success"),
        Some("type") => all(|word| EventType::from_name(word).is_some_and(is_of_the_holder)),
        _ => false,
    }
}

/// Events that only the holder of a credential causes, whatever their outcome.
fn is_of_the_holder(kind: EventType) -> bool {
    use EventType::*;
    !kind.is_auth() && !kind.is_checkout() && !kind.is_control() && !matches!(kind, AccountCreate | ApiRequest)
}
