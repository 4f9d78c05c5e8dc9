//! What the access logs of gateways have in common: a request, by whom, from where, and how it was answered.

use super::Item;
use super::fields::{self, Unless};
use super::json::Json;
use portcullis_core::event::{Class, Credential, EventType, Request, Session, Source};
use portcullis_core::text::Text;
use portcullis_core::time::Time;

/// One request, as far as a gateway says.
#[derive(Default)]
pub struct Access<'a> {
    pub id: Option<Text<'a>>,
    pub time: Time,
    /// The system that wrote the log; of which the input names the instance, where this does not.
    pub product: &'static str,
    pub instance: Option<Text<'a>>,
    /// Who asked, by what a person is known by, and who names it so. `None`: anybody.
    pub who: Option<Text<'a>>,
    pub name: Option<Text<'a>>,
    pub issuer: Option<Text<'a>>,
    pub class: Option<Class>,
    pub credential: Credential<'a>,
    pub session: Option<Text<'a>>,
    pub source: Source<'a>,
    pub method: Option<Text<'a>>,
    /// The template, where the gateway knows it.
    pub route: Option<Text<'a>>,
    /// What was asked for, where it does not.
    pub path: Option<Text<'a>>,
    pub status: Option<u16>,
    pub bytes: Option<u64>,
    pub scope: Option<Text<'a>>,
}

impl<'a> Access<'a> {
    /// The event; what names nobody is ignored: an anonymous request teaches nothing about an identity.
    pub fn into_item(self, format: &str) -> Item<'a> {
        let Some(who) = self.who else { return Item::ignored(format!("{format}:anonymous")) };
        let native_type = Text::from(format!("{format}:request"));
        let mut event = fields::event(EventType::ApiRequest, self.time, native_type);
        event.id = self.id.unwrap_or_default();
        event.outcome = fields::http_outcome(self.status);
        let mut identity = fields::identity(who, self.name, self.issuer);
        identity.class = self.class;
        event.identity = Some(identity);
        event.provider = fields::provider(self.product, self.instance);
        event.credential = self.credential.unless_empty();
        event.session = Session { id: self.session, parent: None }.unless_empty();
        event.source = self.source.unless_empty();
        event.request = Some(Request {
            method: self.method,
            route: self.route.or_else(|| self.path.map(|path| Text::from(fields::route_template(&path)))),
            status: self.status,
            bytes: self.bytes,
            scope: self.scope,
            ..Request::default()
        });
        Item::Event(event)
    }
}

/// A claim of a token that gateways are told to log, under the names that people give it.
pub fn claim<'a>(json: &Json<'a>, names: &[&str]) -> Option<Text<'a>> {
    names.iter().find_map(|name| json.get(name).name())
}
