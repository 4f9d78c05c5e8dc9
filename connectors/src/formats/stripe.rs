//! `stripe`: events of Stripe, as webhooks, event destinations and the API give them.
//!
//! | event | type |
//! |---|---|
//! | `charge.succeeded`, `charge.failed` | `checkout.attempt` |
//! | `charge.refunded` | `checkout.refund` |
//! | `setup_intent.succeeded`, `setup_intent.setup_failed` | `checkout.attempt` of amount 0, channel `setup`: a card was tried |
//! | `customer.created`, `customer.deleted` | `account.create`, `account.delete` |
//! | `payment_method.attached`, `payment_method.detached` | `account.update` of the `payment_method`, removed |
//! | any other | ignored as `stripe:TYPE` |
//!
//! | Stripe | event |
//! |---|---|
//! | `id`, `created` (s) | `id`, `time` |
//! | `customer`, else the e-mail address of the bill, else the card as `card:FINGERPRINT` (a guest) | `identity.id`, class `customer` |
//! | `account` of Connect | `provider.instance`, `checkout.merchant` |
//! | `metadata.order_id`, else `payment_intent`, else the object's `id` | `checkout.order` |
//! | `amount` (`amount_refunded`), `currency` | `checkout.{amount,currency}` |
//! | `payment_method_details.card.{fingerprint,country}`, also of `last_setup_error.payment_method` | `checkout.{card,card_country}` |
//! | `payment_method_details.card.wallet.type`, else `.type` | `checkout.channel` |
//! | `transfer_data.destination` | `checkout.payee` |
//! | `status`, `outcome.type` | `outcome`; `checkout.result`: `manual_review` review, `issuer_declined`, `blocked`, `invalid` declined |
//! | `failure_code`, `outcome.reason` | `checkout.decline` |
//!
//! Ignored although they are about fraud: `charge.dispute.*`, `radar.early_fraud_warning.*` and `review.*` name a charge and neither its
//! customer nor its card, so no profile can be labelled by them; whoever knows the charge sends a `feedback.label`. `payment_intent.*`
//! and `refund.*` tell what `charge.*` tells. Stripe names no address of the buyer: the shop's own log does.
//!
//! Source: Stripe API, "Types of events" and the objects in them. Public objects in an event around them are read in
//! `tests/real_data.rs`; the examples here are written from the documented fields.

use super::fields::{self, Unless};
use super::json::Json;
use super::{Fault, Item, kind_of};
use portcullis_core::event::{Change, Checkout, CheckoutResult, Class, EventType, Outcome};
use portcullis_core::text::Text;

/// Reads one record.
pub(super) fn decode<'a>(json: &Json<'a>) -> Result<Item<'a>, Fault> {
    let Some(name) = json.get("type").text() else { return Err(Fault::new("type", "missing: not an event of Stripe")) };
    let Some(kind) = kind(&name) else { return Ok(Item::ignored(kind_of("stripe", Some(&name)))) };
    let time = fields::time(json, &["created"], Json::seconds)?;
    let object = json.at("data.object");
    let method = method_of(object);
    let card = method.get("card");
    let fingerprint = card.get("fingerprint").text();
    let customer = if object.get("object").str() == "customer" { object.get("id").text() } else { id_of(object.get("customer")) };
    // A payment method that was detached has lost its customer; what it had before stands beside.
    let customer = customer.or_else(|| id_of(json.at("data.previous_attributes.customer")));
    let address = || fields::first(object, &["billing_details.email", "receipt_email", "email"]).map(fields::lower);
    let guest = || fingerprint.as_ref().map(|card| Text::from(format!("card:{card}")));
    let Some(id) = customer.or_else(address).or_else(guest) else {
        return Err(Fault::new("data.object.customer", "missing, and neither e-mail address nor card say whose it is"));
    };
    let account = json.get("account").text();
    let mut event = fields::event(kind, time, name.clone());
    event.id = json.get("id").text().unwrap_or_default();
    let mut identity = fields::identity(id, address(), None);
    identity.class = Some(Class::Customer);
    event.identity = Some(identity);
    event.provider = fields::provider("stripe", account.clone());
    let failed = name.ends_with("failed") || object.get("status").str() == "failed";
    event.outcome = if failed { Outcome::Failure } else { Outcome::Success };
    match kind {
        EventType::AccountUpdate => {
            event.change = Change {
                target: Some(Text::borrowed("payment_method")),
                value: fingerprint,
                role: name.ends_with("detached").then_some(Text::borrowed("removed")),
                ..Change::default()
            }
            .boxed_unless_empty();
        }
        EventType::CheckoutAttempt | EventType::CheckoutRefund => {
            let is_setup = name.starts_with("setup_intent.");
            let refund = kind == EventType::CheckoutRefund;
            event.checkout = Checkout {
                order: fields::first(object, &["metadata.order_id"])
                    .or_else(|| id_of(object.get("payment_intent")))
                    .or_else(|| object.get("id").text()),
                amount: if is_setup { Some(0) } else { object.get(if refund { "amount_refunded" } else { "amount" }).int() },
                currency: object.get("currency").text().map(|currency| Text::from(currency.to_ascii_uppercase())),
                card: fingerprint,
                card_country: fields::country(card.get("country")),
                payee: id_of(object.at("transfer_data.destination")),
                channel: if is_setup { Some(Text::borrowed("setup")) } else { fields::first(method, &["card.wallet.type", "type"]) },
                merchant: account.or_else(|| id_of(object.get("on_behalf_of"))),
                result: Some(result(object, failed)).filter(|_| !refund),
                decline: if failed { decline(object) } else { None },
            }
            .boxed_unless_empty();
        }
        _ => {}
    }
    Ok(Item::Event(event))
}

