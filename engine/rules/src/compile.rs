//! From a predicate's text to a physical expression. Whatever is not listed here is refused, with the place and what to write instead.
//!
//! A predicate is made of columns, literals, `AND OR NOT`, comparisons, `+ - * / %`, `IN`, `BETWEEN`, `LIKE`, `ILIKE`, `IS [NOT] NULL`,
//! `TRUE`, `FALSE`, `DISTINCT FROM`, `CASE`, `CAST`, `TRY_CAST` and the functions `abs`, `coalesce`, `nullif`, `starts_with`, `ends_with`,
//! `contains`, `in_list`, `in_network` and `spoke`. There are four types, and only whole numbers become numbers with a fraction by themselves.
//! `/` always has a fraction, and whatever overflows or divides by zero is an error.

use crate::column::{self, Column};
use crate::finite::Finite;
use crate::input::Input;
use crate::refused::{self, TIME_HELP, WINDOW_HELP};
use crate::words::no_column;
use arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    self as physical, BinaryExpr, CastExpr, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr, TryCastExpr,
};
use portcullis_core::event::EventType;
use portcullis_core::heard::WINDOW_MAX_MS;
use portcullis_core::named::nearest;
use portcullis_core::policy::Policy;
use portcullis_core::signal;
use portcullis_core::time::{MINUTE_MS, Span};
use portcullis_core::verdict::Family;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned,
    UnaryOperator, Value, ValueWithSpan,
};
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

/// The type of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
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
    fn is_numeric(self) -> bool {
        matches!(self, Type::Integer | Type::Number)
    }

    fn arrow(self) -> DataType {
        match self {
            Type::Truth => DataType::Boolean,
            Type::Integer => DataType::Int64,
            Type::Number => DataType::Float64,
            Type::Text => DataType::Utf8,
        }
    }
}

#[derive(Clone)]
struct Typed {
    expr: Arc<dyn PhysicalExpr>,
    sql: Type,
}

impl Typed {
    fn truth(expr: impl PhysicalExpr) -> Typed {
        Typed { expr: Arc::new(expr), sql: Type::Truth }
    }

    fn literal(value: ScalarValue, sql: Type) -> Typed {
        Typed { expr: Arc::new(Literal::new(value)), sql }
    }

    /// As a number with a fraction.
    fn widened(self) -> Typed {
        match self.sql {
            Type::Integer => Typed { expr: Arc::new(CastExpr::new(self.expr, DataType::Float64, None)), sql: Type::Number },
            _ => self,
        }
    }
}

