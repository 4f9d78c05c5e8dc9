//! The registry's REST API, as far as we need it. A call blocks its caller and ends within seconds.

use super::frame::SchemaId;
use super::shelf::Stored;
use crate::http::{Http, Unanswered};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest answer that is read. Schemas of some hundred kilobytes are known.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Schemas that one schema names, and those that these name.
const REFERENCES_MAX: usize = 200;

/// No schema, or no subject, of that name or id.
const NOT_FOUND: std::ops::RangeInclusive<u32> = 40_401..=40_499;

/// How to come to a registry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Before `/schemas` and `/subjects`: `https://registry:8081`, `http://apicurio:8080/apis/ccompat/v7`.
    pub url: String,
    /// User and password.
    pub basic: Option<(String, String)>,
    /// Certificates of authorities in PEM that are believed beside the system's.
    pub authorities: Option<Vec<u8>>,
}

/// Why there is no answer that can be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be reached, or cannot answer now, or does not let us in: to be asked again.
    #[error("the schema registry {url}: {what}")]
    Unavailable { url: String, what: String },
    /// It says that there is none.
    #[error("the schema registry {url} does not know {what}")]
    Unknown { url: String, what: String },
    /// It will not have it, or what it has cannot be used.
    #[error("the schema registry {url}: {what}")]
    Refused { url: String, what: String },
}

impl Fault {
    /// Whether the same question may be answered some other time.
    pub fn passes(&self) -> bool {
        matches!(self, Fault::Unavailable { .. })
    }
}

/// A schema under a subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    pub id: u32,
    /// Registries of the last years have one.
    pub guid: Option<[u8; 16]>,
}

/// Asks a registry.
pub struct Client {
    settings: Settings,
    base: Url,
    http: Http,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct SubjectAnswer {
    id: u32,
    guid: Option<String>,
}

#[derive(Deserialize)]
struct Trouble {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Client {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: Settings) -> Result<Client, String> {
        let http = Http::new(settings.authorities.as_deref())?;
        let base = Url::parse(&settings.url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let base = base.ok_or_else(|| format!("{:?} is no http:// or https:// address", settings.url))?;
        Ok(Client { settings: Settings { url: settings.url.trim_end_matches('/').to_owned(), ..settings }, base, http })
    }

    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// The schema of an id, with all that it names.
    ///
    /// # Errors
    /// As [`Fault`] says.
    pub fn schema(&self, id: SchemaId) -> Result<Stored, Fault> {
        let by = match id {
            SchemaId::Id(_) => "ids",
            SchemaId::Guid(_) => "guids",
        };
        let answer: SchemaAnswer = self.read(self.ask(&["schemas", by, &id.to_string()], None)?, &format!("schema {id}"))?;
        self.is_avro(&answer, &format!("schema {id}"))?;
        let mut references = Vec::new();
        self.follow(&answer.references, &mut references, &mut Vec::new())?;
        let references = references.into_iter().map(|(_, schema)| schema).collect();
        Ok(Stored { registry: self.settings.url.clone(), id: id.to_string(), schema: answer.schema, references })
    }

    /// Each after those that it names itself.
    fn follow(&self, named: &[Reference], found: &mut Vec<(String, String)>, above: &mut Vec<String>) -> Result<(), Fault> {
        for Reference { subject, version } in named {
            let name = format!("version {version} of {subject}");
            if found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            if above.contains(&name) || above.len() + found.len() >= REFERENCES_MAX {
                return Err(self.refused(format!("{name} names itself, or more schemas than are followed")));
            }
            let answer: SchemaAnswer = self.read(self.ask(&["subjects", subject, "versions", &version.to_string()], None)?, &name)?;
            self.is_avro(&answer, &name)?;
            above.push(name.clone());
            self.follow(&answer.references, found, above)?;
            above.pop();
            found.push((name, answer.schema));
        }
        Ok(())
    }

