//! Things that have something in common, as one: five thousand that wait are a few lines.

use portcullis_core::containment::ContainmentDecision;
use portcullis_core::time::Time;
use portcullis_core::verdict::Level;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the things of a group have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Cause,
    Action,
    Class,
    Tenant,
}

impl By {
    fn of(self, d: &ContainmentDecision) -> String {
        match self {
            By::Cause => d.cause.clone(),
            By::Action => d.action.to_string(),
            By::Class => d.class.map_or("-", |c| c.name()).to_owned(),
            By::Tenant => d.tenant.clone(),
        }
    }
}

/// Some that wait or are open.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Group {
    pub name: String,
    pub count: usize,
    /// The next to expire of those that do.
    pub soonest: Option<Time>,
    /// The most serious of them.
    pub level: Option<Level>,
    pub actions: BTreeSet<String>,
    pub classes: BTreeSet<String>,
    pub tenants: BTreeSet<String>,
}

/// The largest first.
pub fn groups(list: &[ContainmentDecision], by: By) -> Vec<Group> {
    let mut of: BTreeMap<String, Vec<&ContainmentDecision>> = BTreeMap::new();
    list.iter().for_each(|d| of.entry(by.of(d)).or_default().push(d));
    let mut groups: Vec<Group> = of
        .into_iter()
        .map(|(name, of)| Group {
            name,
            count: of.len(),
            soonest: of.iter().filter_map(|d| d.held_until).min(),
            level: of.iter().filter_map(|d| d.level).max(),
            actions: of.iter().map(|d| By::Action.of(d)).collect(),
            classes: of.iter().map(|d| By::Class.of(d)).collect(),
            tenants: of.iter().map(|d| By::Tenant.of(d)).collect(),
        })
        .collect();
    groups.sort_by(|a, b| (b.count, &a.name).cmp(&(a.count, &b.name)));
    groups
}
