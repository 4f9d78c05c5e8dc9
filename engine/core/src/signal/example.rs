//! Examples: a row that is nothing special, changed where the example needs it.

use super::{Look, Said, Signal};
use crate::event::{Class, Event, EventType, Outcome};
use crate::row::Row;
use crate::subject::Kind;
use crate::time::Time;

/// What the signal says of a row under its default settings.
pub fn example(signal: &Signal, change: impl FnOnce(&mut Event<'_>, &mut Row)) -> Option<Said> {
    let now = Time(1_772_409_600_000);
    let mut event = Event::new(EventType::AuthLogin, now);
    event.outcome = Outcome::Unknown;
    let mut row = Row::new(Kind::Identity, Class::Customer, now);
    change(&mut event, &mut row);
    (signal.speak)(&Look { event: &event, row: &row }, &signal.default_policy().by_class[row.class as usize])
}
