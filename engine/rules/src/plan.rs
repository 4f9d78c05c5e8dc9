//! The plan of a policy's rules, and how it is asked: columns for a batch of rows once, then each rule over its own columns.
//!
//! A rule that errs over a batch is asked again row by row, so that only the rows that fail carry the error and every other row keeps its
//! answer. A row alone computes no more than it does within a batch (`AND`, `OR` and `CASE` look at what they need), so what errs in no
//! batch errs in no row.

use crate::compile::compile;
use crate::input::Input;
use crate::words::Words;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_physical_expr::PhysicalExpr;
use portcullis_core::heard::HEARD_MAX;
use portcullis_core::policy::Policy;
use portcullis_core::rule::{Answer, Asked, Misread, Part, Plan, Planner, Rule};
use portcullis_core::subject::Kind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Rows that are evaluated at once; a larger batch is cut.
const ROWS_AT_ONCE: usize = 1_024;

/// Plans rules with DataFusion.
pub struct SqlPlanner;

/// The rules about one kind of subject.
#[derive(Debug)]
struct Group {
    kind: Kind,
    /// What its rules read between them.
    inputs: Vec<Input>,
    rules: Vec<Planned>,
}

#[derive(Debug)]
struct Planned {
    /// Place in the policy's rules.
    rule: usize,
    expr: Arc<dyn PhysicalExpr>,
    /// Of what it reads itself.
    schema: SchemaRef,
    reads: Vec<Input>,
    /// Their places in the group's inputs.
    places: Vec<usize>,
    words: Words,
}

/// Every rule of a policy.
#[derive(Debug)]
struct SqlPlan {
    groups: Vec<Group>,
    listens_to: Vec<u16>,
}

impl Planner for SqlPlanner {
    fn plan(&self, policy: &Policy, rules: &mut [Rule]) -> Result<Arc<dyn Plan>, Vec<Misread>> {
        let (mut groups, mut misread) = (Vec::<Group>::new(), Vec::new());
        for (place, rule) in rules.iter_mut().enumerate() {
            let words = Words::of(rule).map_err(|(what, help)| misread.push(Misread { rule: place, part: Part::Detail, what, help }));
            let predicate = compile(policy, &rule.when).map_err(|wrong| {
                let what = format!("{}{}", wrong.place(), wrong.what);
                misread.push(Misread { rule: place, part: Part::When, what, help: wrong.help });
            });
            let (Ok(words), Ok(predicate)) = (words, predicate) else { continue };
            rule.unauthenticated = !predicate.needs_credential;
            let group = match groups.iter().position(|g| g.kind == rule.on) {
                Some(known) => &mut groups[known],
                None => {
                    groups.push(Group { kind: rule.on, inputs: Vec::new(), rules: Vec::new() });
                    let last = groups.len() - 1;
                    &mut groups[last]
                }
            };
            let schema = Arc::new(Schema::new(predicate.inputs.iter().map(Input::field).collect::<Vec<_>>()));
            let places = predicate.inputs.iter().map(|input| group.place_of(input)).collect();
            group.rules.push(Planned { rule: place, expr: predicate.expr, schema, reads: predicate.inputs, places, words });
        }
        let mut listens_to = Vec::new();
        for (rule, input) in groups.iter().flat_map(|g| &g.rules).flat_map(|r| r.reads.iter().map(move |input| (r.rule, input))) {
            let Input::SpokeWithin(_, number, _) = input else { continue };
            if !listens_to.contains(number) {
                listens_to.push(*number);
                if listens_to.len() > HEARD_MAX {
                    let what = format!("rules ask about more than {HEARD_MAX} signals by a time");
                    misread.push(Misread { rule, part: Part::When, what, help: "ask about fewer, or of this event alone".to_owned() });
                }
            }
        }
        if misread.is_empty() { Ok(Arc::new(SqlPlan { groups, listens_to })) } else { Err(misread) }
    }
}

impl Group {
    fn place_of(&mut self, input: &Input) -> usize {
        self.inputs.iter().position(|known| known == input).unwrap_or_else(|| {
            self.inputs.push(input.clone());
            self.inputs.len() - 1
        })
    }
}

impl Plan for SqlPlan {
    fn answer(&self, asked: &[Asked<'_>]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for group in &self.groups {
            let rows: Vec<(usize, &Asked<'_>)> = asked.iter().enumerate().filter(|(_, a)| a.row.kind == group.kind).collect();
            for rows in rows.chunks(ROWS_AT_ONCE) {
                let of_rows: Vec<&Asked<'_>> = rows.iter().map(|(_, a)| *a).collect();
                let columns: Vec<ArrayRef> = group.inputs.iter().map(|input| input.values(&of_rows)).collect();
                for planned in &group.rules {
                    planned.answer(&columns, rows, &mut answers);
                }
            }
        }
        answers
    }

    fn listens_to(&self) -> &[u16] {
        &self.listens_to
    }
}

impl Planned {
    fn answer(&self, columns: &[ArrayRef], rows: &[(usize, &Asked<'_>)], answers: &mut Vec<Answer>) {
        let own: Vec<ArrayRef> = self.places.iter().map(|place| Arc::clone(&columns[*place])).collect();
        let mut add = |row: &(usize, &Asked<'_>), hits: Result<bool, String>| {
            let said = match hits {
                Ok(false) => return,
                Ok(true) => Ok(self.words.said(&self.reads, row.1)),
                Err(why) => Err(why),
            };
            answers.push(Answer { row: row.0, rule: self.rule, said });
        };
        match self.hits(&own, rows.len()) {
            Ok(hits) => rows.iter().enumerate().for_each(|(i, row)| add(row, Ok(hits.is_valid(i) && hits.value(i)))),
            Err(why) if rows.len() == 1 => add(&rows[0], Err(why)),
            Err(_) => {
                for (i, row) in rows.iter().enumerate() {
                    let one: Vec<ArrayRef> = own.iter().map(|column| column.slice(i, 1)).collect();
                    add(row, self.hits(&one, 1).map(|hits| hits.is_valid(0) && hits.value(0)));
                }
            }
        }
    }

    /// Whether the predicate holds, row by row; NULL where that is not known.
    fn hits(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanArray, String> {
        // A panic in a kernel is an error of this rule and of no other.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.to_vec(), &options)?;
            self.expr.evaluate(&batch)?.into_array(rows)
        }));
        match evaluated {
            Ok(Ok(array)) => array.as_boolean_opt().cloned().ok_or_else(|| "its value is neither true nor false".to_owned()),
            Ok(Err(error)) => Err(error.strip_backtrace()),
            Err(_) => Err("its evaluation panicked".to_owned()),
        }
    }
}
