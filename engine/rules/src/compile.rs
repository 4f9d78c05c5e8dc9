//! From a predicate's text to a physical expression. Whatever is not listed here is refused, with the place and what to write instead.
//!
//! A predicate is made of columns, literals, `AND OR NOT`, comparisons, `+ - * / %`, `IN`, `BETWEEN`, `LIKE`, `ILIKE`, `IS [NOT] NULL`,
//! `TRUE`, `FALSE`, `DISTINCT FROM`, `CASE`, `CAST`, `TRY_CAST` and the functions `abs`, `coalesce`, `nullif`, `starts_with`, `ends_with`,
//! `contains`, `in_list`, `in_network` and `spoke`. There are four types, and only whole numbers become numbers with a fraction by themselves.
//! `/` always has a fraction, and whatever overflows or divides by zero is an error.

mod credential;
mod function;
mod typed;

use self::credential::needs_credential;
use self::function::{names_of_functions, refuse_function};
use self::typed::{Type, Typed, alike, arithmetic, binary, integer, literal, literal_text};
use crate::column::{self, Column};
use crate::finite::Finite;
use crate::input::Input;
use crate::refused::{self, TIME_HELP};
use crate::words::no_column;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    self as physical, CastExpr, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, NotExpr, TryCastExpr,
};
use portcullis_core::named::nearest;
use portcullis_core::policy::Policy;
use sqlparser::ast::{BinaryOperator, CastKind, DataType as SqlType, Expr, Ident, Spanned, UnaryOperator};
use sqlparser::dialect::AnsiDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token};
use std::sync::Arc;

/// Expressions within expressions; each level takes some of the stack, here and in every evaluation.
const DEPTH_MAX: usize = 64;

/// A planned predicate.
#[derive(Debug)]
pub struct Predicate {
    pub expr: Arc<dyn PhysicalExpr>,
    /// What it reads; `expr` knows them by their place.
    pub inputs: Vec<Input>,
    /// A hit needs a credential, as far as the predicate says so.
    pub needs_credential: bool,
}

/// Why a predicate cannot be planned.
#[derive(Debug)]
pub struct Wrong {
    /// Line and character from 1; 0 where the parser does not know.
    at: Location,
    pub what: String,
    pub help: String,
}

impl Wrong {
    /// The place, in words; nothing where it is not known.
    pub fn place(&self) -> String {
        match (self.at.line, self.at.column) {
            (0, _) => String::new(),
            (1, column) => format!("character {column}: "),
            (line, column) => format!("line {line}, character {column}: "),
        }
    }
}

fn wrong<T>(at: Location, what: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { at, what: what.into(), help: help.into() })
}

/// Plans a predicate under a policy's lists and networks.
///
/// # Errors
/// The first thing in it that cannot be planned.
pub fn compile(policy: &Policy, text: &str) -> Result<Predicate, Wrong> {
    let ast = parse(text)?;
    let mut compiler = Compiler { policy, inputs: Vec::new(), depth: 0 };
    let predicate = compiler.expr(&ast)?;
    if predicate.sql != Type::Truth {
        return wrong(ast.span().start, format!("is {}, and neither true nor false", predicate.sql), "compare it with something");
    }
    if compiler.inputs.is_empty() {
        return wrong(ast.span().start, "reads no column, so it hits always or never", "name a column");
    }
    Ok(Predicate { expr: predicate.expr, inputs: compiler.inputs, needs_credential: needs_credential(&ast) })
}

fn parse(text: &str) -> Result<Expr, Wrong> {
    let nowhere = Location { line: 0, column: 0 };
    let unreadable = |error: sqlparser::parser::ParserError| Wrong {
        at: nowhere,
        what: format!("is no SQL predicate: {}", error.to_string().trim_start_matches("sql parser error: ")),
        help: "write it as what follows WHERE, such as type = 'secret.read' AND distinct_secrets_1h >= 3".to_owned(),
    };
    let mut parser = Parser::new(&AnsiDialect {}).try_with_sql(text).map_err(unreadable)?;
    let ast = parser.parse_expr().map_err(unreadable)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let help = "one predicate is wanted; join several with AND or OR";
        return wrong(next.span.start, format!("{:?} does not belong there", next.token.to_string()), help);
    }
    Ok(ast)
}

struct Compiler<'p> {
    policy: &'p Policy,
    inputs: Vec<Input>,
    depth: usize,
}

