//! The policy in force in a partition: adopted from the log at an offset, kept in state, the built-in shadow policy before the first.

use crate::say::harmless;
use crate::telemetry;
use portcullis_core::id;
use portcullis_core::policy::Policy;
use portcullis_core::policy::yaml::Fault;
use portcullis_core::record::PolicyRecord;
use portcullis_core::signature::may_follow;
use portcullis_core::time::Time;
use std::sync::Arc;

/// A policy and the record it came by.
#[derive(Clone, Debug)]
pub struct ActivePolicy {
    record: Option<PolicyRecord>,
    policy: Arc<Policy>,
}

impl ActivePolicy {
    /// Before any policy was applied: the default playbooks, all of them only saying what they would have asked.
    pub fn built_in() -> ActivePolicy {
        let mut policy = Policy::default_policy();
        policy.shadow.all = true;
        policy.version = "built-in-shadow".to_owned();
        ActivePolicy { record: None, policy: Arc::new(policy) }
    }

    /// The policy of a record.
    ///
    /// # Errors
    /// Every fault of its text. `policy apply` checks before it writes, so this is a record that somebody else wrote.
    pub fn from_record(record: PolicyRecord) -> Result<ActivePolicy, Vec<Fault>> {
        let policy = portcullis_rules::parse(&format!("policy {}", record.version), &record.text)?;
        Ok(ActivePolicy { record: Some(record), policy: Arc::new(policy) })
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What is kept in state.
    pub fn record(&self) -> Option<&PolicyRecord> {
        self.record.as_ref()
    }

    /// What a record of the log puts in force after this; `None`: it is the one in force once more.
    ///
    /// # Errors
    /// Why it does not take this one's place, in sentences.
    pub fn after(&self, record: &PolicyRecord) -> Result<Option<ActivePolicy>, Vec<String>> {
        if self.record.as_ref().is_some_and(|r| r.digest == record.digest) {
            return Ok(None);
        }
        if id::digest(record.text.as_bytes()) != record.digest {
            return Err(vec!["its digest is not that of its text; apply the policy again".to_owned()]);
        }
        may_follow(&self.policy, record).map_err(|why| vec![why])?;
        ActivePolicy::from_record(record.clone()).map(Some).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    /// Adopts a policy that the log brings; one that may not take the place of the one in force is ignored, loudly.
    pub fn adopt(&mut self, record: &PolicyRecord, log: &str) {
        match self.after(record) {
            Ok(None) => {}
            Ok(Some(active)) => {
                telemetry::policy(log, Some(&self.policy), &active.policy);
                tracing::info!(log, version = record.version, digest = record.digest, author = record.author, "policy adopted");
                *self = active;
            }
            Err(why) => {
                for why in why {
                    tracing::error!(log, version = record.version, author = record.author, "policy record ignored: {}", harmless(&why));
                }
            }
        }
    }
}

/// A policy's text as the record that `policy apply` writes.
pub fn policy_record(policy: &Policy, text: String, author: &str, applied_at: Time) -> PolicyRecord {
    PolicyRecord {
        version: policy.version.clone(),
        digest: id::digest(text.as_bytes()),
        text,
        author: author.to_owned(),
        applied_at,
        signatures: Vec::new(),
    }
}
