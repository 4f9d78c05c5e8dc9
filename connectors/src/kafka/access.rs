//! Who needs which access: the least that each role and each command gets by with, as Kafka's ACLs.
//!
//! A topic says who reads and who writes it where it is listed ([`topics::plan`](super::topics::plan)); consumer groups and transactional ids
//! are named here, and the service takes their names from here. So what is printed is what is used, and nothing else works.
//!
//! What Kafka's own rules spare us: Read and Write include Describe, and whoever may write a topic needs no IdempotentWrite on the cluster.

use super::topics::{Owner, Topic};
use std::fmt;

/// Of readers without a group ([`super::Reader`]), which never join it; librdkafka asks for its coordinator all the same.
pub(super) const READERS: &str = "portcullis-reader";

/// Whoever comes to the brokers: a role of the service, or a command that a person or a job gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Ingest,
    Score,
    Gate,
    /// Makes the further outputs and hands SETs to their receivers.
    Publish,
    /// All roles in one process, which applies its policy file, too.
    All,
    TopicsApply,
    PolicyApply,
    Contain,
    DeadLetter,
    Audit,
    LogExport,
}

impl User {
    pub const EVERY: [User; 11] = [
        User::Ingest,
        User::Score,
        User::Gate,
        User::Publish,
        User::All,
        User::TopicsApply,
        User::PolicyApply,
        User::Contain,
        User::DeadLetter,
        User::Audit,
        User::LogExport,
    ];

    /// The name of its principal, unless the operator gives it another.
    pub fn name(self) -> &'static str {
        match self {
            User::Ingest => "ingest",
            User::Score => "score",
            User::Gate => "gate",
            User::Publish => "publish",
            User::All => "all",
            User::TopicsApply => "topics-apply",
            User::PolicyApply => "policy-apply",
            User::Contain => "contain",
            User::DeadLetter => "dead-letter",
            User::Audit => "audit",
            User::LogExport => "log-export",
        }
    }

    /// What is run as it.
    pub fn command(self) -> &'static str {
        match self {
            User::Ingest => "portcullis run --role ingest",
            User::Score => "portcullis run --role score",
            User::Gate => "portcullis run --role gate",
            User::Publish => "portcullis run --role publish",
            User::All => "portcullis run --role all",
            User::TopicsApply => "portcullis topics apply",
            User::PolicyApply => "portcullis policy apply",
            User::Contain => "portcullis contain",
            User::DeadLetter => "portcullis dead-letter",
            User::Audit => "portcullis audit",
            User::LogExport => "portcullis log export",
        }
    }

    fn acts_as(self, other: User) -> bool {
        self == other || self == User::All && matches!(other, User::Ingest | User::Score | User::Gate | User::Publish | User::PolicyApply)
    }

    fn is_one_of(self, users: &[User]) -> bool {
        users.iter().any(|user| self.acts_as(*user))
    }

    /// Runs as a service, which looks whether the topics are as they should be.
    fn is_role(self) -> bool {
        matches!(self, User::Ingest | User::Score | User::Gate | User::Publish | User::All)
    }
}

/// What a principal may do, by the names that `kafka-acls` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Read,
    Write,
    Create,
    Describe,
    DescribeConfigs,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Topic,
    Group,
    TransactionalId,
}

impl Resource {
    fn option(self) -> &'static str {
        match self {
            Resource::Topic => "--topic",
            Resource::Group => "--group",
            Resource::TransactionalId => "--transactional-id",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Topic => "topic",
            Resource::Group => "group",
            Resource::TransactionalId => "transactional id",
        })
    }
}

/// One operation on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub operation: Operation,
    pub resource: Resource,
    pub name: String,
}

impl Access {
    pub fn new(operation: Operation, resource: Resource, name: impl Into<String>) -> Self {
        Self { operation, resource, name: name.into() }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} {}", self.operation, self.resource, self.name)
    }
}

/// What a user must be granted on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub resource: Resource,
    pub name: String,
    /// The name is the start of many.
    pub is_prefix: bool,
    pub operations: Vec<Operation>,
}

impl Topic {
    /// What a user does with it.
    pub fn operations(&self, user: User) -> Vec<Operation> {
        use Operation::{Create, Describe, DescribeConfigs, Read, Write};
        let is_ours = self.owner == Owner::Portcullis;
        if user == User::TopicsApply {
            return if is_ours { vec![Create, Describe, DescribeConfigs] } else { vec![Describe] };
        }
        let mut operations = Vec::new();
        operations.extend(user.is_one_of(self.readers).then_some(Read));
        operations.extend(user.is_one_of(self.writers).then_some(Write));
        operations.extend((!operations.is_empty() && is_ours && user.is_role()).then_some(DescribeConfigs));
        operations
    }
}

