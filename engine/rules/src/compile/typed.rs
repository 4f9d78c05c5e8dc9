//! Expressions with their type: literals, arithmetic, and two values made alike.

use super::{Wrong, wrong};
use crate::finite::Finite;
use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, CastExpr, Literal};
use sqlparser::ast::{Expr, Value, ValueWithSpan};
use sqlparser::tokenizer::Location;
use std::sync::Arc;

/// The type of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Truth,
    Integer,
    Number,
    Text,
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Type::Truth => "a truth value",
            Type::Integer => "a whole number",
            Type::Number => "a number",
            Type::Text => "text",
        })
    }
}

impl Type {
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Type::Integer | Type::Number)
    }

    pub(super) fn arrow(self) -> DataType {
        match self {
            Type::Truth => DataType::Boolean,
            Type::Integer => DataType::Int64,
            Type::Number => DataType::Float64,
            Type::Text => DataType::Utf8,
        }
    }
}

#[derive(Clone)]
pub(super) struct Typed {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    pub(super) sql: Type,
}

impl Typed {
    pub(super) fn truth(expr: impl PhysicalExpr) -> Typed {
        Typed { expr: Arc::new(expr), sql: Type::Truth }
    }

    pub(super) fn literal(value: ScalarValue, sql: Type) -> Typed {
        Typed { expr: Arc::new(Literal::new(value)), sql }
    }

    /// As a number with a fraction.
    pub(super) fn widened(self) -> Typed {
        match self.sql {
            Type::Integer => Typed { expr: Arc::new(CastExpr::new(self.expr, DataType::Float64, None)), sql: Type::Number },
            _ => self,
        }
    }
}

pub(super) fn binary(left: Typed, op: Operator, right: Typed) -> BinaryExpr {
    BinaryExpr::new(left.expr, op, right.expr).with_fail_on_overflow(true)
}

pub(super) fn integer(value: i64) -> Typed {
    Typed::literal(ScalarValue::from(value), Type::Integer)
}

/// Whole numbers stay whole, but for a division.
pub(super) fn arithmetic(left: Typed, op: Operator, right: Typed) -> Typed {
    if op != Operator::Divide && left.sql == Type::Integer && right.sql == Type::Integer {
        return Typed { expr: Arc::new(binary(left, op, right)), sql: Type::Integer };
    }
    let exact = binary(left.widened(), op, right.widened());
    Typed { expr: Arc::new(Finite(Arc::new(exact))), sql: Type::Number }
}

/// Two values of one type; a whole number beside one with a fraction gets one, too.
pub(super) fn alike(at: Location, a: Typed, b: Typed) -> Result<(Typed, Typed), Wrong> {
    match (a.sql, b.sql) {
        (x, y) if x == y => Ok((a, b)),
        (x, y) if x.is_numeric() && y.is_numeric() => Ok((a.widened(), b.widened())),
        (x, Type::Text) if x.is_numeric() => wrong(at, format!("{x} is compared with text"), "take the quotes off, or CAST it"),
        (Type::Text, y) if y.is_numeric() => wrong(at, format!("text is compared with {y}"), "put it in single quotes, or CAST it"),
        (x, y) => wrong(at, format!("{x} is compared with {y}"), "compare values of one type"),
    }
}

pub(super) fn literal(value: &ValueWithSpan) -> Result<Typed, Wrong> {
    let at = value.span.start;
    match &value.value {
        Value::Boolean(truth) => Ok(Typed::literal(ScalarValue::from(*truth), Type::Truth)),
        Value::SingleQuotedString(text) => Ok(Typed::literal(ScalarValue::from(text.as_str()), Type::Text)),
        Value::Number(digits, _) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse::<i64>() {
            Ok(whole) => Ok(integer(whole)),
            Err(_) => wrong(at, format!("{digits} is too large for a whole number"), "write it with a fraction: 1e20"),
        },
        Value::Number(digits, _) => match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Typed::literal(ScalarValue::from(number), Type::Number)),
            _ => wrong(at, format!("{digits} is no number"), "write it in decimal: 0.01"),
        },
        Value::Null => wrong(at, "nothing is equal to NULL", "write IS NULL or IS NOT NULL"),
        other => wrong(at, format!("{other} is no literal of a rule"), "write numbers in decimal and text in single quotes"),
    }
}

pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        Expr::Nested(inner) => literal_text(inner),
        _ => None,
    }
}
