//! Which of the things that wait, or are open, are meant.

use portcullis_core::containment::{Action, ContainmentDecision};
use portcullis_core::event::Class;
use portcullis_core::verdict::Level;
use serde::Deserialize;

#[derive(clap::Args, Default, Clone, PartialEq, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    #[arg(long, value_name = "CLASS")]
    pub class: Option<Class>,
    #[arg(long, value_name = "ACTION")]
    pub action: Option<Action>,
    /// The signal that weighed most, or the campaign.
    #[arg(long, value_name = "CAUSE")]
    pub cause: Option<String>,
    /// The subject's id.
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// At least this serious.
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
}

impl Filter {
    pub fn names_something(&self) -> bool {
        *self != Filter::default()
    }

    pub fn takes(&self, d: &ContainmentDecision) -> bool {
        self.tenant.as_ref().is_none_or(|t| d.tenant == *t)
            && self.class.is_none_or(|c| d.class == Some(c))
            && self.action.is_none_or(|a| d.action == a)
            && self.cause.as_ref().is_none_or(|c| d.cause == *c)
            && self.subject.as_ref().is_none_or(|s| d.subject.id == *s)
            && self.level.is_none_or(|l| d.level >= Some(l))
    }
}