/// The consumer group of a role, unless the configuration names another.
pub fn group(prefix: &str, role: User) -> String {
    format!("{prefix}-{}", role.name())
}

/// The consumer group by which people's answers are taken into the gate's log.
pub fn answers_group(prefix: &str) -> String {
    format!("{prefix}-answers")
}

/// The consumer group by which a receiver of SETs is served.
pub fn receiver_group(prefix: &str, receiver: &str) -> String {
    format!("{prefix}-set-{receiver}")
}

/// The transactional id of a user; `instance` tells those apart that may be there at the same time.
pub fn transactional_id(prefix: &str, user: User, instance: &str) -> String {
    match user {
        User::PolicyApply => format!("{prefix}-policy"),
        User::DeadLetter => format!("{prefix}-replay"),
        User::Contain => format!("{prefix}-answer-{instance}"),
        role => format!("{prefix}-{}-{instance}", role.name()),
    }
}

/// Everything that a user must be granted. `score_group`: the group of SCORE, which has a name of its own in the configuration.
pub fn grants(user: User, topics: &[Topic], prefix: &str, score_group: &str) -> Vec<Grant> {
    let mut grants = Vec::new();
    let mut grant = |resource, name: String, is_prefix, operations: Vec<Operation>| {
        if !operations.is_empty() {
            grants.push(Grant { resource, name, is_prefix, operations });
        }
    };
    for topic in topics {
        grant(Resource::Topic, topic.name.clone(), false, topic.operations(user));
    }
    for role in [User::Ingest, User::Score, User::Gate] {
        if user.acts_as(role) {
            let group = if role == User::Score { score_group.to_owned() } else { group(prefix, role) };
            grant(Resource::Group, group, false, vec![Operation::Read]);
        }
    }
    if user.acts_as(User::Ingest) || user.acts_as(User::Gate) {
        grant(Resource::Group, answers_group(prefix), false, vec![Operation::Read]);
    }
    // Where there are no further outputs, nobody makes them.
    let publishes = topics.iter().any(|topic| topic.writers.contains(&User::Publish));
    if publishes && user.acts_as(User::Publish) {
        grant(Resource::Group, group(prefix, User::Publish), false, vec![Operation::Read]);
        grant(Resource::Group, receiver_group(prefix, ""), true, vec![Operation::Read]);
    }
    if user != User::TopicsApply {
        grant(Resource::Group, READERS.to_owned(), false, vec![Operation::Describe]);
    }
    for writer in [User::Ingest, User::Score, User::Gate, User::Publish, User::PolicyApply, User::Contain, User::DeadLetter] {
        if user.acts_as(writer) && (publishes || writer != User::Publish) {
            let is_prefix = !matches!(writer, User::PolicyApply | User::DeadLetter);
            grant(Resource::TransactionalId, transactional_id(prefix, writer, ""), is_prefix, vec![Operation::Write]);
        }
    }
    grants
}

