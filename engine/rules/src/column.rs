//! The columns of a feature row: one list, from which predicates are read and `portcullis policy show --columns` is printed.
//!
//! Names are those of the contract, a section and its field joined by `_` (`source.ip` is `source_ip`); what the subject's memory adds says
//! its window (`_10m`) or unit (`_s`, `_days`). A value that is not known, or means nothing for the event, is NULL.

use portcullis_core::event::{
    AgentClass, AuthFailure, AuthMethod, CheckoutResult, Class, CredentialKind, EventType, Network, Outcome, Posture, WorkloadProof,
};
use portcullis_core::row::Novelty;
use portcullis_core::rule::Asked;
use portcullis_core::time::{DAY_MS, HOUR_MS, SECOND_MS};

/// One column.
pub struct Column {
    pub name: &'static str,
    /// Of a number: `s`, `days`, `db`, `share`, ...; empty for counts and for what has none.
    pub unit: &'static str,
    pub doc: &'static str,
    /// Every value that a text can have; empty where it can be anything.
    pub words: &'static [&'static str],
    pub read: Read,
}

/// How a value is read.
#[derive(Clone, Copy)]
pub enum Read {
    Truth(for<'a> fn(&Asked<'a>) -> Option<bool>),
    /// 64 bits, signed.
    Integer(for<'a> fn(&Asked<'a>) -> Option<i64>),
    /// 64 bits, floating point.
    Number(for<'a> fn(&Asked<'a>) -> Option<f64>),
    Text(for<'a> fn(&Asked<'a>) -> Option<&'a str>),
}

impl Read {
    /// The name of the type in SQL.
    pub const fn sql_type(self) -> &'static str {
        match self {
            Read::Truth(_) => "BOOLEAN",
            Read::Integer(_) => "BIGINT",
            Read::Number(_) => "DOUBLE",
            Read::Text(_) => "VARCHAR",
        }
    }
}

const fn column(name: &'static str, unit: &'static str, doc: &'static str, read: Read) -> Column {
    Column { name, unit, doc, words: &[], read }
}

const fn truth(name: &'static str, doc: &'static str, read: for<'a> fn(&Asked<'a>) -> Option<bool>) -> Column {
    column(name, "", doc, Read::Truth(read))
}

const fn integer(name: &'static str, unit: &'static str, doc: &'static str, read: for<'a> fn(&Asked<'a>) -> Option<i64>) -> Column {
    column(name, unit, doc, Read::Integer(read))
}

const fn number(name: &'static str, unit: &'static str, doc: &'static str, read: for<'a> fn(&Asked<'a>) -> Option<f64>) -> Column {
    column(name, unit, doc, Read::Number(read))
}

const fn text(name: &'static str, doc: &'static str, read: for<'a> fn(&Asked<'a>) -> Option<&'a str>) -> Column {
    column(name, "", doc, Read::Text(read))
}

const fn word(
    name: &'static str,
    words: &'static [&'static str],
    doc: &'static str,
    read: for<'a> fn(&Asked<'a>) -> Option<&'a str>,
) -> Column {
    Column { name, unit: "", doc, words, read: Read::Text(read) }
}

/// The column of a name.
pub fn by_name(name: &str) -> Option<&'static Column> {
    ALL.iter().find(|c| c.name == name)
}