/// The table of types.
fn kind(name: &str) -> Option<EventType> {
    Some(match name {
        "charge.succeeded" | "charge.failed" | "setup_intent.succeeded" | "setup_intent.setup_failed" => EventType::CheckoutAttempt,
        "charge.refunded" => EventType::CheckoutRefund,
        "customer.created" => EventType::AccountCreate,
        "customer.deleted" => EventType::AccountDelete,
        "payment_method.attached" | "payment_method.detached" => EventType::AccountUpdate,
        _ => return None,
    })
}

/// An id, or that of the object in its place where the sender expanded it.
fn id_of<'a>(json: &Json<'a>) -> Option<Text<'a>> {
    json.text().or_else(|| json.get("id").text())
}

/// How it was paid: of a charge, of the payment method itself, of a set-up that failed.
fn method_of<'j, 'a>(object: &'j Json<'a>) -> &'j Json<'a> {
    let places = ["payment_method_details", "last_setup_error.payment_method", "payment_method"];
    places.iter().map(|path| object.at(path)).find(|method| method.is_object()).unwrap_or(object)
}

fn result(object: &Json, failed: bool) -> CheckoutResult {
    match object.at("outcome.type").str() {
        "manual_review" => CheckoutResult::Review,
        "issuer_declined" | "blocked" | "invalid" => CheckoutResult::Declined,
        _ if failed => CheckoutResult::Declined,
        _ => CheckoutResult::Approved,
    }
}

fn decline<'a>(object: &Json<'a>) -> Option<Text<'a>> {
    fields::first(object, &["outcome.reason", "last_setup_error.decline_code", "failure_code", "last_setup_error.code"])
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Input, testing};
    use portcullis_core::event::Event;

    fn record(name: &str, object: &str) -> String {
        format!(r#"{{"id":"evt_1","object":"event","created":1777629600,"livemode":true,"type":"{name}","data":{{"object":{object}}}}}"#)
    }

    fn read(raw: &str) -> String {
        testing::read(Format::Auto, raw, &Input::behaviour("stripe", None))
    }

    fn event(raw: &str, check: impl FnOnce(Event)) {
        testing::event(Format::Stripe, raw, &Input::behaviour("stripe", None), check);
    }

    const CHARGE: &str = r#"{"object":"charge","id":"ch_1","amount":1999,"amount_refunded":500,"currency":"chf","customer":"cus_1","status":"failed","failure_code":"card_declined","payment_intent":"pi_1",
        "outcome":{"type":"issuer_declined","reason":"insufficient_funds"},"billing_details":{"email":"Alice@example.com"},
        "payment_method_details":{"type":"card","card":{"fingerprint":"fp1","country":"CH","wallet":{"type":"apple_pay"}}}}"#;

    #[test]
    fn a_charge_that_failed() {
        assert_eq!(
            read(&record("charge.failed", CHARGE)),
            concat!(
                r#"{"id":"evt_1","time":"2026-05-01T10:00:00.000Z","type":"checkout.attempt","outcome":"failure","tenant":"default","#,
                r#""identity":{"id":"cus_1","class":"customer","native_id":"alice@example.com"},"provider":{"product":"stripe"},"#,
                r#""checkout":{"order":"pi_1","amount":1999,"currency":"CHF","card":"fp1","card_country":"CH","channel":"apple_pay","result":"declined","decline":"insufficient_funds"},"#,
                r#""stamp":{"native_type":"charge.failed"}}"#
            )
        );
        let refund = read(&record("charge.refunded", &CHARGE.replace("\"failed\"", "\"succeeded\"")));
        assert!(refund.contains(r#""type":"checkout.refund","outcome":"success""#) && refund.contains(r#""amount":500"#), "{refund}");
    }

    #[test]
    fn guests_cards_and_customers() {
        let guest = CHARGE.replace(r#""customer":"cus_1","#, "").replace("Alice@example.com", "");
        event(&record("charge.failed", &guest), |event| assert_eq!(event.identity_id(), Some("card:fp1")));
        let setup = r#"{"object":"setup_intent","id":"seti_1","customer":"cus_1","last_setup_error":{"decline_code":"stolen_card","payment_method":{"type":"card","card":{"fingerprint":"fp2"}}}}"#;
        assert!(read(&record("setup_intent.setup_failed", setup)).contains(
            r#""checkout":{"order":"seti_1","amount":0,"card":"fp2","channel":"setup","result":"declined","decline":"stolen_card"}"#
        ));
        let method = r#"{"object":"payment_method","id":"pm_1","type":"card","customer":"cus_1","card":{"fingerprint":"fp3"}}"#;
        assert!(read(&record("payment_method.attached", method)).contains(r#""change":{"target":"payment_method","value":"fp3"}"#));
        assert!(
            read(&record("customer.created", r#"{"object":"customer","id":"cus_9","email":"x@example.com"}"#))
                .contains(r#""identity":{"id":"cus_9","class":"customer","native_id":"x@example.com"}"#)
        );
        assert_eq!(read(&record("charge.dispute.created", "{}")), "stripe:charge.dispute.created");
        assert!(read(&record("charge.failed", "{}")).starts_with("data.object.customer: missing"));
    }
}