/// The commands that grant it: one for all resources of a kind with the same operations, because each starts a Java of its own.
pub fn commands(grants: &[Grant], principal: &str, bootstrap_servers: &str) -> Vec<String> {
    let mut alike: Vec<(&Grant, Vec<&str>)> = Vec::new();
    for grant in grants {
        let found = alike.iter_mut().find(|(first, _)| {
            (first.resource, first.is_prefix, &first.operations) == (grant.resource, grant.is_prefix, &grant.operations)
        });
        match found {
            Some((_, names)) => names.push(&grant.name),
            None => alike.push((grant, vec![&grant.name])),
        }
    }
    let command = |(grant, names): (&Grant, Vec<&str>)| {
        let mut command = format!("kafka-acls.sh --bootstrap-server {bootstrap_servers} --add --allow-principal {principal}");
        for operation in &grant.operations {
            command.push_str(&format!(" --operation {operation}"));
        }
        for name in names {
            command.push_str(&format!(" {} {name}", grant.resource.option()));
        }
        if grant.is_prefix {
            command.push_str(" --resource-pattern-type prefixed");
        }
        command
    };
    alike.into_iter().map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::super::topics::{Also, Names, add_outputs, plan};
    use super::*;

    fn of(user: User) -> Vec<Grant> {
        grants(user, &plan("p", 3, 1, &["raw".into()]), "p", "scorers")
    }

    fn may(user: User, operation: Operation, resource: Resource, name: &str) -> bool {
        of(user).iter().any(|g| g.resource == resource && g.name == name && g.operations.contains(&operation))
    }

    #[test]
    fn whoever_forges_inputs_can_write_nothing_that_is_ours_but_by_ingest() {
        let names = Names::new("p");
        for topic in [&names.verdicts, &names.risk, &names.journal, &names.gate_journal, &names.reputation] {
            assert!(!may(User::Ingest, Operation::Write, Resource::Topic, topic), "{topic}");
        }
        for topic in [&names.gate_journal, &names.inventory, &names.dead_letter] {
            assert!(!may(User::Score, Operation::Write, Resource::Topic, topic), "{topic}");
        }
        for topic in [&names.events, &names.journal, &names.risk] {
            assert!(!may(User::Gate, Operation::Write, Resource::Topic, topic), "{topic}");
        }
        for user in [User::Contain, User::DeadLetter] {
            for topic in [&names.events, &names.proposals] {
                assert!(!may(user, Operation::Write, Resource::Topic, topic), "{user:?} {topic}: what stands there is believed");
            }
        }
        for user in [User::Audit, User::LogExport] {
            assert!(of(user).iter().all(|g| !g.operations.contains(&Operation::Write)), "{user:?} only reads");
        }
        assert!(User::EVERY.iter().all(|user| !may(*user, Operation::Write, Resource::Topic, "raw")), "nobody of ours writes an input");
    }

    #[test]
    fn all_may_what_its_roles_may_and_apply_a_policy() {
        let all = of(User::All);
        for role in [User::Ingest, User::Score, User::Gate, User::PolicyApply] {
            for grant in of(role) {
                let held = all.iter().find(|g| (g.resource, &g.name, g.is_prefix) == (grant.resource, &grant.name, grant.is_prefix));
                assert!(held.is_some_and(|held| grant.operations.iter().all(|o| held.operations.contains(o))), "{role:?} {grant:?}");
            }
        }
        assert!(!may(User::All, Operation::Create, Resource::Topic, "p.events"), "topics are made by somebody else");
    }

    #[test]
    fn who_makes_further_outputs_is_granted_something_where_there_are_some() {
        let mut topics = plan("p", 3, 1, &[]);
        let without = grants(User::All, &topics, "p", "scorers");
        add_outputs(&mut topics, "p", Also { ocsf: false, set: true });
        let publish = grants(User::Publish, &topics, "p", "scorers");
        let may = |operation, resource, name: &str, is_prefix| {
            publish
                .iter()
                .any(|g| (g.resource, g.name.as_str(), g.is_prefix) == (resource, name, is_prefix) && g.operations.contains(&operation))
        };
        assert!(may(Operation::Read, Resource::Topic, "p.verdicts", false) && !may(Operation::Write, Resource::Topic, "p.verdicts", false));
        assert!(may(Operation::Write, Resource::Topic, "p.set", false) && may(Operation::Write, Resource::Topic, "p.set-refused", false));
        assert!(may(Operation::Read, Resource::Group, "p-publish", false) && may(Operation::Read, Resource::Group, "p-set-", true));
        assert!(topics.iter().all(|topic| topic.name != "p.ocsf"));
        let with = grants(User::All, &topics, "p", "scorers");
        assert!(without.iter().all(|g| !g.name.contains("publish")) && publish.iter().all(|g| with.contains(g) || g.name == "p.verdicts"));
        assert!(with.iter().any(|g| g.name == "p.verdicts" && g.operations.contains(&Operation::Read)));
    }

    #[test]
    fn every_topic_of_ours_has_somebody_who_fills_it() {
        for topic in plan("p", 3, 1, &[]) {
            assert!(!topic.writers.is_empty(), "{}", topic.name);
        }
    }

    #[test]
    fn a_command_names_all_that_is_granted_alike() {
        let commands = commands(&of(User::PolicyApply), "User:CN=policy", "b:1");
        assert_eq!(
            commands,
            [
                "kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:CN=policy --operation Write --topic p.events",
                "kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:CN=policy --operation Read --operation Write --topic p.proposals",
                "kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:CN=policy --operation Describe --group portcullis-reader",
                "kafka-acls.sh --bootstrap-server b:1 --add --allow-principal User:CN=policy --operation Write --transactional-id p-policy",
            ]
        );
        let score = self::commands(&of(User::Score), "User:score", "b:1").join("\n");
        assert!(score.contains("--operation Write --transactional-id p-score- --resource-pattern-type prefixed"), "{score}");
        assert!(score.contains("--operation Read --group scorers"), "{score}");
    }
}