/// Every column: first the event's own words, then what the subject's memory knew before it.
pub const ALL: &[Column] = &[
    // The event.
    word("type", EventType::NAMES, "what happened", |a| Some(a.event.kind.name())),
    word("outcome", Outcome::NAMES, "how it ended", |a| Some(a.event.outcome.name())),
    text("tenant", "whose it is", |a| Some(a.event.tenant.as_str())),
    integer("hour_of_day", "h", "hour of the event's time, UTC, 0 to 23", |a| Some(a.event.time.0.rem_euclid(DAY_MS) / HOUR_MS)),
    // The epoch was a Thursday.
    integer("day_of_week", "", "day of the event's time, UTC, Monday 1 to Sunday 7", |a| {
        Some((a.event.time.0.div_euclid(DAY_MS) + 3).rem_euclid(7) + 1)
    }),
    text("identity_id", "the principal that acted, or was attempted", |a| a.event.identity_id()),
    word("class", Class::NAMES, "of the identity, by the inventory or the log", |a| Some(a.row.class.name())),
    text("identity_issuer", "who names it so", |a| a.event.identity.as_ref()?.issuer.as_deref()),
    text("identity_native_id", "its name in the system that wrote the log", |a| a.event.identity.as_ref()?.native_id.as_deref()),
    text("identity_on_behalf_of", "the principal that it acts for", |a| a.event.identity.as_ref()?.on_behalf_of.as_deref()),
    text("provider_product", "the system that wrote the log", |a| a.event.provider.as_ref()?.product.as_deref()),
    text("provider_instance", "which one of them", |a| a.event.provider.as_ref()?.instance.as_deref()),
    text("credential_id", "what was presented", |a| a.event.credential_id()),
    word("credential_kind", CredentialKind::NAMES, "its kind", |a| Some(a.event.credential.as_ref()?.kind?.name())),
    text("credential_client_id", "the client that it was issued to", |a| a.event.credential.as_ref()?.client_id.as_deref()),
    text("credential_audience", "whom it is meant for", |a| a.event.credential.as_ref()?.audience.as_deref()),
    text("session_id", "the session", |a| a.event.session_id()),
    text("source_ip", "the address it came from", |a| a.event.ip()),
    integer("source_asn", "", "its AS number", |a| Some(i64::from(a.event.source.as_ref()?.asn?))),
    text("source_country", "its country, ISO 3166-1 alpha-2", |a| a.event.source.as_ref()?.country.as_deref()),
    word("source_network", Network::NAMES, "the kind of its network", |a| Some(a.event.source.as_ref()?.network?.name())),
    text("source_user_agent", "the user agent, as it was sent", |a| a.event.source.as_ref()?.user_agent.as_deref()),
    text("source_device_id", "the device", |a| a.event.source.as_ref()?.device_id.as_deref()),
    text("source_ja4", "its TLS fingerprint", |a| a.event.source.as_ref()?.ja4.as_deref()),
    text("source_workload", "the workload's name", |a| a.event.source.as_ref()?.workload.as_deref()),
    word("source_workload_proof", WorkloadProof::NAMES, "how it proved it", |a| Some(a.event.source.as_ref()?.workload_proof?.name())),
    word("source_posture", Posture::NAMES, "the device's posture", |a| Some(a.event.source.as_ref()?.posture?.name())),
    word("agent_class", AgentClass::NAMES, "the kind of program by its user agent", |a| Some(a.event.stamp.as_ref()?.agent_class?.name())),
    word("auth_method", AuthMethod::NAMES, "how it was authenticated", |a| Some(a.event.auth.as_ref()?.method?.name())),
    word("auth_failure", AuthFailure::NAMES, "why it failed", |a| Some(a.event.auth.as_ref()?.failure?.name())),
    text("auth_acr", "the level of authentication, as it was logged", |a| a.event.auth.as_ref()?.acr.as_deref()),
    text("request_method", "HTTP method", |a| a.event.request.as_ref()?.method.as_deref()),
    text("request_route", "the route's template", |a| a.event.request.as_ref()?.route.as_deref()),
    integer("request_status", "", "HTTP status", |a| Some(i64::from(a.event.request.as_ref()?.status?))),
    integer("request_bytes", "bytes", "size of the answer", |a| i64::try_from(a.event.request.as_ref()?.bytes?).ok()),
    text("request_object", "the id of what was touched", |a| a.event.request.as_ref()?.object.as_deref()),
    text("request_scope", "the scope that was used", |a| a.event.request.as_ref()?.scope.as_deref()),
    text("request_target", "another identity that was touched", |a| a.event.request.as_ref()?.target.as_deref()),
    text("checkout_order", "the order", |a| a.event.checkout.as_ref()?.order.as_deref()),
    integer("checkout_amount", "minor units", "the amount, in minor units of its currency", |a| a.event.checkout.as_ref()?.amount),
    text("checkout_currency", "ISO 4217", |a| a.event.checkout.as_ref()?.currency.as_deref()),
    text("checkout_card", "the card's fingerprint", |a| a.event.card()),
    text("checkout_card_country", "the country that issued it", |a| a.event.checkout.as_ref()?.card_country.as_deref()),
    text("checkout_payee", "who is paid", |a| a.event.checkout.as_ref()?.payee.as_deref()),
    text("checkout_channel", "web, app, ...", |a| a.event.checkout.as_ref()?.channel.as_deref()),
    text("checkout_merchant", "the merchant", |a| a.event.checkout.as_ref()?.merchant.as_deref()),
    word("checkout_result", CheckoutResult::NAMES, "what became of it", |a| Some(a.event.checkout.as_ref()?.result?.name())),
    text("checkout_decline", "why it was declined", |a| a.event.checkout.as_ref()?.decline.as_deref()),
    text("change_role", "the role that was granted or taken", |a| a.event.change.as_ref()?.role.as_deref()),
    text("change_scope", "the scope", |a| a.event.change.as_ref()?.scope.as_deref()),
    text("change_secret", "the secret that was read or changed", |a| a.event.change.as_ref()?.secret.as_deref()),
    text("change_target", "what or who was changed", |a| a.event.change.as_ref()?.target.as_deref()),
    text("change_value", "the new value, or the old credential", |a| a.event.change.as_ref()?.value.as_deref()),
    text("agent_tool", "the tool that an AI agent used", |a| a.event.agent.as_ref()?.tool.as_deref()),
    text("agent_model", "its model", |a| a.event.agent.as_ref()?.model.as_deref()),
    text("agent_task", "its task", |a| a.event.agent.as_ref()?.task.as_deref()),
    text("agent_parent", "the agent that called it", |a| a.event.agent.as_ref()?.parent.as_deref()),
    text("privileged_account", "the account that a PAM opened", |a| a.event.privileged.as_ref()?.account.as_deref()),
    text("privileged_target", "the system that it opens", |a| a.event.privileged.as_ref()?.target.as_deref()),
    text("privileged_ticket", "the ticket that was named", |a| a.event.privileged.as_ref()?.ticket.as_deref()),
    // What was known before it.
    truth("learning", "too little is known of the subject for novelty to mean anything", |a| Some(a.row.learning)),
    truth("is_privileged", "the inventory calls the identity privileged", |a| Some(a.row.privileged)),
    truth("is_outage", "most of the tenant's identities fail in this event's way just now", |a| Some(a.row.outage)),
    integer("account_age_days", "days", "since the account was created", |a| Some(a.row.age_ms? / DAY_MS)),
    integer("idle_days", "days", "since the event before this one, for the first after a pause", |a| Some(a.row.idle_ms? / DAY_MS)),
    integer("events_1m", "", "events in 1 min, this one included", |a| Some(i64::from(a.row.events[0]))),
    integer("events_5m", "", "events in 5 min", |a| Some(i64::from(a.row.events[1]))),
    integer("events_1h", "", "events in 1 h", |a| Some(i64::from(a.row.events[2]))),
    integer("usual_events_1m", "", "what is usual at this hour in 1 min", |a| Some(i64::from(a.row.usual_events?[0]))),
    integer("usual_events_5m", "", "what is usual at this hour in 5 min", |a| Some(i64::from(a.row.usual_events?[1]))),
    integer("usual_events_1h", "", "what is usual at this hour in 1 h", |a| Some(i64::from(a.row.usual_events?[2]))),
    number("strange_hour_db", "dB", "how unlike the identity this hour is; 0 where it is not", |a| {
        Some(f64::from(a.row.strange_hour_cb) / 10.0)
    }),
    number("hour_of_week_share", "share", "of its usual activity that falls into this hour, workdays and weekends apart", |a| {
        Some(f64::from(a.row.hour_share_ppm?) / 1e6)
    }),
    number("automation", "share", "how much of the actor is a program, by its rhythm: 0 to 1", |a| {
        Some(f64::from(a.row.rhythm.automation_permille()) / 1_000.0)
    }),
    integer("failed_10m", "", "failures that could be guesses, from unfamiliar sources, in 10 min", |a| Some(i64::from(a.row.failed_10m))),
    integer("failed_1h", "", "the same in 1 h", |a| Some(i64::from(a.row.failed_1h))),
    integer("failed_from_source", "", "failures from this event's source before it, with pauses under 3 h", |a| {
        Some(i64::from(a.row.failed_from_source))
    }),
    integer("push_denied_10m", "", "pushes denied or unanswered in 10 min", |a| Some(i64::from(a.row.push_denied_10m))),
    truth("source_familiar", "the source or the device has succeeded here before", |a| Some(a.row.source_familiar)),
    truth("new_country", "never seen with this country", |a| Some(a.row.new_country.is_some())),
    truth("new_network", "never seen with this network", |a| Some(a.row.new_network.is_some())),
    truth("new_device", "never seen with this device", |a| Some(a.row.new_device.is_some())),
    truth("new_agent", "never seen with this program", |a| Some(a.row.new_agent.is_some())),
    truth("new_route", "never seen on this route", |a| Some(a.row.new_route.is_some())),
    truth("new_scope", "never seen with this scope", |a| Some(a.row.new_scope.is_some())),
    truth("new_workload", "a workload that it neither declares nor has used", |a| Some(a.row.new_workload)),
    truth("new_method", "never accepted by this method", |a| Some(a.row.new_method)),
    truth("new_card", "never paid with this card", |a| Some(a.row.new_card)),
    truth("new_payee", "never paid this payee", |a| Some(a.row.new_payee)),
    number("new_country_share", "share", "of the tenant's identities that have the new country", |a| share(a.row.new_country)),
    number("new_network_share", "share", "of those that have the new network", |a| share(a.row.new_network)),
    number("new_device_share", "share", "of those that have the new kind of device", |a| share(a.row.new_device)),
    number("new_route_share", "share", "of those that use the new route", |a| share(a.row.new_route)),
    number("travel_km", "km", "way between two successes, less both places' errors", |a| Some(a.row.travel?.distance_km)),
    number("travel_kmh", "km/h", "its speed", |a| Some(a.row.travel?.speed_kmh())),
    integer("device_known_days", "days", "since the device was first seen here", |a| a.row.device_known_days),
    integer("network_known_days", "days", "since the network was first seen here", |a| a.row.network_known_days),
    integer("credential_age_days", "days", "age of the presented credential", |a| Some(a.row.credential_age_ms? / DAY_MS)),
    integer("since_push_fatigue_s", "s", "since pushes were denied in numbers", |a| seconds(a.row.since_push_fatigue_ms)),
    integer("since_recovery_s", "s", "since the account was recovered", |a| seconds(a.row.since_recovery_ms)),
    integer("since_credential_change_s", "s", "since a password or factor was changed", |a| seconds(a.row.since_credential_change_ms)),
    integer("since_risky_login_s", "s", "since a log-in from a strange place or device", |a| seconds(a.row.since_risky_login_ms)),
    integer("since_weakened_s", "s", "since a factor was removed or a weaker one used", |a| seconds(a.row.since_weakened_ms)),
    integer("since_assisted_s", "s", "since support reset a factor or password", |a| seconds(a.row.since_assisted_ms)),
    integer("since_revoked_s", "s", "since the presented credential was revoked or replaced", |a| seconds(Some(a.row.fact.revoked?.ms))),
    integer("since_expired_s", "s", "since it ended", |a| seconds(a.row.fact.expired_ms)),
    integer("since_exposed_s", "s", "since it was found exposed", |a| seconds(a.row.fact.exposed_ms)),
    integer("distinct_objects_10m", "", "different objects touched in 10 min", |a| Some(i64::from(a.row.reach.objects_10m))),
    integer("usual_objects_10m", "", "what is usual", |a| Some(i64::from(a.row.reach.usual_objects_10m))),
    integer("refused_5m", "", "answers 401, 403 and 404 in 5 min", |a| Some(i64::from(a.row.reach.refused_5m))),
    integer("bytes_1h", "bytes", "sent to it in 1 h", |a| i64::try_from(a.row.reach.bytes_1h).ok()),
    integer("usual_bytes_1h", "bytes", "what is usual", |a| i64::try_from(a.row.reach.usual_bytes_1h).ok()),
    integer("distinct_customers_1h", "", "customers that support opened in 1 h", |a| Some(i64::from(a.row.reach.customers_1h))),
    integer("distinct_secrets_1h", "", "different secrets read in 1 h", |a| Some(i64::from(a.row.privilege.secrets_1h))),
    integer("usual_secrets_1h", "", "what is usual", |a| Some(i64::from(a.row.privilege.usual_secrets_1h))),
    integer("distinct_targets_1h", "", "different systems opened with privilege in 1 h", |a| Some(i64::from(a.row.privilege.targets_1h))),
    truth("has_ticket", "a privileged session or checkout names a ticket", |a| a.row.privilege.ticket),
    integer("since_grant_s", "s", "since the latest grant before a secret is read", |a| seconds(Some(a.row.privilege.grant?.ms))),
    integer("assisted_24h", "", "identities whose factor or password it reset in 24 h", |a| Some(i64::from(a.row.privilege.assisted_24h))),
    truth("new_tool", "an AI agent uses a tool that it never used", |a| Some(a.row.agent.tool_new)),
    truth("tool_outside_delegation", "the delegation names tools, and not this one", |a| Some(a.row.agent.tool_outside)),
    integer("agent_repeats", "", "the same act in a row", |a| Some(i64::from(a.row.agent.repeats))),
    integer("checkouts_10m", "", "checkouts in 10 min", |a| Some(i64::from(a.row.checkouts_10m))),
    integer("declines_10m", "", "declined ones in 10 min", |a| Some(i64::from(a.row.declines_10m))),
    integer("distinct_cards_10m", "", "different cards in 10 min", |a| Some(i64::from(a.row.cards_10m))),
    integer("checkouts_1h", "", "checkouts in 1 h", |a| Some(i64::from(a.row.shop.count_1h))),
    integer("checkouts_24h", "", "checkouts in 24 h", |a| Some(i64::from(a.row.shop.count_24h))),
    integer("amount_24h", "minor units", "their sum in 24 h", |a| Some(a.row.shop.sum_24h)),
    number("amount_z", "", "robust z of the log amount", |a| Some(f64::from(a.row.shop.amount_z_tenths?) / 10.0)),
    integer("refunds_24h", "", "refunds in 24 h", |a| Some(i64::from(a.row.shop.refunds_24h))),
    integer("signups_1h", "", "new accounts from this source or device in 1 h", |a| Some(i64::from(a.row.shop.signups_1h))),
    integer("distinct_identities_15m", "", "identities tried from this source in 15 min", |a| Some(i64::from(a.row.identities_15m.all))),
    integer("failing_identities_15m", "", "of them without a success", |a| Some(i64::from(a.row.identities_15m.failing))),
    integer("distinct_identities_24h", "", "identities on this card or device in 24 h", |a| Some(i64::from(a.row.shop.identities_24h))),
    integer("unknown_identities_15m", "", "names that nobody has, tried from this source in 15 min", |a| {
        Some(i64::from(a.row.unknown_15m))
    }),
];

fn seconds(ms: Option<i64>) -> Option<i64> {
    Some(ms? / SECOND_MS)
}

fn share(novelty: Option<Novelty>) -> Option<f64> {
    Some(f64::from(novelty?.share_ppm) / 1e6)
}

/// The list as a page.
pub fn page() -> String {
    let mut page = String::from(
        "# The feature row\n\nOne row for each event of each subject. `VARCHAR` is text, `BIGINT` a whole number, `DOUBLE` a number with a fraction. What is not known, or means\n\
         nothing for the event, is NULL, and so is what is computed from it; a rule hits where its predicate is true, not where it is NULL.\n\n\
         | column | type | unit | meaning |\n|---|---|---|---|\n",
    );
    for column in ALL {
        let words = if column.words.is_empty() { String::new() } else { format!(": `{}`", column.words.join("`, `")) };
        page.push_str(&format!("| `{}` | {} | {} | {}{words} |\n", column.name, column.read.sql_type(), column.unit, column.doc));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_column_is_explained() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(ALL[i + 1..].iter().all(|b| b.name != a.name), "{} is there twice", a.name);
            assert!(!a.doc.is_empty() && a.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{}", a.name);
            assert!(page().contains(&format!("| `{}` |", a.name)));
        }
    }
}
