//! The one predicate that a step may carry today: `type = 'checkout.attempt'`, several joined by `OR`, or `type IN ('a', 'b')`.

use crate::event::EventType;
use crate::policy::yaml::At;
use std::collections::BTreeSet;

/// The types that a `when` names. `None`, with a fault noted, for any other predicate.
pub(super) fn read(at: &At<'_>) -> Option<BTreeSet<EventType>> {
    let names = match at.text().map(type_names)? {
        Some(names) => names,
        None => {
            at.fault_with(
                "this version understands types only here",
                "write `type = 'checkout.attempt'`, `type IN ('a', 'b')` or several joined by OR",
            );
            return None;
        }
    };
    let mut types = BTreeSet::new();
    for name in names {
        match EventType::from_name(name) {
            Some(t) => {
                types.insert(t);
            }
            None => at.unknown_word(name, EventType::NAMES),
        }
    }
    Some(types)
}

/// `None`: not of that form.
fn type_names(text: &str) -> Option<Vec<&str>> {
    let mut tokens = Tokens(text);
    let mut names = Vec::new();
    loop {
        (tokens.next()? == "type").then_some(())?;
        match tokens.next()? {
            "=" => names.push(quoted(tokens.next()?)?),
            word if word.eq_ignore_ascii_case("in") => {
                (tokens.next()? == "(").then_some(())?;
                loop {
                    names.push(quoted(tokens.next()?)?);
                    match tokens.next()? {
                        "," => {}
                        ")" => break,
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        match tokens.next() {
            None if tokens.0.is_empty() => return Some(names),
            Some(word) if word.eq_ignore_ascii_case("or") => {}
            _ => return None,
        }
    }
}

fn quoted(token: &str) -> Option<&str> {
    token.strip_prefix('\'')?.strip_suffix('\'')
}

/// Words, quoted words and the signs `= ( ) ,`; anything else ends it with text left over.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        self.0 = text;
        let length = match text.chars().next()? {
            '=' | '(' | ')' | ',' => 1,
            '\'' => text[1..].find('\'')? + 2,
            c if c.is_ascii_alphabetic() => text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()),
            _ => return None,
        };
        let (token, rest) = text.split_at(length);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_nothing_else_is() {
        assert_eq!(type_names("type = 'a.b'"), Some(vec!["a.b"]));
        assert_eq!(type_names(" type='a' or type = 'b' "), Some(vec!["a", "b"]));
        assert_eq!(type_names("type IN ('a','b', 'c') OR type = 'd'"), Some(vec!["a", "b", "c", "d"]));
        for wrong in
            ["", "type", "type =", "type = a", "type = 'a", "type != 'a'", "type = 'a' AND type = 'b'", "type = 'a' OR", "type in ()"]
        {
            assert_eq!(type_names(wrong), None, "{wrong}");
        }
        for wrong in ["type in ('a'", "type = 'a' #", "NOT type = 'a'", "spoke('x')", "(type = 'a')", "type = 'a' type = 'b'"] {
            assert_eq!(type_names(wrong), None, "{wrong}");
        }
    }
}
