//! What makes a broker as closed as one in a bank: TLS on every listener, an authority of the test's own, accounts with passwords (SCRAM and
//! PLAIN), tokens or certificates, and access lists that allow nothing unless it was granted.

use super::issuer::{self, Issuer};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use portcullis_connectors::kafka::Settings;
use std::fs;
use std::path::PathBuf;

/// May do everything; everybody else only what is granted.
pub const ADMIN: &str = "admin";
const BROKER: &str = "broker";

/// An authority, and accounts that it knows.
#[derive(Debug)]
pub struct Security {
    dir: tempfile::TempDir,
    accounts: Vec<String>,
    issuer: Issuer,
}

/// How an account proves who it is.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    Scram,
    Plain,
    /// Of the [issuer](Security::issuer).
    Token,
    Certificate,
}

impl Security {
    /// # Panics
    /// If OpenSSL refuses, or nothing can be written.
    pub fn new(accounts: &[&str]) -> Security {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let accounts: Vec<String> = [ADMIN].iter().chain(accounts).map(|name| (*name).to_owned()).collect();
        let authority = Certificate::issue("authority", None);
        let stranger = Certificate::issue("stranger", None);
        let write = |name: &str, text: Vec<u8>| fs::write(dir.path().join(name), text).expect("writing a certificate");
        write("ca.pem", authority.certificate());
        write("strange-ca.pem", stranger.certificate());
        for name in accounts.iter().map(String::as_str).chain([BROKER]) {
            let issued = Certificate::issue(name, Some(&authority));
            write(&format!("{name}.crt"), issued.certificate());
            write(&format!("{name}.key"), issued.private_key());
            write(&format!("{name}.pem"), [issued.private_key(), issued.certificate()].concat());
        }
        let issuer = Issuer::start(&dir.path().join(format!("{BROKER}.crt")), &dir.path().join(format!("{BROKER}.key")), password);
        write("jwks.json", issuer.jwks().into_bytes());
        let security = Security { dir, accounts, issuer };
        let admin = format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{ADMIN}\" password=\"{}\";\n",
            security.shown("ca.pem"),
            password(ADMIN)
        );
        fs::write(security.path("admin.properties"), admin).expect("writing properties");
        security
    }

    /// One of its files: `ca.pem`, `strange-ca.pem`, `NAME.crt`, `NAME.key`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Who gives tokens to the accounts.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// librdkafka's properties of an account.
    pub fn properties(&self, settings: &mut Settings, account: &str, proof: Proof) {
        let mut set = |name: &str, value: String| drop(settings.properties.insert(name.to_owned(), value));
        set("ssl.ca.location", self.shown("ca.pem"));
        match proof {
            Proof::Certificate => {
                set("security.protocol", "SSL".to_owned());
                set("ssl.certificate.location", self.shown(&format!("{account}.crt")));
                set("ssl.key.location", self.shown(&format!("{account}.key")));
            }
            Proof::Token => {
                set("security.protocol", "SASL_SSL".to_owned());
                set("sasl.mechanism", "OAUTHBEARER".to_owned());
                set("sasl.oauthbearer.token.endpoint.url", self.issuer.endpoint());
                set("sasl.oauthbearer.client.id", account.to_owned());
                set("sasl.oauthbearer.client.secret", password(account));
                set("sasl.oauthbearer.scope", issuer::SCOPE.to_owned());
                set("https.ca.location", self.shown("ca.pem"));
            }
            Proof::Scram | Proof::Plain => {
                set("security.protocol", "SASL_SSL".to_owned());
                set("sasl.mechanism", if matches!(proof, Proof::Scram) { "SCRAM-SHA-512" } else { "PLAIN" }.to_owned());
                set("sasl.username", account.to_owned());
                set("sasl.password", password(account));
            }
        }
    }

    /// What its JVM is told.
    pub(crate) fn java_arguments(&self) -> [String; 1] {
        [format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://{}", self.shown("jwks.json"))]
    }

    /// What a broker is told that listens for passwords and tokens on one port and for certificates on another.
    pub(crate) fn server_properties(&self) -> String {
        let plain: Vec<String> = self.accounts.iter().map(|name| format!("user_{name}=\"{}\"", password(name))).collect();
        format!(
            "listener.security.protocol.map=PASSWORDS:SASL_SSL,CERTIFICATES:SSL,CONTROLLER:SSL\n\
             inter.broker.listener.name=CERTIFICATES\n\
             listener.name.certificates.ssl.client.auth=required\n\
             listener.name.controller.ssl.client.auth=required\n\
             ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n\
             ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER\n\
             listener.name.passwords.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             listener.name.passwords.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {};\n\
             listener.name.passwords.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n\
             listener.name.passwords.oauthbearer.sasl.server.callback.handler.class=\
             org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler\n\
             sasl.oauthbearer.jwt.validator.class=org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator\n\
             sasl.oauthbearer.jwks.endpoint.url=file://{}\n\
             sasl.oauthbearer.expected.audience={}\n\
             sasl.oauthbearer.expected.issuer={}\n\
             listener.name.passwords.oauthbearer.connections.max.reauth.ms=60000\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             allow.everyone.if.no.acl.found=false\n\
             super.users=User:{BROKER};User:{ADMIN}\n",
            self.shown(&format!("{BROKER}.pem")),
            self.shown("ca.pem"),
            plain.join(" "),
            self.shown("jwks.json"),
            issuer::AUDIENCE,
            issuer::NAME,
        )
    }

    /// The accounts as `StorageTool format` takes them.
    pub(crate) fn scram_arguments(&self) -> Vec<String> {
        let one = |name: &String| ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={name},password={}]", password(name))];
        self.accounts.iter().flat_map(one).collect()
    }
}

fn password(account: &str) -> String {
    format!("{account}-secret")
}

struct Certificate {
    x509: X509,
    key: PKey<Private>,
}

impl Certificate {
    /// Signed by `by`, or by itself.
    fn issue(name: &str, by: Option<&Certificate>) -> Certificate {
        let made = || -> Result<Certificate, openssl::error::ErrorStack> {
            let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
            let mut subject = X509NameBuilder::new()?;
            subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
            let subject = subject.build();
            let mut serial = BigNum::new()?;
            serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false)?;
            let mut builder = X509Builder::new()?;
            builder.set_version(2)?;
            builder.set_serial_number(&*serial.to_asn1_integer()?)?;
            builder.set_subject_name(&subject)?;
            builder.set_issuer_name(by.map_or(&subject, |by| by.x509.subject_name()))?;
            builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
            builder.set_not_after(&*Asn1Time::days_from_now(2)?)?;
            builder.set_pubkey(&key)?;
            match by {
                None => builder.append_extension(BasicConstraints::new().critical().ca().build()?)?,
                Some(by) => {
                    let names = SubjectAlternativeName::new()
                        .ip("127.0.0.1")
                        .dns("localhost")
                        .build(&builder.x509v3_context(Some(&by.x509), None))?;
                    builder.append_extension(names)?;
                }
            }
            builder.sign(by.map_or(&key, |by| &by.key), MessageDigest::sha256())?;
            Ok(Certificate { x509: builder.build(), key })
        };
        made().expect("OpenSSL makes a certificate")
    }

    fn certificate(&self) -> Vec<u8> {
        self.x509.to_pem().expect("PEM")
    }

    fn private_key(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().expect("PEM")
    }
}
