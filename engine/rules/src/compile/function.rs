//! The functions that a predicate may call.

use super::typed::{Type, Typed, arithmetic, binary, integer, literal_text};
use super::{Compiler, SUBQUERY, SUBQUERY_HELP, Wrong, wrong};
use crate::input::Input;
use crate::refused::{self, WINDOW_HELP};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::expressions::{IsNotNullExpr, LikeExpr};
use portcullis_core::heard::WINDOW_MAX_MS;
use portcullis_core::named::nearest;
use portcullis_core::signal;
use portcullis_core::time::{MINUTE_MS, Span};
use portcullis_core::verdict::Family;
use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};
use sqlparser::tokenizer::Location;
use std::sync::Arc;

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

impl Compiler<'_> {
    pub(super) fn function(&mut self, at: Location, function: &Function) -> Result<Typed, Wrong> {
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
}

pub(super) fn names_of_functions() -> String {
    FUNCTIONS.iter().map(|f| f.0).collect::<Vec<_>>().join(", ")
}

pub(super) fn arguments<'f>(at: Location, name: &str, function: &'f Function) -> Result<Vec<&'f Expr>, Wrong> {
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

pub(super) fn refuse_function<T>(at: Location, name: &str) -> Result<T, Wrong> {
    let (what, help) = refused::why(name).unwrap_or_else(|| (format!("there is no function {name}"), ""));
    wrong(at, what, help)
}