    fn is_avro(&self, answer: &SchemaAnswer, name: &str) -> Result<(), Fault> {
        match answer.kind.as_deref() {
            None | Some("AVRO") => Ok(()),
            Some(other) => Err(self.refused(format!("{name} is of type {other}: only AVRO is read"))),
        }
    }

    /// Under which ids a subject has this schema; nothing is changed by asking.
    ///
    /// # Errors
    /// As [`Fault`] says: [`Fault::Unknown`] where it is not registered.
    pub fn find(&self, subject: &str, schema: &str) -> Result<Registered, Fault> {
        let answer = self.ask(&["subjects", subject], Some(&json!({ "schema": schema })))?;
        self.registered(answer, &format!("this schema under the subject {subject}"))
    }

    /// Registers a schema under a subject; one that is there already keeps its id.
    ///
    /// # Errors
    /// As [`Fault`] says: [`Fault::Refused`] where the subject's rules of compatibility forbid it.
    pub fn register(&self, subject: &str, schema: &str) -> Result<Registered, Fault> {
        let answer = self.ask(&["subjects", subject, "versions"], Some(&json!({ "schema": schema })))?;
        self.registered(answer, &format!("the subject {subject}"))
    }

    fn registered(&self, answer: (u16, Vec<u8>), what: &str) -> Result<Registered, Fault> {
        let found: SubjectAnswer = self.read(answer, what)?;
        let guid = found.guid.as_deref().and_then(SchemaId::parse_guid);
        Ok(Registered { id: found.id, guid: guid.and_then(|id| if let SchemaId::Guid(guid) = id { Some(guid) } else { None }) })
    }

    /// Status and body.
    fn ask(&self, path: &[&str], post: Option<&Value>) -> Result<(u16, Vec<u8>), Fault> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let answered = self.http.ask(
            |http| {
                let request = match post {
                    None => http.get(url),
                    Some(body) => http.post(url).header("Content-Type", "application/vnd.schemaregistry.v1+json").body(body.to_string()),
                };
                let request = request.header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
                match &self.settings.basic {
                    Some((user, password)) => request.basic_auth(user, Some(password)),
                    None => request,
                }
            },
            ANSWER_BYTES_MAX,
        );
        answered.map_err(|why| match why {
            Unanswered::TooLong => self.refused(format!("/{}: an answer of more than {ANSWER_BYTES_MAX} bytes", path.join("/"))),
            Unanswered::Failed(what) => self.unavailable(what),
        })
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, (status, body): (u16, Vec<u8>), what: &str) -> Result<T, Fault> {
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body)
                .map_err(|e| self.unavailable(format!("its answer about {what} is not a registry's: {e}")));
        }
        let trouble: Option<Trouble> = serde_json::from_slice(&body).ok();
        match (status, trouble) {
            (404, Some(trouble)) if NOT_FOUND.contains(&trouble.error_code) => {
                Err(Fault::Unknown { url: self.settings.url.clone(), what: what.to_owned() })
            }
            // A proxy that knows nothing of the path is no registry that knows nothing of the schema.
            (404, _) => Err(self.unavailable(format!(
                "answers 404 without one of its own error codes for {what}; is schema_registry.url right? (GUIDs, as headers have them, are known to registries that have /schemas/guids)"
            ))),
            (409 | 422, trouble) => {
                let message = trouble.map_or_else(|| format!("status {status}"), |t| format!("{} ({})", t.message, t.error_code));
                Err(self.refused(format!("will not have {what}: {message}")))
            }
            (401 | 403, _) => Err(self.unavailable(format!("status {status} for {what}: it does not let us in; user, password and rights?"))),
            (_, trouble) => {
                let message = trouble.map(|t| format!(": {} ({})", t.message, t.error_code)).unwrap_or_default();
                Err(self.unavailable(format!("status {status} for {what}{message}")))
            }
        }
    }

    fn unavailable(&self, what: String) -> Fault {
        Fault::Unavailable { url: self.settings.url.clone(), what }
    }

    fn refused(&self, what: String) -> Fault {
        Fault::Refused { url: self.settings.url.clone(), what }
    }
}
