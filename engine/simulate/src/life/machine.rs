//! Machines' visits: runs of requests at their rhythm, with tokens where they use them; agents' tasks with their tools.

use super::{Life, Step, origin};
use crate::clock::{DAY, HOUR, MINUTE, weekday};
use crate::identity::{AGENTS, Class, DOMAINS, Frame, Machine, Rhythm, VENDORS};
use crate::json::{self, failure, success};
use crate::random::{Random, mix};

/// What is left of a run.
#[derive(Clone, Debug)]
pub struct MachineVisit {
    pub at: i64,
    pub random: Random,
    /// Number of the run since the beginning.
    pub run: u64,
    pub token_at: i64,
    pub token: bool,
    /// Reads its password first.
    pub secret: bool,
    pub requests: u32,
}

impl Life {
    pub(super) fn next_machine(&mut self, frame: &Frame, machine: &Machine) -> Option<MachineVisit> {
        let phase = (machine.key >> 3) as i64 % machine.period_ms.min(DAY);
        loop {
            let run = self.position;
            self.position += 1;
            let random = &mut self.random;
            // A cron starts within seconds of its time; what follows people's hours drifts by a tenth of its period.
            let jitter = match machine.rhythm {
                Rhythm::Cron => 4_000,
                Rhythm::Steady => 500,
                Rhythm::Bursty => machine.period_ms as u64 / 10,
            };
            let at = origin(frame) + phase + run as i64 * machine.period_ms + random.below(jitter.max(1)) as i64;
            if at >= frame.end {
                return None;
            }
            let quiet = machine.rhythm == Rhythm::Bursty && {
                let hour = at.rem_euclid(DAY) / HOUR;
                let busy = if weekday(at) >= 5 { 250 } else { 1_000 };
                !random.chance(if (6..19).contains(&hour) { busy } else { busy / 5 })
            };
            if at < frame.start || quiet {
                continue;
            }
            let requests = match machine.rhythm {
                Rhythm::Bursty => 1 + random.exponential(machine.run_requests).min(machine.run_requests * 4),
                _ => machine.run_requests,
            };
            // An agent has a token for each task, a service one for as long as it lasts.
            let token = machine.oauth && (machine.who.class == Class::Agent || at - self.sessions[0] > 55 * MINUTE);
            if token {
                self.sessions[0] = at;
            }
            return Some(MachineVisit {
                at,
                random: Random::of(&[machine.key, run]),
                run,
                token_at: self.sessions[0],
                token,
                secret: token && machine.reads_secret,
                requests: requests as u32,
            });
        }
    }
}

/// Who and where from, rendered once a run.
pub fn context(out: &mut Vec<u8>, machine: &Machine, visit: &MachineVisit, messy: bool) {
    let principal = (machine.who.class == Class::Agent).then(|| machine.principal(visit.run));
    json::identity(out, machine.tenant, machine.who, principal);
    let spot = machine.spot(visit.at, visit.run);
    // Now and then a log lacks who ran it.
    let unknown = messy && mix(machine.key ^ visit.run) % 1_000 < 3;
    let (workload, proof) = match machine.who.class {
        _ if unknown => (String::new(), ""),
        Class::Service | Class::Agent => (machine.workload(), "mtls"),
        _ => (String::new(), ""),
    };
    json::workload_source(out, &spot, user_agent(machine), &workload, proof);
}

/// What the program calls itself.
pub fn user_agent(machine: &Machine) -> &'static str {
    match machine.who.class {
        Class::Agent => "agent-runtime/3.2",
        Class::Test => "k6/0.57.0",
        Class::Partner => ["Java-http-client/21.0.6", "Apache-HttpClient/5.4.2", "axios/1.7.9"][machine.key as usize % 3],
        _ => ["Go-http-client/2.0", "reqwest/0.12.12", "python-httpx/0.28.1"][machine.key as usize % 3],
    }
}

/// Access token or static key, rendered once a run.
pub fn bearer(out: &mut Vec<u8>, frame: &Frame, machine: &Machine, visit: &MachineVisit) {
    if machine.oauth {
        let id = format!("at-{:012x}", mix(machine.key ^ visit.token_at as u64) >> 16);
        json::credential(out, &id, "access_token", visit.token_at, Some(visit.token_at + 2 * HOUR), &machine.key_id(), "");
    } else {
        let client = machine.vendor.map_or("", |v| VENDORS[v]);
        json::credential(out, &machine.key_id(), "api_key", frame.start - machine.key_age_ms, None, "", client);
    }
}

impl MachineVisit {
    pub fn len(&self) -> u64 {
        u64::from(self.token) + u64::from(self.secret) + u64::from(self.requests)
    }

    /// Does the next thing, appending what is particular to it to `body`. `None` when the run is over.
    pub fn step(&mut self, machine: &Machine, body: &mut Vec<u8>) -> Option<Step> {
        let random = &mut self.random;
        if std::mem::replace(&mut self.token, false) {
            json::auth(body, "client_credentials", "", &[]);
            return Some(Step { head: success("auth.token"), with_bearer: true, pause: random.between(20, 200) });
        }
        if std::mem::replace(&mut self.secret, false) {
            json::change(body, &[("secret", &format!("prod/{}/database", machine.who.id()))]);
            return Some(Step { head: success("secret.read"), with_bearer: true, pause: random.between(20, 200) });
        }
        if self.requests == 0 {
            return None;
        }
        self.requests -= 1;
        let gap = machine.gap_ms as i64;
        let pause = match machine.rhythm {
            Rhythm::Steady => gap * random.between(960, 1_040) / 1_000,
            _ => gap / 4 + random.exponential(gap as u64) as i64,
        };
        let status = [200, 404, 429, 503][random.weighted(&[985, 8, 3, 4])];
        let outcome = if status == 200 { success("api.request") } else { failure("api.request") };
        if machine.who.class == Class::Agent {
            let kind = &AGENTS[machine.domain];
            let tool = kind.tools[random.weighted(&[45, 30, 15, 10])];
            let request = json::Request {
                method: "POST",
                route: "/tools/{tool}",
                status,
                bytes: 200 + random.exponential(3_000),
                object: Some(random.below(9_000)),
                scope: kind.scope,
                target: None,
            };
            json::request(body, &request);
            json::agent(body, tool, machine, self.run);
        } else {
            let (method, route, scope) = DOMAINS[machine.domain].routes[random.weighted(&[60, 20, 15, 5])];
            let object = route.contains("{id}").then(|| random.below(5_000));
            json::request(
                body,
                &json::Request { method, route, status, bytes: 200 + random.exponential(1_500), object, scope, target: None },
            );
        }
        Some(Step { head: outcome, with_bearer: true, pause })
    }
}
