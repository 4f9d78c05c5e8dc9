//! What waits, and answers to it, over HTTP: what `portcullis contain` does, for a console of one's own. `docs/oncall-http.md` tells it.
//!
//! | | path | |
//! |---|---|---|
//! | GET | `/contain` | what waits: `tenant`, `class`, `action`, `cause`, `subject`, `level`, `limit` |
//! | GET | `/contain/groups` | the same in groups: and `by`, which is `cause`, `action`, `class` or `tenant` |
//! | GET | `/contain/open` | what was sent and can be taken back: and `since` |
//! | GET | `/contain/ID` | everything about a proposal or a request: `since` |
//! | POST | `/contain/VERB` | `approve`, `reject`, `extend`, `release`, `pause`, `resume` |
//!
//! Nothing without a token. An answer becomes a record that is taken into the gate's log and is signed with the key of whoever's token it is; what counts is
//! for the gate and the policy to say. So who may read the keys of two people can be two people: `docs/oncall-http.md` says what follows.

use super::people::{People, Person};
use crate::contain::case::Depth;
use crate::contain::filter::Filter;
use crate::contain::group::{By, groups};
use crate::contain::{Desk, meant};
use crate::roles::wall_clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use portcullis_connectors::kafka::Settings;
use portcullis_core::containment::{AnswerEnd, ContainmentDecision};
use portcullis_core::gate::Verb;
use portcullis_core::time::{DAY_MS, Span, Time};
use portcullis_schemas::Encoding;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Things that one answer of the list holds, unless more are asked for, and the most.
const LIMIT: usize = 200;
const LIMIT_MAX: usize = 10_000;
/// How far back to look for what was sent.
const SINCE: Span = Span(7 * DAY_MS);

/// Where it all stands, and who may ask.
pub struct Office {
    pub kafka: Settings,
    pub prefix: String,
    pub encoding: Encoding,
    pub people: People,
    /// False: nobody answers, whatever their token.
    pub answers: bool,
}

pub(super) fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/contain", get(waiting))
        .route("/contain/groups", get(in_groups))
        .route("/contain/open", get(open))
        .route("/contain/{what}", get(one).post(answer))
        .with_state(office)
}

/// Why something is not done, for whoever asked.
struct Refusal(StatusCode, String);

impl<E: Into<anyhow::Error>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal(StatusCode::BAD_GATEWAY, format!("{:#}", error.into()))
    }
}

fn wrong(what: impl ToString) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, what.to_string())
}

type Shared = State<Arc<Office>>;

/// Does something for whoever's token it is, on a thread where it may wait for Kafka.
async fn serve<F>(office: Arc<Office>, headers: &HeaderMap, work: F) -> Response
where
    F: FnOnce(&Office, &Person) -> Result<(StatusCode, Value), Refusal> + Send + 'static,
{
    let Some(person) = office.people.who(headers).cloned() else {
        let wanted = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (
            wanted,
            said(StatusCode::UNAUTHORIZED, &json!({ "error": "a token of http.contain.people is wanted: `Authorization: Bearer ...`" })),
        )
            .into_response();
    };
    let done = tokio::task::spawn_blocking(move || work(&office, &person)).await;
    match done {
        Ok(Ok((status, value))) => said(status, &value),
        Ok(Err(Refusal(status, why))) => said(status, &json!({ "error": why })),
        Err(_) => {
            said(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "this is a fault of Portcullis, please report it with the log" }))
        }
    }
}

fn said(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string()).into_response()
}

impl Office {
    fn desk(&self) -> anyhow::Result<Desk> {
        Desk::open(&self.kafka, &self.prefix, self.encoding)
    }
}

/// What a query asks for beside the filter.
#[derive(Default)]
struct Asked {
    filter: Filter,
    by: Option<By>,
    limit: Option<usize>,
    since: Option<Span>,
}

impl Asked {
    /// Every key once, and none that is not known.
    fn read(query: Option<&str>) -> Result<Asked, Refusal> {
        let mut filter = serde_json::Map::new();
        let mut asked = Asked::default();
        for (key, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*key {
                "by" => asked.by = Some(word("by", &value)?),
                "limit" => {
                    asked.limit = Some(
                        value
                            .parse()
                            .ok()
                            .filter(|n| *n <= LIMIT_MAX)
                            .ok_or_else(|| wrong(format!("limit: a number up to {LIMIT_MAX} is wanted")))?,
                    )
                }
                "since" => asked.since = Some(word("since", &value)?),
                _ if filter.contains_key(&*key) => return Err(wrong(format!("{key} is there twice"))),
                _ => drop(filter.insert(key.into_owned(), Value::from(value.into_owned()))),
            }
        }
        asked.filter = serde_json::from_value(Value::Object(filter)).map_err(wrong)?;
        Ok(asked)
    }

    fn since(&self) -> Time {
        wall_clock().plus(-self.since.unwrap_or(SINCE).0)
    }

    fn listed(&self, list: Vec<ContainmentDecision>) -> Value {
        let (count, agreements) = (list.len(), list.iter().map(|d| u64::from(d.needs)).sum::<u64>());
        let shown: Vec<_> = list.into_iter().take(self.limit.unwrap_or(LIMIT)).collect();
        json!({ "count": count, "agreements_wanted": agreements, "decisions": shown })
    }
}

fn word<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Refusal> {
    serde_json::from_value(Value::from(text)).map_err(|e| wrong(format!("{key}: {e}")))
}

async fn waiting(State(office): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    serve(office, &headers, move |office, _| {
        let asked = Asked::read(query.as_deref())?;
        let list = office.desk()?.waiting(&asked.filter, None)?;
        Ok((StatusCode::OK, asked.listed(list)))
    })
    .await
}

