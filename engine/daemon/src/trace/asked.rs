//! The traces of what the gate was asked for, so that a request which a person agreed to hours later, and the fact that confirms it, are still
//! part of the trace that led to them. In memory alone: after a restart they are part of none.

use super::context::Context;
use std::collections::{HashMap, VecDeque};

/// The oldest are forgotten beyond it.
const ASKED_MAX: usize = 10_000;

/// Contexts by the id of the request that a proposal becomes.
#[derive(Default)]
pub struct Asked {
    contexts: HashMap<String, (Context<'static>, Option<String>)>,
    order: VecDeque<String>,
}

impl Asked {
    /// A batch that is done again keeps the context anew and nothing else.
    pub fn keep(&mut self, request: &str, context: Context<'_>) {
        let Context { trace, span, flags, state } = context;
        let kept = (Context { trace, span, flags, state: None }, state.map(str::to_owned));
        if self.contexts.insert(request.to_owned(), kept).is_some() {
            return;
        }
        self.order.push_back(request.to_owned());
        if self.order.len() > ASKED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.contexts.remove(&oldest);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }

    pub fn of(&self, request: &str) -> Option<Context<'_>> {
        self.contexts.get(request).map(|(context, state)| Context { state: state.as_deref(), ..*context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_the_latest_context_counts() {
        let (mut asked, state) = (Asked::default(), "a=b".to_owned());
        let context = |span| Context { trace: [1; 16], span: [span; 8], flags: 1, state: Some(&state) };
        asked.keep("r0", context(1));
        asked.keep("r0", context(2));
        assert_eq!(asked.of("r0"), Some(context(2)));
        (1..=ASKED_MAX).for_each(|n| asked.keep(&format!("r{n}"), context(3)));
        assert_eq!(asked.of("r0"), None);
        assert_eq!((asked.contexts.len(), asked.order.len(), asked.of("r1")), (ASKED_MAX, ASKED_MAX, Some(context(3))));
    }
}
