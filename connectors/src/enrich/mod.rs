//! Enrichment: what can be found out about a source from its address and its user agent, stamped on the event by INGEST.
//!
//! Nothing that the record says is overwritten: only absent fields are filled. A lookup that fails is a miss, never an error.

pub mod agent;
pub mod geo;

use portcullis_core::event::{Event, Stamp};
use portcullis_core::text::Text;

pub use geo::{EnrichFault, GeoSettings};

/// Fills in places and user agents. Not shared between threads: one a worker.
pub struct Enricher {
    geo: Option<geo::Geo>,
    agents: agent::Agents,
}

impl Enricher {
    /// Opens and verifies the databases that `settings` names; none of them is needed.
    pub fn open(settings: &GeoSettings) -> Result<Enricher, EnrichFault> {
        Ok(Enricher { geo: geo::Geo::open(settings)?, agents: agent::Agents::default() })
    }

    /// Without databases: user agents alone.
    pub fn without_geo() -> Enricher {
        Enricher { geo: None, agents: agent::Agents::default() }
    }

    /// Fills in `source` and `stamp`.
    pub fn enrich(&mut self, event: &mut Event<'_>) {
        let Some(source) = &mut event.source else { return };
        if let Some(geo) = &mut self.geo {
            geo.fill(source);
        }
        if let Some(text) = &source.user_agent {
            let facts = self.agents.look_up(text);
            let stamp = event.stamp.get_or_insert_with(Stamp::default);
            stamp.agent_class = Some(facts.class);
            stamp.agent_family = facts.family.map(Text::borrowed);
            stamp.agent_os = facts.os.map(Text::borrowed);
        }
    }
}