async fn in_groups(State(office): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    serve(office, &headers, move |office, _| {
        let asked = Asked::read(query.as_deref())?;
        let list = office.desk()?.waiting(&asked.filter, None)?;
        Ok((StatusCode::OK, json!({ "count": list.len(), "groups": groups(&list, asked.by.unwrap_or(By::Cause)) })))
    })
    .await
}

async fn open(State(office): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    serve(office, &headers, move |office, _| {
        let asked = Asked::read(query.as_deref())?;
        let list = office.desk()?.open_requests(&asked.filter, asked.since())?;
        Ok((StatusCode::OK, asked.listed(list)))
    })
    .await
}

async fn one(State(office): Shared, headers: HeaderMap, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    serve(office, &headers, move |office, _| {
        let asked = Asked::read(query.as_deref())?;
        match office.desk()?.case(&id, asked.since(), Depth::Everything)? {
            Some(case) => Ok((StatusCode::OK, json!(case))),
            None => Err(Refusal(StatusCode::NOT_FOUND, format!("{id}: no proposal and no request of that id; `since` looks further back"))),
        }
    })
    .await
}

/// What a person wants.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Of what the list shows; or all that `filter` takes.
    ids: Vec<String>,
    filter: Filter,
    /// For `pause` and `resume`; none: all that have been seen.
    tenants: Vec<String>,
    reason: String,
    /// For `extend` and `pause`.
    lasts: Option<Span>,
    /// For `release`: how far back to look for what is open.
    since: Option<Span>,
    /// Only say how many are meant.
    dry_run: bool,
}

async fn answer(State(office): Shared, headers: HeaderMap, Path(verb): Path<String>, body: Bytes) -> Response {
    serve(office, &headers, move |office, person| {
        let verb = verb.parse::<Verb>().map_err(|why| Refusal(StatusCode::NOT_FOUND, why))?;
        let wanted: Wanted = serde_json::from_slice(&body).map_err(wrong)?;
        office.answer(person, verb, &wanted)
    })
    .await
}

impl Office {
    fn answer(&self, person: &Person, verb: Verb, wanted: &Wanted) -> Result<(StatusCode, Value), Refusal> {
        let read_only = |why: &str| Refusal(StatusCode::FORBIDDEN, format!("{} may only look: {why}", person.name));
        if !self.answers {
            return Err(read_only("http.contain.answers is not set"));
        }
        let signer = person.signer.as_ref().ok_or_else(|| read_only("the configuration names no key_file of theirs"))?;
        if wanted.reason.trim().is_empty() {
            return Err(wrong("reason: is required; it stands in the record and in the request"));
        }
        let mut desk = self.desk()?;
        let since = wall_clock().plus(-wanted.since.unwrap_or(SINCE).0);
        let of = match verb {
            Verb::Pause | Verb::Resume => {
                let tenants = if wanted.tenants.is_empty() { desk.tenants(since)? } else { wanted.tenants.iter().cloned().collect() };
                tenants.into_iter().map(|tenant| (tenant, Vec::new())).collect::<BTreeMap<_, _>>()
            }
            _ => {
                let candidates = match verb {
                    Verb::Release => desk.open_requests(&Filter::default(), since)?,
                    _ => desk.waiting(&Filter::default(), None)?,
                };
                let status = if wanted.ids.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::CONFLICT };
                meant(verb, &candidates, &wanted.ids, &wanted.filter).map_err(|why| Refusal(status, why))?
            }
        };
        let count: usize = of.values().map(|ids| ids.len().max(1)).sum();
        if wanted.dry_run || count == 0 {
            return Ok((StatusCode::OK, json!({ "meant": count })));
        }
        tracing::info!(person = person.name, %verb, count, reason = wanted.reason, "an answer came over HTTP");
        let came = desk.say(signer, verb, &of, &wanted.reason, wanted.lasts)?;
        let refused = came.answers.iter().filter(|a| a.end == AnswerEnd::Refused).count();
        let status = match (came.missing, refused) {
            (0, 0) => StatusCode::OK,
            (0, _) => StatusCode::CONFLICT,
            // It is taken into the gate's log, and counts if that is within 15 minutes.
            _ => StatusCode::GATEWAY_TIMEOUT,
        };
        let answers: Vec<Value> =
            came.answers.iter().map(|a| json!({ "tenant": a.tenant, "of": a.of, "end": a.end, "why": a.why, "by": a.by })).collect();
        let accepted = came.answers.len() - refused;
        Ok((status, json!({ "meant": count, "accepted": accepted, "refused": refused, "unanswered": came.missing, "answers": answers })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::event::Class;

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let asked = Asked::read(Some("class=service&cause=a%20b&limit=7&since=2h&by=tenant")).ok().unwrap();
        assert_eq!((asked.filter.class, asked.filter.cause.as_deref()), (Some(Class::Service), Some("a b")));
        assert_eq!((asked.limit, asked.since, asked.by), (Some(7), Some(Span(7_200_000)), Some(By::Tenant)));
        assert_eq!(Asked::read(None).ok().unwrap().filter, Filter::default());
        for (query, why) in [
            ("clas=service", "unknown field"),
            ("class=servce", "did you mean \"service\"?"),
            ("limit=10001", "up to 10000"),
            ("since=long", "since"),
            ("by=colour", "unknown variant"),
            ("cause=a&cause=b", "twice"),
        ] {
            let Err(Refusal(status, said)) = Asked::read(Some(query)) else { panic!("{query} is taken") };
            assert!(status == StatusCode::BAD_REQUEST && said.contains(why), "{query}: {said}");
        }
    }
}
