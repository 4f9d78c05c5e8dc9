//! How to reach a Kafka: the bootstrap servers and any librdkafka property, except those that exactly-once depends on.

use super::fault::KafkaFault;
use super::grant::Grant;
use super::tokens::{Shared, Tokens};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// `kafka:` in the configuration. TLS, SASL, time-outs and buffers go through `properties` by their librdkafka names.
#[derive(Clone, Default)]
pub struct Settings {
    /// `host:port`, comma separated.
    pub bootstrap_servers: String,
    pub properties: BTreeMap<String, String>,
    tokens: Shared,
}

/// Properties that are ours: what the promise of exactly once rests on, and what other settings already say.
const OURS: &[&str] = &[
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "partition.assignment.strategy",
    "isolation.level",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "auto.offset.reset",
    "session.timeout.ms",
    "transactional.id",
    "transaction.timeout.ms",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "acks",
    "request.required.acks",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "retries",
    "message.send.max.retries",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "message.max.bytes",
    "partitioner",
    "partitioner_cb",
    "delivery.report.only.error",
    "dr_cb",
    "dr_msg_cb",
    "rebalance_cb",
    "log.queue",
];

impl Settings {
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self { bootstrap_servers: bootstrap_servers.into(), properties: BTreeMap::new(), tokens: Shared::default() }
    }

    /// # Errors
    /// [`KafkaFault::ProtectedProperty`] for the first property that may not be set; `bootstrap_servers` empty; what is missing for a token.
    pub fn check(&self) -> Result<(), KafkaFault> {
        if self.bootstrap_servers.trim().is_empty() {
            return Err(KafkaFault::Property {
                property: "kafka.bootstrap_servers".into(),
                reason: "is empty; set it to host:port of at least one broker".into(),
            });
        }
        match self.properties.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(KafkaFault::ProtectedProperty { property: name.clone() }),
            None => Grant::read(&self.properties).map(drop),
        }
    }

    /// A client, which has its first token where the cluster wants one. `client`: what lies within it.
    pub(super) fn client<C: ClientContext, T: FromClientConfigAndContext<C>>(
        &self,
        tuned: &[(&str, &str)],
        fixed: &[(&str, &str)],
        context: impl FnOnce(Option<Arc<Tokens>>) -> C,
        client: impl FnOnce(&T) -> &Client<C>,
    ) -> Result<T, KafkaFault> {
        let tokens = self.tokens.of(&self.properties)?;
        let config = self.client_config(tuned, fixed)?;
        let made: T = config.create_with_context(context(tokens.clone())).map_err(|e| KafkaFault::of("kafka.properties", &e))?;
        tokens.map_or(Ok(()), |tokens| tokens.give(client(&made)))?;
        Ok(made)
    }

    /// A client configuration: `tuned` first (an operator may change it), then the properties, then `fixed`.
    fn client_config(&self, tuned: &[(&str, &str)], fixed: &[(&str, &str)]) -> Result<ClientConfig, KafkaFault> {
        self.check()?;
        let mut config = ClientConfig::new();
        for (name, value) in tuned {
            config.set(*name, *value);
        }
        for (name, value) in self.properties.iter().filter(|(name, _)| !Grant::reads(name)) {
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers);
        Ok(config)
    }
}

/// Values can be secrets (`sasl.password`, `ssl.key.pem`): only the names are shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Settings {
        let mut settings = Settings::new("localhost:9092");
        settings.properties.insert(name.into(), value.into());
        settings
    }

    #[test]
    fn what_exactly_once_depends_on_cannot_be_overridden() {
        for name in ["isolation.level", "enable.auto.commit", "partitioner", "retry.backoff.ms", "acks", "transactional.id"] {
            let error = with(name, "x").check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(with("security.protocol", "SSL").check().is_ok());
        assert!(Settings::new(" ").check().unwrap_err().to_string().contains("bootstrap_servers"));
    }

    #[test]
    fn properties_win_over_tuning_and_lose_to_what_is_fixed() {
        let config = with("linger.ms", "1").client_config(&[("linger.ms", "5"), ("batch.size", "9")], &[("acks", "all")]).unwrap();
        assert_eq!((config.get("linger.ms"), config.get("batch.size"), config.get("acks")), (Some("1"), Some("9"), Some("all")));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?}", with("sasl.password", "hunter2"));
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
