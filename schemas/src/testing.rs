//! Arbitrary nouns for property tests, here and in other crates (feature `testing`).
//!
//! A noun is drawn from a string of bytes that proptest chooses: a short or zero string gives an empty noun, so that failures shrink to
//! nouns with little in them.

use portcullis_core::event::{
    CheckoutResult, ContainmentOutcome, Event, EventType, Feedback, Identity, Inventory, Label, Named, OutcomeStatus, Source,
};
use portcullis_core::text::Text;
use portcullis_core::time::{Span, Time};
use portcullis_core::verdict::Probability;
use proptest::prelude::*;

/// Where nouns draw their values from. Exhausted, it gives zeros.
pub struct Entropy {
    bytes: std::vec::IntoIter<u8>,
}

impl Entropy {
    pub fn new(bytes: Vec<u8>) -> Entropy {
        Entropy { bytes: bytes.into_iter() }
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    pub fn word(&mut self) -> u64 {
        // Most numbers small, some of every length.
        let length = self.byte() % 9;
        (0..length).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }
}

/// A noun that can be drawn. Its values survive JSON: numbers are finite, times can be written, spans are not negative.
pub trait Draw {
    fn draw(entropy: &mut Entropy) -> Self;
}

impl Draw for bool {
    fn draw(e: &mut Entropy) -> Self {
        e.byte() & 1 == 1
    }
}

impl Draw for u64 {
    fn draw(e: &mut Entropy) -> Self {
        e.word() >> 1
    }
}

impl Draw for i64 {
    fn draw(e: &mut Entropy) -> Self {
        let word = e.word() as i64;
        if e.byte() & 1 == 1 { !word } else { word }
    }
}

macro_rules! cast {
    ($($type:ty),+) => { $(impl Draw for $type { fn draw(e: &mut Entropy) -> Self { e.word() as $type } })+ };
}
cast!(u8, u16, u32, i32);

impl Draw for f64 {
    fn draw(e: &mut Entropy) -> Self {
        let any = f64::from_bits(e.word());
        if any.is_finite() { any } else { f64::from(e.byte()) / 7.0 }
    }
}

impl Draw for String {
    fn draw(e: &mut Entropy) -> Self {
        // Letters, what JSON escapes, two to four bytes of UTF-8, and the separator of keys.
        const ALPHABET: [char; 16] = ['a', 'b', 'Z', '0', '-', '/', ' ', '"', '\\', '\n', '\u{1f}', '\u{7f}', 'é', '漢', '🦀', '\u{2028}'];
        let length = e.byte() % 24;
        (0..length).map(|_| ALPHABET[usize::from(e.byte() % 16)]).collect()
    }
}

impl Draw for Text<'_> {
    fn draw(e: &mut Entropy) -> Self {
        Text::from(String::draw(e))
    }
}

impl Draw for Time {
    fn draw(e: &mut Entropy) -> Self {
        // From year 0 to 9999, most of them within this century.
        match e.byte() {
            0 => Time(-62_167_219_200_000 + (e.word() % 315_569_426_400_001) as i64),
            _ => Time(Time::EARLIEST.0 + (e.word() % 3_155_760_000_000) as i64),
        }
    }
}

impl Draw for Span {
    fn draw(e: &mut Entropy) -> Self {
        Span((e.word() >> 1) as i64)
    }
}

impl Draw for Probability {
    fn draw(e: &mut Entropy) -> Self {
        Option::<f64>::draw(e).map_or(Probability::Uncalibrated, Probability::Calibrated)
    }
}

impl<T: Draw> Draw for Option<T> {
    fn draw(e: &mut Entropy) -> Self {
        (e.byte() & 1 == 1).then(|| T::draw(e))
    }
}

impl<T: Draw> Draw for Box<T> {
    fn draw(e: &mut Entropy) -> Self {
        Box::new(T::draw(e))
    }
}

impl<T: Draw> Draw for Vec<T> {
    fn draw(e: &mut Entropy) -> Self {
        let length = e.byte() % 4;
        (0..length).map(|_| T::draw(e)).collect()
    }
}

/// Any noun whatever.
pub fn nouns<T: Draw + std::fmt::Debug>() -> impl Strategy<Value = T> {
    proptest::collection::vec(any::<u8>(), 0..3_000).prop_map(|bytes| T::draw(&mut Entropy::new(bytes)))
}

/// Events that an input may carry: they pass [`crate::validate::validate`] and hold neither `origin` nor `stamp`.
pub fn events() -> impl Strategy<Value = Event<'static>> {
    nouns::<Event<'static>>().prop_map(repaired)
}

/// The nearest event that is valid.
fn repaired(mut event: Event<'static>) -> Event<'static> {
    event.origin = None;
    event.stamp = None;
    event.time = Time(Time::EARLIEST.0 + event.time.0.rem_euclid(Time::LATEST.0 - Time::EARLIEST.0));
    let tenant: String = event.tenant.chars().filter(|c| *c != '\u{1f}').collect();
    event.tenant = if tenant.is_empty() { Text::borrowed("default") } else { Text::from(tenant) };
    let identity = event.identity.get_or_insert_with(Identity::default);
    name(&mut identity.id);
    if let Some(Source { lat, lon, .. }) = &mut event.source {
        *lat = lat.map(|v| v.clamp(-90.0, 90.0));
        *lon = lon.map(|v| v.clamp(-180.0, 180.0));
    }
    match event.kind {
        EventType::InventoryIdentity => {
            event.inventory.get_or_insert_with(Box::default);
        }
        EventType::ContainmentOutcome => {
            event.containment.get_or_insert_with(|| {
                Box::new(ContainmentOutcome {
                    request_id: None,
                    subject: None,
                    status: OutcomeStatus::Done,
                    by: None,
                    detail: None,
                    action: None,
                    target: None,
                    jws: None,
                })
            });
        }
        EventType::FeedbackLabel => {
            event.feedback.get_or_insert_with(|| {
                Box::new(Feedback {
                    subject: None,
                    verdict_id: None,
                    from: None,
                    to: None,
                    signals: Vec::new(),
                    label: Label::TruePositive,
                    by: None,
                })
            });
        }
        EventType::CheckoutAttempt => {
            event.checkout.get_or_insert_with(Box::default).result.get_or_insert(CheckoutResult::Approved);
        }
        _ => {}
    }
    if let Some(Inventory { criticality, .. }) = event.inventory.as_deref_mut() {
        *criticality = criticality.map(|c| c % 4);
    }
    if let Some(outcome) = event.containment.as_deref_mut() {
        [&mut outcome.subject, &mut outcome.target].into_iter().flatten().for_each(|Named { id, .. }| name(id));
    }
    if let Some(Named { id, .. }) = event.feedback.as_deref_mut().and_then(|f| f.subject.as_mut()) {
        name(id);
    }
    event
}

fn name(id: &mut Text<'static>) {
    if id.is_empty() {
        *id = Text::borrowed("u-1");
    }
}
