//! What is never contained automatically: identities, classes and networks that the policy names. Cases and notices are.

use crate::containment::{Action, Proposal};
use crate::policy::{Policy, Protected};

/// Why nothing is ever done to it automatically.
pub fn protected(policy: &Policy, proposal: &Proposal) -> Option<String> {
    if proposal.action.is_notice() {
        return None;
    }
    policy.protected.iter().find_map(|p| match p {
        Protected::Identity(identity) => {
            (proposal.subject.kind == "identity" && proposal.subject.id == *identity).then(|| format!("identity {identity} is protected"))
        }
        Protected::Class(class) => (proposal.class == Some(*class)).then(|| format!("class {class} is protected")),
        Protected::Network(cidr) => {
            let network =
                if proposal.subject.kind == "source" { Some(proposal.subject.id.as_str()) } else { None }.or(match proposal.action {
                    Action::BlockSource => Some(proposal.target.id.as_str()),
                    _ => None,
                })?;
            let address = network.split('/').next()?.parse().ok()?;
            cidr.contains(address).then(|| format!("network {cidr} is protected"))
        }
    })
}
