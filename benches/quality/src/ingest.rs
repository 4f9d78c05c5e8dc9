//! What INGEST would have stamped on an event, as far as measuring needs it: class and canonical id by inventory, family and class of the user
//! agent, reputation of the source, the device and the card.
//!
//! The service does both better (its table of user agents is long); it cannot be used here without Kafka's client.

use crate::finding::Finding;
use portcullis_core::event::{AgentClass, Class, Event, Stamp};
use portcullis_core::subject::{Kind, SubjectRef, source_id};
use portcullis_core::text::Text;
use portcullis_core::verdict::Level;
use std::collections::HashMap;

/// Identities of the inventory.
#[derive(Default)]
pub struct Ingest {
    /// By tenant and name: canonical id and class.
    known: HashMap<(String, String), (String, Option<Class>)>,
    /// Level at which sources, devices and cards stand, by tenant and key.
    standing: HashMap<Vec<u8>, Level>,
}

impl Ingest {
    /// Remembers at which level a source, device or card stands.
    pub fn reputation(&mut self, finding: &Finding) {
        let Some(kind) = Kind::from_name(&finding.subject.kind).filter(|k| *k != Kind::Identity) else { return };
        let key = SubjectRef { kind, tenant: &finding.tenant, id: &finding.subject.id }.key();
        if finding.level > Level::Low {
            self.standing.insert(key, finding.level);
        } else {
            self.standing.remove(&key);
        }
    }

    fn standing(&self, event: &Event<'_>) -> Option<Level> {
        let source = event.ip().and_then(source_id);
        let subjects = [(Kind::Source, source.as_deref()), (Kind::Device, event.device_id()), (Kind::Card, event.card())];
        let keys = subjects.iter().filter_map(|(kind, id)| Some(SubjectRef { kind: *kind, tenant: &event.tenant, id: (*id)? }.key()));
        if self.standing.is_empty() { None } else { keys.filter_map(|key| self.standing.get(&key).copied()).max() }
    }

    /// Learns from an inventory record, stamps any other.
    pub fn see(&mut self, event: &mut Event<'_>) {
        if let (Some(identity), Some(inventory)) = (&event.identity, &event.inventory) {
            let canonical = (identity.id.as_str().to_owned(), inventory.class);
            let names = inventory.aliases.iter().map(Text::as_str).chain([identity.id.as_str()]);
            for name in names {
                self.known.insert((event.tenant.as_str().to_owned(), name.to_owned()), canonical.clone());
            }
        }
        let reputation = self.standing(event);
        let agent = event.source.as_ref().and_then(|s| s.user_agent.as_deref()).map(agent_of);
        let Some(identity) = &mut event.identity else { return };
        let known = self.known.get(&(event.tenant.as_str().to_owned(), identity.id.as_str().to_owned()));
        if let Some((canonical, class)) = known {
            if canonical != identity.id.as_str() {
                let native = std::mem::replace(&mut identity.id, Text::from(canonical.clone()));
                identity.native_id.get_or_insert(native);
            }
            identity.class = class.or(identity.class);
        }
        let inventoried = known.is_some();
        let agent_class = agent.map(|(class, _)| class);
        let agent_family = agent.map(|(_, family)| Text::borrowed(family));
        event.stamp = Some(Stamp { agent_class, agent_family, inventoried, reputation, ..Stamp::default() });
    }
}

/// Browsers by a word of theirs, the more particular first; of everything else only that it is a program.
fn agent_of(user_agent: &str) -> (AgentClass, &'static str) {
    const BROWSERS: [(&str, &str); 4] = [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    const PROGRAMS: [(&str, AgentClass); 11] = [
        ("curl", AgentClass::Cli),
        ("aws-cli", AgentClass::Cli),
        ("kubectl", AgentClass::Cli),
        ("python-requests", AgentClass::Library),
        ("python-httpx", AgentClass::Library),
        ("Go-http-client", AgentClass::Library),
        ("okhttp", AgentClass::Library),
        ("reqwest", AgentClass::Library),
        ("axios", AgentClass::Library),
        ("Java-http-client", AgentClass::Library),
        ("Apache-HttpClient", AgentClass::Library),
    ];
    if user_agent.starts_with("Mozilla/") {
        let family = BROWSERS.iter().find(|(word, _)| user_agent.contains(word)).map_or("browser", |(_, family)| family);
        return (if user_agent.contains("Mobile") { AgentClass::Mobile } else { AgentClass::Browser }, family);
    }
    PROGRAMS
        .iter()
        .find(|(start, _)| user_agent.starts_with(start))
        .map_or((AgentClass::Other, "program"), |(start, class)| (*class, start))
}