fn binary(left: Typed, op: Operator, right: Typed) -> BinaryExpr {
    BinaryExpr::new(left.expr, op, right.expr).with_fail_on_overflow(true)
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

    fn function(&mut self, at: Location, function: &Function) -> Result<Typed, Wrong> {
        let name = function.name.to_string().to_lowercase();
        let name = name.trim_matches('"');
        if function.over.is_some() {
            return wrong(at, format!("{name} ... OVER is a window function, and a rule sees one row"), WINDOW_HELP);
        }
        if refused::why(name).is_some() {
            return refuse_function(at, name);
        }
        let arguments = arguments(at, name, function)?;
        match (name, arguments.as_slice()) {
            ("abs", [inner]) => self.abs(at, inner),
            ("coalesce", [_, _, ..]) => self.coalesce(at, &arguments),
            ("nullif", [value, other]) => {
                let same = self.compare(value, Operator::Eq, other)?;
                let value = self.expr(value)?;
                let differs = Typed::truth(binary(same, Operator::IsDistinctFrom, Typed::literal(ScalarValue::from(true), Type::Truth)));
                self.first_true(at, vec![differs], vec![(at, value)])
            }
            ("starts_with", [value, piece]) => self.has_piece(value, piece, "", "%"),
            ("ends_with", [value, piece]) => self.has_piece(value, piece, "%", ""),
            ("contains", [value, piece]) => self.has_piece(value, piece, "%", "%"),
            ("in_list", [list, value]) => self.in_named_list(list, value),
            ("in_network", [network]) => self.in_network(network),
            ("spoke", [signal]) => self.spoke(signal, None),
            ("spoke", [signal, within]) => self.spoke(signal, Some(within)),
            _ => match FUNCTIONS.iter().find(|f| f.0 == name) {
                Some((_, usage)) => wrong(at, format!("{name} has other arguments"), format!("write {usage}")),
                None => wrong(at, format!("there is no function {name}"), format!("there are {}", names_of_functions())),
            },
        }
    }

    fn abs(&mut self, at: Location, inner: &Expr) -> Result<Typed, Wrong> {
        let value = self.expr(inner)?;
        if !value.sql.is_numeric() {
            return wrong(inner.span().start, format!("abs wants a number, found {}", value.sql), "CAST it to BIGINT or DOUBLE");
        }
        let zero = if value.sql == Type::Number { integer(0).widened() } else { integer(0) };
        let is_negative = Typed::truth(binary(value.clone(), Operator::Lt, zero.clone()));
        let negated = arithmetic(zero, Operator::Minus, value.clone());
        self.first_true(at, vec![is_negative], vec![(at, negated), (at, value)])
    }

    fn coalesce(&mut self, at: Location, arguments: &[&Expr]) -> Result<Typed, Wrong> {
        let mut values = Vec::new();
        for argument in arguments {
            values.push((argument.span().start, self.expr(argument)?));
        }
        let conditions = values[..values.len() - 1].iter().map(|(_, v)| Typed::truth(IsNotNullExpr::new(Arc::clone(&v.expr)))).collect();
        self.first_true(at, conditions, values)
    }

    fn has_piece(&mut self, value: &Expr, piece: &Expr, before: &str, after: &str) -> Result<Typed, Wrong> {
        let value = self.text(value)?;
        let Some(piece) = literal_text(piece) else {
            return wrong(piece.span().start, "text in quotes is wanted here", "write it out: starts_with(request_route, '/v1/')");
        };
        let escaped = piece.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = Typed::literal(ScalarValue::from(format!("{before}{escaped}{after}")), Type::Text);
        Ok(Typed::truth(LikeExpr::new(false, false, value.expr, pattern.expr)))
    }

    fn in_named_list(&mut self, list: &Expr, value: &Expr) -> Result<Typed, Wrong> {
        let at = list.span().start;
        let Some(name) = literal_text(list) else { return wrong(at, "the name of a list in quotes is wanted here", IN_LIST) };
        let Some(members) = self.policy.lists.get(name) else {
            let known = nearest(name, self.policy.lists.keys().map(String::as_str));
            let help = known.map_or("add it under `lists`".to_owned(), |near| format!("did you mean '{near}'?"));
            return wrong(at, format!("there is no list {name:?}"), help);
        };
        let value = self.text(value)?;
        let members = members.iter().map(|m| Typed::literal(ScalarValue::from(m.as_str()), Type::Text).expr).collect::<Vec<_>>();
        if members.is_empty() {
            return Ok(Typed::literal(ScalarValue::from(false), Type::Truth));
        }
        self.in_list(at, value, members, false)
    }

    fn in_network(&mut self, network: &Expr) -> Result<Typed, Wrong> {
        const NAMES: [&str; 4] = ["own", "partner", "scanner", "gateway"];
        let networks = &self.policy.networks;
        let at = network.span().start;
        let Some(name) = literal_text(network) else { return wrong(at, "the name of a network in quotes is wanted here", IN_NETWORK) };
        let blocks = match name {
            "own" => &networks.own,
            "partner" => &networks.partner,
            "scanner" => &networks.scanner,
            "gateway" => &networks.gateway,
            _ => return wrong(at, format!("there is no network {name:?}"), format!("known are {}", NAMES.join(", "))),
        };
        Ok(self.input(Input::InNetwork(name.to_owned(), blocks.clone())))
    }

    fn spoke(&mut self, signal: &Expr, within: Option<&Expr>) -> Result<Typed, Wrong> {
        let at = signal.span().start;
        let Some(name) = literal_text(signal) else {
            return wrong(at, "the name of a signal in quotes is wanted here", "write spoke('new_device')");
        };
        let Some(place) = signal::by_name(name) else {
            let near = nearest(name, signal::ALL.iter().map(|s| s.name));
            let help = near.map_or("`portcullis policy signals` lists them".to_owned(), |near| format!("did you mean '{near}'?"));
            return wrong(at, format!("there is no signal {name:?}"), help);
        };
        let signal = &signal::ALL[place];
        if signal.family == Family::Protective {
            return wrong(
                at,
                format!("{name} speaks for a subject, and only after the rules"),
                "use columns such as source_familiar or auth_method",
            );
        }
        let Some(within) = within else { return Ok(self.input(Input::Spoke(signal.name, signal.number))) };
        match literal_text(within).and_then(Span::parse) {
            Some(span) if (MINUTE_MS..=WINDOW_MAX_MS).contains(&span.0) => {
                Ok(self.input(Input::SpokeWithin(signal.name, signal.number, span)))
            }
            _ => wrong(within.span().start, "a time from 1m to 24h in quotes is wanted here", "write spoke('new_device', '1h')"),
        }
    }

    /// What has been read so far.
    fn schema(&self) -> Schema {
        Schema::new(self.inputs.iter().map(Input::field).collect::<Vec<_>>())
    }
}

