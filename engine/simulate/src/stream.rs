//! The stream: whose turn it is, one event at a time, in the order of time.
//!
//! A heap holds one entry for each life (its next visit), each open visit and each scenario under way; nothing is generated before its
//! turn. So memory grows with the population (about 100 bytes an identity) and with what is open, never with the number of events.

use crate::identity::{Frame, Who};
use crate::inventory;
use crate::json;
use crate::label::{Draft, Label};
use crate::life::{Actor, Life, Visit};
use crate::messy::Shipping;
use crate::plan::Plan;
use crate::scenario::Act;
use crate::settings::{Settings, SettingsError};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Seeded, labelled traffic. See the crate's documentation.
pub struct Simulation {
    settings: Settings,
    plan: Plan,
    lives: Vec<Life>,
    turns: BinaryHeap<Reverse<(i64, Turn)>>,
    visits: Vec<Open>,
    free: Vec<u32>,
    scenes: Vec<Playing>,
    labels: Vec<Label>,
    last_id: u64,
    line: Vec<u8>,
    body: Vec<u8>,
    shipping: Shipping,
    /// Who does nothing else in which stretch.
    pauses: HashMap<Who, (i64, i64)>,
}

/// Whose turn it is. The order of the variants and their numbers settles ties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Turn {
    /// Inventory record of the member with this number.
    Record(u32),
    Instance(u32),
    Act(u32),
    Life(u32),
    Visit(u32),
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Ordinary,
    Record,
    /// Of a scenario: when it is shipped if not at once, and whether it is a control record.
    Act(Option<i64>, bool),
}

/// A visit under way, in a slot that is used again.
struct Open {
    actor: Actor,
    visit: Visit,
    context: Vec<u8>,
    bearer: Vec<u8>,
}

/// A scenario under way.
struct Playing {
    acts: std::vec::IntoIter<Act>,
    label: Option<Draft>,
}

/// What was shipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shipment {
    /// When it happened, epoch milliseconds.
    pub at_ms: i64,
    /// When it reached the log; later than `at_ms` for late and repeated events.
    pub shipped_ms: i64,
    /// An inventory record, for inputs that may say such things.
    pub is_control: bool,
    /// Not a valid event, on purpose.
    pub is_malformed: bool,
}

impl Simulation {
    /// Plans everything; costs about a tenth of the whole run.
    pub fn new(settings: Settings) -> Result<Simulation, SettingsError> {
        let chosen = settings.check()?;
        let plan = Plan::make(&settings, &chosen);
        let mut turns = BinaryHeap::with_capacity(plan.census.members.len() + 1_024);
        let mut lives = Vec::with_capacity(plan.census.members.len());
        for (number, who) in plan.census.members.iter().enumerate() {
            let life = Life::new(&plan.frame, *who);
            if let Some(at) = begins(&plan.frame, &life) {
                turns.push(Reverse((at, Turn::Life(number as u32))));
            }
            lives.push(life);
        }
        turns.extend(plan.instances.iter().map(|i| Reverse((i.begins, Turn::Instance(i.number)))));
        if settings.inventory
            && let Some(first) = next_listed(&plan, 0)
        {
            turns.push(Reverse((plan.frame.start, Turn::Record(first))));
        }
        let shipping = Shipping::new(&settings);
        let pauses = plan.instances.iter().filter_map(|i| Some((i.who, i.pause()?))).collect();
        Ok(Simulation {
            settings,
            plan,
            lives,
            turns,
            visits: Vec::new(),
            free: Vec::new(),
            scenes: Vec::new(),
            labels: Vec::new(),
            last_id: 0,
            line: Vec::with_capacity(2_048),
            body: Vec::with_capacity(512),
            shipping,
            pauses,
        })
    }

    /// Identities with a life of their own.
    pub fn identities(&self) -> usize {
        self.plan.census.members.len()
    }

    /// Labels of what has ended so far; complete, in the order of their beginnings, once the stream has ended.
    pub fn labels(&self) -> Vec<Label> {
        let mut labels = self.labels.clone();
        labels.sort_by(|a, b| (&a.from, a.scenario, &a.subject.id).cmp(&(&b.from, b.scenario, &b.subject.id)));
        labels
    }

    /// Appends the next line of the log, line feed included. `None` at the end.
    pub fn next_line(&mut self, out: &mut Vec<u8>) -> Option<Shipment> {
        loop {
            let now = self.turns.peek().map(|Reverse((at, _))| *at);
            if let Some(shipment) = self.shipping.due(now, out) {
                return Some(shipment);
            }
            let (at, what) = self.happen()?;
            match what {
                What::Ordinary if self.shipping.withholds(at, self.last_id, &self.line) => continue,
                What::Act(Some(shipped), _) => {
                    self.shipping.hold(at, shipped, self.last_id, &self.line);
                    continue;
                }
                _ => {}
            }
            out.extend_from_slice(&self.line);
            out.push(b'\n');
            let is_control = matches!(what, What::Record | What::Act(_, true));
            return Some(Shipment { at_ms: at, shipped_ms: at, is_control, is_malformed: false });
        }
    }

