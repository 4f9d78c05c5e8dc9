//! Where the gate stands, for its gauges: what waits, for whom everything is held, how much of the budgets is spent. A copy of what its state
//! says of that, read when a partition is taken over and kept by what each batch changes.

use super::log_role::Partitions;
use crate::telemetry;
use portcullis_core::containment::{Action, DecisionEnd};
use portcullis_core::gate::GateState;
use portcullis_core::gate::state::TenantState;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Standing {
    partitions: BTreeMap<i32, Known>,
    /// What the batch that is being published changes. `None`: it is gone.
    coming: Vec<(i32, Vec<u8>, Option<GateState>)>,
}

#[derive(Default)]
struct Known {
    waiting: BTreeMap<Vec<u8>, DecisionEnd>,
    tenants: BTreeMap<Vec<u8>, Box<TenantState>>,
}

impl Known {
    fn learn(&mut self, key: &[u8], state: Option<GateState>) {
        match state {
            Some(GateState::Waiting(waiting)) => drop(self.waiting.insert(key.to_vec(), waiting.end)),
            Some(GateState::Tenant(tenant)) => drop(self.tenants.insert(key.to_vec(), tenant)),
            Some(GateState::Nothing | GateState::Incident(_) | GateState::Open(_) | GateState::Subject(_)) => {}
            None => {
                self.waiting.remove(key);
                self.tenants.remove(key);
            }
        }
    }
}

impl Standing {
    /// Partitions may have come and gone.
    ///
    /// # Errors
    /// When the state of one cannot be read.
    pub fn follow(&mut self, owned: &mut Partitions<GateState>) -> anyhow::Result<()> {
        let numbers: Vec<i32> = owned.numbers().collect();
        let before = self.partitions.len();
        self.partitions.retain(|number, _| numbers.contains(number));
        let mut has_moved = self.partitions.len() != before;
        for number in numbers {
            if let (false, Some(partition)) = (self.partitions.contains_key(&number), owned.partition(number)) {
                let mut known = Known::default();
                partition.for_each(|key, state, _| known.learn(key, state))?;
                self.partitions.insert(number, known);
                has_moved = true;
            }
        }
        if has_moved {
            self.tell(owned);
        }
        Ok(())
    }

    /// A batch was decided on.
    pub fn applied(&mut self, owned: &mut Partitions<GateState>, numbers: impl Iterator<Item = i32>) {
        for number in numbers {
            let Some(partition) = owned.partition(number) else { continue };
            // What was just written reads back.
            partition.for_each_change(|key, bytes| {
                let state = if bytes.is_empty() { None } else { GateState::decode(bytes).ok() };
                self.coming.push((number, key.to_vec(), state));
            });
        }
    }

    /// It is published.
    pub fn commit(&mut self, owned: &mut Partitions<GateState>) {
        for (number, key, state) in self.coming.drain(..) {
            self.partitions.entry(number).or_default().learn(&key, state);
        }
        self.tell(owned);
    }

    pub fn abort(&mut self) {
        self.coming.clear();
    }

    fn tell(&self, owned: &mut Partitions<GateState>) {
        let mut waiting: BTreeMap<DecisionEnd, usize> = BTreeMap::new();
        let mut spent: BTreeMap<Action, f64> = BTreeMap::new();
        let (mut tripped, mut paused) = (0, 0);
        for (number, known) in &self.partitions {
            known.waiting.values().for_each(|end| *waiting.entry(*end).or_default() += 1);
            let Some(partition) = owned.partition(*number) else { continue };
            let (policy, now) = (partition.policy().policy(), partition.log_time());
            for tenant in known.tenants.values() {
                tripped += usize::from(tenant.breaker.is_tripped(now));
                paused += usize::from(tenant.breaker.is_paused(now));
                for (action, share) in tenant.spent_shares(policy, now) {
                    let most = spent.entry(action).or_default();
                    *most = most.max(share);
                }
            }
        }
        telemetry::standing(&waiting, tripped, paused, &spent);
    }
}
