//! Budgets: how much may go out by itself, per tenant, class and action. What people agree to is spent too: the blast radius is that of all.

use super::state::TenantState;
use crate::containment::{Action, Proposal};
use crate::event::Class;
use crate::policy::{Budget, Policy};
use crate::time::{Span, Time};
use crate::verdict::Mode;

/// The budget that binds an action: the one named for the class, else the one for any class.
fn budget(policy: &Policy, action: Action, class: Option<Class>) -> Option<&Budget> {
    if action.is_notice() {
        return None;
    }
    let of = |class: Option<Class>| policy.budgets.iter().find(|b| b.action == action && b.class == class);
    class.and_then(|class| of(Some(class))).or_else(|| of(None))
}

/// How much of it there is now, of so many active identities.
fn at_most(budget: &Budget, active: u32) -> u32 {
    let share =
        budget.share_of_active_ppm.map(|ppm| (u64::from(ppm) * u64::from(active) / 1_000_000).max(1).min(u64::from(u32::MAX)) as u32);
    share.map_or(budget.at_most, |s| s.min(budget.at_most))
}

impl TenantState {
    /// How much of each budget is spent, 0 to 1: by action, of each class that has spent any.
    pub fn spent_shares<'s>(&'s self, policy: &'s Policy, now: Time) -> impl Iterator<Item = (Action, f64)> + 's {
        let active = self.active(now);
        self.spent.iter().filter(|((.., mode), _)| *mode == Mode::Enforce).filter_map(move |((action, class, _), times)| {
            let budget = budget(policy, *action, *class)?;
            let within = times.iter().filter(|at| now.since(**at) < budget.per_ms).count();
            Some((*action, within as f64 / f64::from(at_most(budget, active).max(1))))
        })
    }
}

/// Each class spends its own budget, shadow apart from what is really sent.
fn purse(proposal: &Proposal) -> (Action, Option<Class>, Mode) {
    (proposal.action, proposal.class, proposal.mode)
}

/// Why it cannot go out by itself, if its budget is spent.
pub fn over_budget(policy: &Policy, tenant: &TenantState, proposal: &Proposal, now: Time) -> Option<String> {
    let budget = budget(policy, proposal.action, proposal.class)?;
    let at_most = at_most(budget, tenant.active(now));
    let spent = tenant.spent.get(&purse(proposal)).map_or(&[][..], Vec::as_slice);
    let within = spent.iter().filter(|at| now.since(**at) < budget.per_ms).count();
    let class = proposal.class.map_or("subjects without a class", Class::name);
    (within >= at_most as usize)
        .then(|| format!("{within} of {} for {class} within {}, the budget is {at_most}", proposal.action, Span(budget.per_ms)))
}

pub fn spend(policy: &Policy, tenant: &mut TenantState, proposal: &Proposal, now: Time) {
    let Some(budget) = budget(policy, proposal.action, proposal.class) else { return };
    let spent = tenant.spent.entry(purse(proposal)).or_default();
    spent.retain(|at| now.since(*at) < budget.per_ms);
    spent.push(now);
}