    /// Lets the next thing happen and writes it to `line`.
    fn happen(&mut self) -> Option<(i64, What)> {
        loop {
            let Reverse((at, turn)) = *self.turns.peek()?;
            match turn {
                Turn::Visit(slot) => {
                    let open = &mut self.visits[slot as usize];
                    self.body.clear();
                    let step = open.visit.step(&self.plan.frame, &open.actor, &mut self.body);
                    let over = open.visit.len() == 0;
                    let pause = step.as_ref().map_or(0, |s| s.pause);
                    if over {
                        self.turns.pop();
                        self.free.push(slot);
                    } else if let Some(mut top) = self.turns.peek_mut() {
                        top.0.0 = at + pause;
                    }
                    let Some(step) = step else { continue };
                    let bearer: &[u8] = if step.with_bearer { &open.bearer } else { &[] };
                    self.last_id += 1;
                    self.line.clear();
                    json::line(&mut self.line, self.last_id, at, step.head, [&open.context, bearer, &self.body]);
                    return Some((at, What::Ordinary));
                }
                Turn::Life(number) => self.begin_visit(number),
                Turn::Instance(number) => {
                    self.turns.pop();
                    let instance = &self.plan.instances[number as usize];
                    let mut scene = instance.play(&self.plan.frame, &self.plan.census);
                    let label = Some(Draft::of(instance, &mut scene));
                    let acts = std::mem::take(&mut scene.acts).into_iter();
                    let slot = self.scenes.iter().position(|s| s.acts.len() == 0).unwrap_or(self.scenes.len());
                    let playing = Playing { acts, label };
                    if slot == self.scenes.len() {
                        self.scenes.push(playing)
                    } else {
                        self.scenes[slot] = playing
                    }
                    self.turns.push(Reverse((at, Turn::Act(slot as u32))));
                }
                Turn::Act(slot) => {
                    self.turns.pop();
                    let playing = &mut self.scenes[slot as usize];
                    let Some(act) = playing.acts.next() else { continue };
                    self.last_id += 1;
                    self.line.clear();
                    json::line(&mut self.line, self.last_id, act.at, act.head, [&act.rest, &[], &[]]);
                    if let Some(label) = &mut playing.label {
                        label.saw(self.last_id, act.at, act.mark);
                    }
                    match playing.acts.as_slice().first() {
                        Some(next) => self.turns.push(Reverse((next.at, turn))),
                        None => self.labels.extend(playing.label.take().map(Draft::finish)),
                    }
                    return Some((act.at, What::Act(act.shipped, act.head.is_control())));
                }
                Turn::Record(number) => {
                    self.turns.pop();
                    if let Some(next) = next_listed(&self.plan, number + 1) {
                        self.turns.push(Reverse((at, Turn::Record(next))));
                    }
                    let actor = Actor::derive(&self.plan.frame, self.plan.census.members[number as usize]);
                    self.body.clear();
                    inventory::record(&mut self.body, &self.plan.frame, &actor);
                    self.last_id += 1;
                    self.line.clear();
                    json::line(&mut self.line, self.last_id, at, inventory::HEAD, [&self.body, &[], &[]]);
                    return Some((at, What::Record));
                }
            }
        }
    }

    /// Opens the visit that begins now and looks up when the next one does.
    fn begin_visit(&mut self, number: u32) {
        let frame = &self.plan.frame;
        let life = &mut self.lives[number as usize];
        let actor = Actor::derive(frame, life.who);
        let visit = life.next(frame, &actor);
        match life.clone().next(frame, &actor) {
            Some(next) => {
                if let Some(mut top) = self.turns.peek_mut() {
                    top.0.0 = next.at();
                }
            }
            None => {
                self.turns.pop();
            }
        }
        let Some(visit) = visit else { return };
        let at = visit.at();
        if visit.len() == 0 || self.pauses.get(&life.who).is_some_and(|(from, to)| (*from..*to).contains(&at)) {
            return;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                let open = &mut self.visits[slot as usize];
                (open.actor, open.visit) = (actor, visit);
                slot
            }
            None => {
                self.visits.push(Open { actor, visit, context: Vec::with_capacity(640), bearer: Vec::with_capacity(256) });
                self.visits.len() as u32 - 1
            }
        };
        let open = &mut self.visits[slot as usize];
        open.context.clear();
        open.bearer.clear();
        open.visit.render(frame, &open.actor, self.settings.messy, &mut open.context, &mut open.bearer);
        self.turns.push(Reverse((at, Turn::Visit(slot))));
    }
}

impl Iterator for Simulation {
    /// A line without its line feed.
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        self.next_line(&mut line)?;
        line.pop();
        Some(line)
    }
}

/// When a life's next visit begins.
fn begins(frame: &Frame, life: &Life) -> Option<i64> {
    let actor = Actor::derive(frame, life.who);
    life.clone().next(frame, &actor).map(|visit| visit.at())
}

/// The first member from this number on who is in the inventory.
fn next_listed(plan: &Plan, from: u32) -> Option<u32> {
    (from..plan.census.members.len() as u32).find(|n| inventory::is_listed(&plan.frame, plan.census.members[*n as usize]))
}