/// The functions and how they are called.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "abs(number)"),
    ("coalesce", "coalesce(value, other, ...)"),
    ("nullif", "nullif(value, other)"),
    ("starts_with", "starts_with(text, 'piece')"),
    ("ends_with", "ends_with(text, 'piece')"),
    ("contains", "contains(text, 'piece')"),
    ("in_list", IN_LIST),
    ("in_network", IN_NETWORK),
    ("spoke", "spoke('signal') or spoke('signal', '1h')"),
];
const IN_LIST: &str = "in_list('name of a list', identity_id)";
const IN_NETWORK: &str = "in_network('own')";

fn names_of_functions() -> String {
    FUNCTIONS.iter().map(|f| f.0).collect::<Vec<_>>().join(", ")
}

fn column_of(name: &Ident) -> Option<&'static Column> {
    if name.quote_style.is_some() { column::by_name(&name.value) } else { column::by_name(&name.value.to_lowercase()) }
}

fn integer(value: i64) -> Typed {
    Typed::literal(ScalarValue::from(value), Type::Integer)
}

/// Whole numbers stay whole, but for a division.
fn arithmetic(left: Typed, op: Operator, right: Typed) -> Typed {
    if op != Operator::Divide && left.sql == Type::Integer && right.sql == Type::Integer {
        return Typed { expr: Arc::new(binary(left, op, right)), sql: Type::Integer };
    }
    let exact = binary(left.widened(), op, right.widened());
    Typed { expr: Arc::new(Finite(Arc::new(exact))), sql: Type::Number }
}

/// Two values of one type; a whole number beside one with a fraction gets one, too.
fn alike(at: Location, a: Typed, b: Typed) -> Result<(Typed, Typed), Wrong> {
    match (a.sql, b.sql) {
        (x, y) if x == y => Ok((a, b)),
        (x, y) if x.is_numeric() && y.is_numeric() => Ok((a.widened(), b.widened())),
        (x, Type::Text) if x.is_numeric() => wrong(at, format!("{x} is compared with text"), "take the quotes off, or CAST it"),
        (Type::Text, y) if y.is_numeric() => wrong(at, format!("text is compared with {y}"), "put it in single quotes, or CAST it"),
        (x, y) => wrong(at, format!("{x} is compared with {y}"), "compare values of one type"),
    }
}

fn literal(value: &ValueWithSpan) -> Result<Typed, Wrong> {
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

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        Expr::Nested(inner) => literal_text(inner),
        _ => None,
    }
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

fn arguments<'f>(at: Location, name: &str, function: &'f Function) -> Result<Vec<&'f Expr>, Wrong> {
    let plain = function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && !function.uses_odbc_syntax
        && matches!(function.parameters, FunctionArguments::None);
    let list = match &function.args {
        FunctionArguments::List(list) if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() => list,
        FunctionArguments::Subquery(_) => return wrong(at, SUBQUERY, SUBQUERY_HELP),
        _ => return wrong(at, format!("{name} is called in a way that rules do not know"), "write name(argument, argument)"),
    };
    let each = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => wrong(at, format!("{name} is called in a way that rules do not know"), "write name(argument, argument)"),
    });
    each.collect()
}

fn refuse_function<T>(at: Location, name: &str) -> Result<T, Wrong> {
    let (what, help) = refused::why(name).unwrap_or_else(|| (format!("there is no function {name}"), ""));
    wrong(at, what, help)
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

/// Whether every hit needs a credential, as far as the predicate says so: it asks for a success, for a type of event that nobody causes
/// without one, or for a signal that needs one. What is not certain needs none.
fn needs_credential(ast: &Expr) -> bool {
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

#[cfg(test)]
mod tests;
