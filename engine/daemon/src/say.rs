//! Standard output: one that cannot be written ends the process with a message, and not with a panic as `println!` does.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::process::exit;

/// Like `println!`.
macro_rules! say {
    ($($text:tt)*) => { $crate::say::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// Like `print!`.
macro_rules! say_on {
    ($($text:tt)*) => { $crate::say::write(format_args!($($text)*)) };
}

pub(crate) use {say, say_on};

/// Whoever read us may have seen enough (a closed pipe); anything else is a failure.
pub fn write(text: Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_fmt(text).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(0),
        Err(error) => {
            eprintln!("portcullis: writing to standard output: {error}");
            exit(1)
        }
    }
}

/// Text from a log, on one line and without what would steer a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Whether a character moves the cursor, hides or turns what follows.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_log_steers_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31mRED\nx\u{202e}"), "a\u{fffd}[31mRED\u{fffd}x\u{fffd}");
        assert_eq!(harmless("größer, 東京"), "größer, 東京");
    }
}
