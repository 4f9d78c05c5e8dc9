//! The fields of every noun in the order of its schema in `schemas/avro/`.

use super::input::{Flaw, Input, Read};
use super::wire::{Wire, record, write_long};
use portcullis_core::containment::{
    Approval, Approver, ContainmentAnswer, ContainmentDecision, ContainmentRequest, Params, Proposal, SecurityEvent, SeenFrom, Target,
};
use portcullis_core::event::{
    Agent, Auth, Change, Checkout, ContainmentOutcome, Credential, Delegation, Event, Expected, ExternalRisk, Feedback, Identity,
    Inventory, Named, Origin, Privileged, Provider, Request, Session, Source, Stamp,
};
use portcullis_core::lifecycle::{Found, LifecycleFinding};
use portcullis_core::record::{Answer, Control, IncidentClosed, JournalRecord, PolicyRecord, Sample, Tick};
use portcullis_core::verdict::{Actor, IncidentRef, LogRef, Name, PolicyRef, Reason, Verdict};

record! { Identity<'a> { id, class, issuer, native_id, on_behalf_of } }
record! { Provider<'a> { product, instance } }
record! { Credential<'a> { id, kind, issued_at, expires_at, client_id, audience, parent } }
record! { Session<'a> { id, parent } }
record! { Source<'a> { ip, asn, country, lat, lon, radius_km, network, user_agent, device_id, ja4, workload, workload_proof, posture } }
record! { Auth<'a> { method, failure, acr, amr } }
record! { Request<'a> { method, route, status, bytes, object, scope, target } }
record! { Checkout<'a> { order, amount, currency, card, card_country, payee, channel, merchant, result, decline } }
record! { Change<'a> { role, scope, secret, target, value } }
record! { Agent<'a> { tool, model, delegation, task, parent } }
record! { Privileged<'a> { account, target, ticket, session } }
record! { ExternalRisk<'a> { provider, name, level } }
record! { Expected<'a> { networks, asns, countries, workloads, routes, hours, max_rate_per_minute } }
record! { Delegation<'a> { principal, scopes, until } }
record! { Inventory<'a> {
    class, owner, criticality, labels, roles, privileged, aliases, created_at, status, shared_by, delegated_by, expected, max_token_age, rotate_every,
} }
record! { Named<'a> { kind, id } }
record! { ContainmentOutcome<'a> { request_id, subject, status, by, detail, action, target, jws } }
record! { Feedback<'a> { subject, verdict_id, from, to, signals, label, by } }
record! { Origin<'a> { cluster, topic, partition, offset, index } }
record! { Stamp<'a> { agent_class, agent_family, agent_os, native_type, inventoried, reputation, principal_gone } }
record! { Event<'a> {
    id, time, kind, outcome, tenant, identity, provider, credential, session, source, auth, request, checkout, change, agent, privileged, risk,
    inventory, containment, feedback, origin, stamp,
} }

record! { PolicyRecord { version, digest, text, author, applied_at, signatures } }
record! { Tick { due } }
record! { IncidentClosed { tenant, incident, at } }
record! { Sample { tenant, partition, active, at } }
record! { Answer { tenant, jws } }

/// A record of one field, so that a branch can be added.
impl<'a> Wire<'a> for Control {
    fn write(&self, out: &mut Vec<u8>) {
        let mut branch = |index| write_long(index, out);
        match self {
            Control::Policy(policy) => {
                branch(0);
                policy.write(out);
            }
            Control::Tick(tick) => {
                branch(1);
                tick.write(out);
            }
            Control::IncidentClosed(closed) => {
                branch(2);
                closed.write(out);
            }
            Control::Sample(sample) => {
                branch(3);
                sample.write(out);
            }
            Control::Answer(answer) => {
                branch(4);
                answer.write(out);
            }
        }
    }
    fn read<I: Input<'a>>(input: &mut I) -> Read<Self> {
        Ok(match input.long()? {
            0 => Control::Policy(Wire::read(input)?),
            1 => Control::Tick(Wire::read(input)?),
            2 => Control::IncidentClosed(Wire::read(input)?),
            3 => Control::Sample(Wire::read(input)?),
            4 => Control::Answer(Wire::read(input)?),
            _ => return input.fail(Flaw::Branch),
        })
    }
}

#[cfg(any(test, feature = "testing"))]
impl crate::testing::Draw for Control {
    fn draw(entropy: &mut crate::testing::Entropy) -> Self {
        use crate::testing::Draw;
        match entropy.byte() % 5 {
            0 => Control::Tick(Draw::draw(entropy)),
            1 => Control::Policy(Draw::draw(entropy)),
            2 => Control::IncidentClosed(Draw::draw(entropy)),
            3 => Control::Answer(Draw::draw(entropy)),
            _ => Control::Sample(Draw::draw(entropy)),
        }
    }
}

record! { IncidentRef { id, opened_at } }
record! { Reason { signal, family, db, observed, expected, detail, attack, nhi, events } }
record! { PolicyRef { version, digest } }
record! { LogRef { topic, partition, offset } }
record! { Actor { automation } }
record! { Name { kind, id } }
record! { Verdict {
    id, time, appended_at, valid_until, tenant, subject, class, incident, event_id, event_type, score, evidence_db, prior_db, probability, level,
    previous_level, learning, actor, reasons, floor, errors, folded, mode, policy, log, engine,
} }

record! { Target { kind, id, provider, native_id, sub_id } }
record! { SeenFrom { kind, id, first, last } }
record! { Params { method, not, kind, grace, requests, per, scope, cidr, order, text } }
record! { Approver { by, at, reason } }
record! { Approval { state, by } }
record! { ContainmentRequest {
    id, bundle, incident, campaign, verdict_id, time, tenant, subject, class, criticality, owner, action, params, target, playbook, level, reason,
    evidence, dependents, planted, approval, reversible, depends_on, releases, not_after, revert_after, mode, policy, jws,
    siblings, seen_from,
} }
record! { ContainmentDecision {
    id, proposal, end, why, by, time, tenant, subject, action, request, would_send, policy, class, level, target, cause, reason, held_until, needs,
} }
record! { SecurityEvent { id, time, tenant, subject, target, event, change_type, reason, detail, incident, request, jws } }
record! { Found { kind, target, since, detail } }
record! { LifecycleFinding { id, time, tenant, subject, class, owner, criticality, found, policy, engine } }
record! { ContainmentAnswer { id, answer, time, tenant, verb, of, by, reason, end, why, policy } }
record! { Proposal {
    id, bundle, incident, campaign, verdict_id, time, event_time, tenant, subject, class, criticality, owner, labels, action, params, target,
    playbook, level, leading_signal, reason, evidence, dependents, planted, approval_required, mode, revert_after, step, source_ip,
    siblings, seen_from, depends_on,
} }

record! { JournalRecord {
    partition, from, to, log_time, policy, decision_version, outputs, outputs_digest, state_digest, previous, kind, note,
} }