impl Compiler<'_> {
    fn expr(&mut self, ast: &Expr) -> Result<Typed, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return wrong(ast.span().start, format!("is nested more than {DEPTH_MAX} deep"), "use IN, in_list, or several rules");
        }
        let typed = self.node(ast);
        self.depth -= 1;
        typed
    }

    fn node(&mut self, ast: &Expr) -> Result<Typed, Wrong> {
        let at = ast.span().start;
        match ast {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Identifier(name) => self.column(name),
            Expr::CompoundIdentifier(parts) => {
                let joined = parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join("_");
                wrong(at, "a column has no dot", format!("write {joined}"))
            }
            Expr::Value(value) => literal(value),
            Expr::UnaryOp { op, expr } => self.unary(at, *op, expr),
            Expr::BinaryOp { left, op, right } => self.binary(at, left, op, right),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => Ok(Typed::truth(IsNullExpr::new(self.expr(inner)?.expr))),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => Ok(Typed::truth(IsNotNullExpr::new(self.expr(inner)?.expr))),
            Expr::IsTrue(inner) => self.is(inner, Operator::IsNotDistinctFrom, true),
            Expr::IsNotTrue(inner) => self.is(inner, Operator::IsDistinctFrom, true),
            Expr::IsFalse(inner) => self.is(inner, Operator::IsNotDistinctFrom, false),
            Expr::IsNotFalse(inner) => self.is(inner, Operator::IsDistinctFrom, false),
            Expr::IsDistinctFrom(left, right) => self.compare(left, Operator::IsDistinctFrom, right),
            Expr::IsNotDistinctFrom(left, right) => self.compare(left, Operator::IsNotDistinctFrom, right),
            Expr::InList { expr, list, negated } => self.in_values(expr, list, *negated),
            Expr::Between { expr, negated, low, high } => {
                let from = self.compare(expr, Operator::GtEq, low)?;
                let to = self.compare(expr, Operator::LtEq, high)?;
                let within = Typed::truth(binary(from, Operator::And, to));
                Ok(if *negated { Typed::truth(NotExpr::new(within.expr)) } else { within })
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => self.like(*negated, false, expr, pattern),
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => self.like(*negated, true, expr, pattern),
            Expr::Case { operand, conditions, else_result, .. } => {
                let conditions: Vec<(&Expr, &Expr)> = conditions.iter().map(|c| (&c.condition, &c.result)).collect();
                self.case(at, operand.as_deref(), &conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, array: false, format: None } => self.cast(at, kind, expr, data_type),
            Expr::Function(function) => self.function(at, function),
            other => refuse(at, other),
        }
    }

    fn input(&mut self, input: Input) -> Typed {
        let sql = match input.field().data_type() {
            DataType::Int64 => Type::Integer,
            DataType::Float64 => Type::Number,
            DataType::Utf8 => Type::Text,
            _ => Type::Truth,
        };
        let name = input.name();
        let place = self.inputs.iter().position(|known| *known == input).unwrap_or_else(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        Typed { expr: Arc::new(physical::Column::new(&name, place)), sql }
    }

    fn column(&mut self, name: &Ident) -> Result<Typed, Wrong> {
        match column_of(name) {
            Some(column) => Ok(self.input(Input::Column(column))),
            None if name.quote_style == Some('"') => {
                wrong(name.span.start, format!("no column {:?}", name.value), format!("write text in single quotes: '{}'", name.value))
            }
            None if refused::why(&name.value.to_lowercase()).is_some() => refuse_function(name.span.start, &name.value.to_lowercase()),
            None => {
                let (what, help) = no_column(&name.value);
                wrong(name.span.start, what, help)
            }
        }
    }

    fn unary(&mut self, at: Location, op: UnaryOperator, inner: &Expr) -> Result<Typed, Wrong> {
        let typed = self.expr(inner)?;
        match op {
            UnaryOperator::Not if typed.sql == Type::Truth => Ok(Typed::truth(NotExpr::new(typed.expr))),
            UnaryOperator::Plus if typed.sql.is_numeric() => Ok(typed),
            // Negation of its own wraps around; a subtraction says so.
            UnaryOperator::Minus if typed.sql.is_numeric() => Ok(arithmetic(integer(0), Operator::Minus, typed)),
            UnaryOperator::Not | UnaryOperator::Plus | UnaryOperator::Minus => {
                wrong(at, format!("{op} does not apply to {}", typed.sql), "compare first, or CAST it")
            }
            _ => wrong(at, format!("{op} is not among the operators of a rule"), "use + - * / % and comparisons"),
        }
    }

    fn binary(&mut self, at: Location, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Typed, Wrong> {
        let operator = match op {
            BinaryOperator::And => Operator::And,
            BinaryOperator::Or => Operator::Or,
            BinaryOperator::Eq => Operator::Eq,
            BinaryOperator::NotEq => Operator::NotEq,
            BinaryOperator::Lt => Operator::Lt,
            BinaryOperator::LtEq => Operator::LtEq,
            BinaryOperator::Gt => Operator::Gt,
            BinaryOperator::GtEq => Operator::GtEq,
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            _ => {
                return wrong(
                    at,
                    format!("{op} is not among the operators of a rule"),
                    "use + - * / %, comparisons, LIKE, AND, OR and NOT",
                );
            }
        };
        match operator {
            Operator::And | Operator::Or => {
                let (a, b) = (self.expr(left)?, self.expr(right)?);
                for (typed, side) in [(&a, left), (&b, right)] {
                    if typed.sql != Type::Truth {
                        let help = "compare it with something";
                        return wrong(side.span().start, format!("{op} wants true or false here, found {}", typed.sql), help);
                    }
                }
                Ok(Typed::truth(binary(a, operator, b)))
            }
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                let (a, b) = (self.expr(left)?, self.expr(right)?);
                for (typed, side) in [(&a, left), (&b, right)] {
                    if !typed.sql.is_numeric() {
                        return wrong(
                            side.span().start,
                            format!("{op} wants a number here, found {}", typed.sql),
                            "CAST it to BIGINT or DOUBLE",
                        );
                    }
                }
                Ok(arithmetic(a, operator, b))
            }
            _ => self.compare(left, operator, right),
        }
    }

    fn compare(&mut self, left: &Expr, op: Operator, right: &Expr) -> Result<Typed, Wrong> {
        check_word(left, right)?;
        check_word(right, left)?;
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        let (a, b) = alike(right.span().start, a, b)?;
        if a.sql == Type::Truth && !matches!(op, Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) {
            return wrong(left.span().start, "true is neither less nor greater than false", "use = or <>, or NOT");
        }
        Ok(Typed::truth(binary(a, op, b)))
    }

    fn is(&mut self, inner: &Expr, op: Operator, value: bool) -> Result<Typed, Wrong> {
        let typed = self.expr(inner)?;
        if typed.sql != Type::Truth {
            return wrong(inner.span().start, format!("true or false is wanted here, found {}", typed.sql), "compare it with something");
        }
        Ok(Typed::truth(binary(typed, op, Typed::literal(ScalarValue::from(value), Type::Truth))))
    }

    fn in_values(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Typed, Wrong> {
        let mut value = self.expr(expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            check_word(expr, item)?;
            let (_, item) = alike(item.span().start, value.clone(), self.expr(item)?)?;
            items.push(item);
        }
        if items.iter().any(|i| i.sql == Type::Number) {
            value = value.widened();
            items = items.into_iter().map(Typed::widened).collect();
        }
        self.in_list(expr.span().start, value, items.into_iter().map(|i| i.expr).collect(), negated)
    }

    fn in_list(&self, at: Location, value: Typed, list: Vec<Arc<dyn PhysicalExpr>>, negated: bool) -> Result<Typed, Wrong> {
        let made = InListExpr::try_new(value.expr, list, negated, &self.schema());
        made.map(Typed::truth).or_else(|error| unplanned(at, &error))
    }

    fn like(&mut self, negated: bool, ignores_case: bool, expr: &Expr, pattern: &Expr) -> Result<Typed, Wrong> {
        let value = self.text(expr)?;
        if literal_text(pattern).is_none() {
            return wrong(pattern.span().start, "a pattern is text in quotes", "write it out: LIKE '/v1/export%'");
        }
        let pattern = self.expr(pattern)?;
        Ok(Typed::truth(LikeExpr::new(negated, ignores_case, value.expr, pattern.expr)))
    }

    fn text(&mut self, expr: &Expr) -> Result<Typed, Wrong> {
        let typed = self.expr(expr)?;
        if typed.sql != Type::Text {
            return wrong(expr.span().start, format!("text is wanted here, found {}", typed.sql), "CAST it to VARCHAR");
        }
        Ok(typed)
    }

    /// The first condition that is true gives the result, and no other result is looked at.
    fn case(&mut self, at: Location, operand: Option<&Expr>, branches: &[(&Expr, &Expr)], rest: Option<&Expr>) -> Result<Typed, Wrong> {
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        for (condition, result) in branches {
            conditions.push(match operand {
                Some(operand) => self.compare(operand, Operator::Eq, condition)?,
                None => {
                    let typed = self.expr(condition)?;
                    if typed.sql != Type::Truth {
                        let what = format!("WHEN wants true or false here, found {}", typed.sql);
                        return wrong(condition.span().start, what, "compare it with something");
                    }
                    typed
                }
            });
            results.push((result.span().start, self.expr(result)?));
        }
        if let Some(rest) = rest {
            results.push((rest.span().start, self.expr(rest)?));
        }
        self.first_true(at, conditions, results)
    }

    /// `results` may have one more than `conditions`: what is left where none is true. Without it, that is NULL.
    fn first_true(&self, at: Location, conditions: Vec<Typed>, results: Vec<(Location, Typed)>) -> Result<Typed, Wrong> {
        let Some((_, first)) = results.first().cloned() else { return wrong(at, "has no result", "write CASE WHEN ... THEN ... END") };
        let (mut common, mut made) = (first.clone(), Vec::new());
        for (place, result) in results {
            made.push(alike(place, first.clone(), result)?.1);
        }
        if made.iter().any(|r| r.sql == Type::Number) {
            common = common.widened();
            made = made.into_iter().map(Typed::widened).collect();
        }
        let rest = if made.len() > conditions.len() { made.pop().map(|r| r.expr) } else { None };
        let branches = conditions.into_iter().zip(made).map(|(c, r)| (c.expr, r.expr)).collect();
        match physical::case(None, branches, rest) {
            Ok(expr) => Ok(Typed { expr, sql: common.sql }),
            Err(error) => unplanned(at, &error),
        }
    }

    fn cast(&mut self, at: Location, kind: &CastKind, inner: &Expr, to: &SqlType) -> Result<Typed, Wrong> {
        let typed = self.expr(inner)?;
        let sql = match to {
            SqlType::Boolean | SqlType::Bool => Type::Truth,
            SqlType::BigInt(None) | SqlType::Int(None) | SqlType::Integer(None) => Type::Integer,
            SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float(_) | SqlType::Real => Type::Number,
            SqlType::Varchar(None) | SqlType::Text | SqlType::String(None) => Type::Text,
            other => return wrong(at, format!("there is no type {other} here"), "cast to BOOLEAN, BIGINT, DOUBLE or VARCHAR"),
        };
        if typed.sql == sql {
            return Ok(typed);
        }
        if typed.sql == Type::Truth || sql == Type::Truth {
            return wrong(at, format!("{} is not cast to {sql}", typed.sql), "write CASE WHEN ... THEN 1 ELSE 0 END, or a comparison");
        }
        let expr: Arc<dyn PhysicalExpr> = match kind {
            CastKind::Cast | CastKind::DoubleColon => Arc::new(CastExpr::new(typed.expr, sql.arrow(), None)),
            CastKind::TryCast | CastKind::SafeCast => Arc::new(TryCastExpr::new(typed.expr, sql.arrow())),
        };
        // Text may say `inf`.
        let expr = if sql == Type::Number && typed.sql == Type::Text { Arc::new(Finite(expr)) } else { expr };
        Ok(Typed { expr, sql })
    }

    /// What has been read so far.
    fn schema(&self) -> Schema {
        Schema::new(self.inputs.iter().map(Input::field).collect::<Vec<_>>())
    }
}

fn column_of(name: &Ident) -> Option<&'static Column> {
    if name.quote_style.is_some() { column::by_name(&name.value) } else { column::by_name(&name.value.to_lowercase()) }
}

/// A word that a column never has would never hit, in silence.
fn check_word(column: &Expr, word: &Expr) -> Result<(), Wrong> {
    let (Expr::Identifier(name), Some(text)) = (column, literal_text(word)) else { return Ok(()) };
    match column_of(name) {
        Some(column) if !column.words.is_empty() && !column.words.contains(&text) => {
            let help = match nearest(text, column.words.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("known are {}", column.words.join(", ")),
            };
            wrong(word.span().start, format!("{} is never {text:?}", column.name), help)
        }
        _ => Ok(()),
    }
}

const SUBQUERY: &str = "a sub-query looks at other rows, and a rule sees one";
const SUBQUERY_HELP: &str = "use a column that counts over a window, or in_list for a list of the policy";

fn refuse(at: Location, ast: &Expr) -> Result<Typed, Wrong> {
    match ast {
        Expr::Subquery(_)
        | Expr::Exists { .. }
        | Expr::InSubquery { .. }
        | Expr::InUnnest { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. } => wrong(at, SUBQUERY, SUBQUERY_HELP),
        Expr::AtTimeZone { .. } | Expr::Extract { .. } | Expr::TypedString(_) | Expr::Interval(_) => {
            wrong(at, "times depend on a time zone", TIME_HELP)
        }
        Expr::Like { .. } | Expr::ILike { .. } => {
            wrong(at, "a pattern has no escape of its own and no ANY", "a backslash stands before % and _")
        }
        Expr::SimilarTo { .. } | Expr::RLike { .. } => {
            wrong(at, "there are no regular expressions here", "use LIKE, starts_with, ends_with or contains")
        }
        other => wrong(
            at,
            format!("{other} is not among what a rule may say"),
            format!("there are comparisons, IN, BETWEEN, LIKE, CASE, CAST and {}", names_of_functions()),
        ),
    }
}

/// What the planner says of an expression whose types are checked: a gap in the checks, and still no panic.
fn unplanned<T>(at: Location, error: &DataFusionError) -> Result<T, Wrong> {
    wrong(at, format!("cannot be planned: {}", error.strip_backtrace()), "write it in another way")
}

#[cfg(test)]
mod tests;
