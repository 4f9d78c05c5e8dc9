//! Who may say what: the one place where a decoded record meets what its input is trusted with.
//!
//! An input carries behaviour alone unless it is marked `trust: control`, and is believed about the tenant only where it says
//! `tenant: from_record`. An outcome that is signed may come by any. What a record says in `origin` or `stamp` is dropped: INGEST stamps those.

use super::{Fault, Input, Item};
use portcullis_core::event::{DEFAULT_TENANT, Event, EventType, Provider};
use portcullis_core::text::Text;

/// Lets the event through with the input's tenant and provider, or turns it into a fault `not_allowed_here`.
pub fn admit<'a>(item: &mut Item<'a>, input: &'a Input) {
    if let Item::Event(event) = item
        && let Err(fault) = settle(event, input)
    {
        *item = Item::Fault(fault);
    }
}

fn settle<'a>(event: &mut Event<'a>, input: &'a Input) -> Result<(), Fault> {
    if event.kind.is_control() && !input.trust_control && !is_signed(event) {
        let or_signed = if event.kind == EventType::ContainmentOutcome { ", or signed by a responder of the policy" } else { "" };
        return Err(Fault::new(
            "type",
            format!(
                "not_allowed_here: {} may only come from an input marked `trust: control`, which {:?} is not{or_signed}",
                event.kind, input.name
            ),
        ));
    }
    settle_tenant(event, input)?;
    event.origin = None;
    settle_provider(event, input);
    Ok(())
}

/// An outcome that is signed is judged by whoever knows the policy: SCORE and GATE.
fn is_signed(event: &Event<'_>) -> bool {
    event.kind == EventType::ContainmentOutcome && event.containment.as_ref().is_some_and(|outcome| outcome.is_signed())
}

/// A record that says `default`, or nothing, names no tenant.
fn settle_tenant<'a>(event: &mut Event<'a>, input: &'a Input) -> Result<(), Fault> {
    let of_input = input.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
    let names_one = event.tenant.as_str() != DEFAULT_TENANT && !event.tenant.is_empty();
    if !names_one {
        if event.tenant.as_str() != of_input {
            event.tenant = Text::borrowed(of_input);
        }
    } else if !input.tenant_from_record && event.tenant.as_str() != of_input {
        return Err(Fault::new(
            "tenant",
            format!(
                "not_allowed_here: the record names tenant {:?}, input {:?} speaks for {of_input:?} (`tenant: from_record` would believe it)",
                event.tenant, input.name
            ),
        ));
    }
    Ok(())
}

fn settle_provider<'a>(event: &mut Event<'a>, input: &'a Input) {
    if input.provider_product.is_none() && input.provider_instance.is_none() {
        return;
    }
    let provider = event.provider.get_or_insert_with(Provider::default);
    if provider.product.is_none() {
        provider.product = input.provider_product.as_deref().map(Text::borrowed);
    }
    if provider.instance.is_none() {
        provider.instance = input.provider_instance.as_deref().map(Text::borrowed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, decode};
    use super::*;

    fn read(raw: &str, input: &Input) -> String {
        let mut out = String::new();
        decode(Format::Native, raw.as_bytes(), input, &mut |_, item| match item {
            Item::Event(event) => out.push_str(&serde_json::to_string(&event).unwrap()),
            Item::Fault(fault) => out.push_str(&fault.to_string()),
            Item::Ignored { kind } => out.push_str(&kind),
        });
        out
    }

    const LOGIN: &str = r#"{"time":1760000000000,"type":"auth.login","identity":{"id":"u"}"#;

    #[test]
    fn control_needs_trust() {
        let inventory = r#"{"time":1760000000000,"type":"inventory.identity","identity":{"id":"u"},"inventory":{"owner":"o"}}"#;
        let mut input = Input::behaviour("auth-log", None);
        assert!(read(inventory, &input).starts_with("type: not_allowed_here: inventory.identity"));
        input.trust_control = true;
        assert!(read(inventory, &input).contains("\"owner\":\"o\""));
        assert!(read(inventory, &Input::operator("f")).contains("\"owner\":\"o\""));
        // Whoever can label can make the engine milder.
        let label = r#"{"time":1760000000000,"type":"feedback.label","identity":{"id":"u"},"feedback":{"label":"false_positive"}}"#;
        assert!(read(label, &Input::behaviour("auth-log", None)).starts_with("type: not_allowed_here: feedback.label"));
        assert!(read(label, &input).contains("false_positive"));
        // What is signed is judged by whoever knows the policy.
        let outcome = |jws: &str| {
            let of = r#""status":"done","subject":{"kind":"identity","id":"u"}"#;
            format!(r#"{{"time":1760000000000,"type":"containment.outcome","containment":{{{of}{jws}}}}}"#)
        };
        let behaviour = Input::behaviour("auth-log", None);
        assert!(read(&outcome(""), &behaviour).contains("or signed by a responder of the policy"));
        assert!(read(&outcome(r#","jws":"a.b.c""#), &behaviour).contains("\"jws\":\"a.b.c\""));
        let label = label.replace("feedback\":{", "containment\":{\"status\":\"done\",\"jws\":\"a.b.c\"},\"feedback\":{");
        assert!(read(&label, &behaviour).starts_with("type: not_allowed_here: feedback.label"), "an outcome alone");
    }

    #[test]
    fn the_tenant_is_the_inputs() {
        let named = format!("{LOGIN},\"tenant\":\"other\"}}");
        let silent = format!("{LOGIN}}}");
        let mut input = Input::behaviour("auth-log", Some("retail-ch"));
        assert!(read(&named, &input).starts_with("tenant: not_allowed_here"));
        assert!(read(&silent, &input).contains("\"tenant\":\"retail-ch\""));
        input.tenant_from_record = true;
        assert!(read(&named, &input).contains("\"tenant\":\"other\""));
        assert!(read(&silent, &input).contains("\"tenant\":\"retail-ch\""));
        assert!(read(&format!("{LOGIN},\"tenant\":\"a\\u001fb\"}}"), &input).starts_with("tenant: "));
    }

    #[test]
    fn origin_and_stamp_are_ours() {
        let forged = format!(
            "{LOGIN},\"origin\":{{\"cluster\":\"x\",\"topic\":\"y\",\"partition\":0,\"offset\":1,\"index\":0}},\"stamp\":{{\"inventoried\":true,\"agent_class\":\"cli\"}}}}"
        );
        let event = read(&forged, &Input::operator("f"));
        assert!(!event.contains("origin") && !event.contains("stamp"), "{event}");
    }

    #[test]
    fn the_provider_is_filled_in_where_the_record_is_silent() {
        let mut input = Input::behaviour("keycloak", None);
        input.provider_product = Some("keycloak".into());
        input.provider_instance = Some("https://idp.example/realms/lab".into());
        let event = read(&format!("{LOGIN},\"provider\":{{\"product\":\"k2\"}}}}"), &input);
        assert!(event.contains(r#""provider":{"product":"k2","instance":"https://idp.example/realms/lab"}"#), "{event}");
    }
}
