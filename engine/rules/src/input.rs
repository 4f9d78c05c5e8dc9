//! What a predicate reads of a row: a column, whether a signal spoke, whether the address belongs to a network of the policy.

use crate::column::{Column, Read};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field};
use portcullis_core::policy::network::Cidr;
use portcullis_core::rule::Asked;
use portcullis_core::time::Span;
use std::net::IpAddr;
use std::sync::Arc;

/// One value of each row.
#[derive(Clone, Debug)]
pub enum Input {
    Column(&'static Column),
    /// The signal of this name and number spoke of the event.
    Spoke(&'static str, u16),
    /// It spoke within this time, of this event or of one before it.
    SpokeWithin(&'static str, u16, Span),
    /// `source.ip` is in this network of the policy.
    InNetwork(String, Vec<Cidr>),
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Input {
    fn eq(&self, other: &Input) -> bool {
        match (self, other) {
            (Input::Column(a), Input::Column(b)) => a.name == b.name,
            (Input::Spoke(_, a), Input::Spoke(_, b)) => a == b,
            (Input::SpokeWithin(_, a, within), Input::SpokeWithin(_, b, other)) => (a, within) == (b, other),
            (Input::InNetwork(a, _), Input::InNetwork(b, _)) => a == b,
            _ => false,
        }
    }
}

impl Input {
    /// As it stands in a predicate.
    pub fn name(&self) -> String {
        match self {
            Input::Column(column) => column.name.to_owned(),
            Input::Spoke(signal, _) => format!("spoke('{signal}')"),
            Input::SpokeWithin(signal, _, within) => format!("spoke('{signal}', '{within}')"),
            Input::InNetwork(network, _) => format!("in_network('{network}')"),
        }
    }

    pub fn field(&self) -> Field {
        let data_type = match self {
            Input::Column(Column { read: Read::Integer(_), .. }) => DataType::Int64,
            Input::Column(Column { read: Read::Number(_), .. }) => DataType::Float64,
            Input::Column(Column { read: Read::Text(_), .. }) => DataType::Utf8,
            Input::Column(Column { read: Read::Truth(_), .. }) => DataType::Boolean,
            Input::Spoke(..) | Input::SpokeWithin(..) | Input::InNetwork(..) => DataType::Boolean,
        };
        Field::new(self.name(), data_type, true)
    }

    /// Its values in rows, one each.
    pub fn values(&self, rows: &[&Asked<'_>]) -> ArrayRef {
        match self {
            Input::Column(Column { read: Read::Truth(read), .. }) => Arc::new(rows.iter().map(|r| read(r)).collect::<BooleanArray>()),
            Input::Column(Column { read: Read::Integer(read), .. }) => Arc::new(rows.iter().map(|r| read(r)).collect::<Int64Array>()),
            Input::Column(Column { read: Read::Number(read), .. }) => Arc::new(rows.iter().map(|r| read(r)).collect::<Float64Array>()),
            Input::Column(Column { read: Read::Text(read), .. }) => Arc::new(rows.iter().map(|r| read(r)).collect::<StringArray>()),
            Input::Spoke(_, number) => Arc::new(rows.iter().map(|r| Some(r.has_spoken(*number))).collect::<BooleanArray>()),
            Input::SpokeWithin(_, number, within) => {
                Arc::new(rows.iter().map(|r| Some(r.has_spoken_within(*number, within.0))).collect::<BooleanArray>())
            }
            Input::InNetwork(_, blocks) => Arc::new(rows.iter().map(|r| is_in(r, blocks)).collect::<BooleanArray>()),
        }
    }

    /// Its value in one row, for a person; `None` for NULL.
    pub fn shown(&self, row: &Asked<'_>) -> Option<String> {
        match self {
            Input::Column(column) => shown(column, row),
            Input::Spoke(_, number) => Some(row.has_spoken(*number).to_string()),
            Input::SpokeWithin(_, number, within) => Some(row.has_spoken_within(*number, within.0).to_string()),
            Input::InNetwork(_, blocks) => is_in(row, blocks).map(|b| b.to_string()),
        }
    }
}

/// A column's value in one row, for a person; `None` for NULL.
pub fn shown(column: &Column, row: &Asked<'_>) -> Option<String> {
    match column.read {
        Read::Truth(read) => read(row).map(|v| v.to_string()),
        Read::Integer(read) => read(row).map(|v| v.to_string()),
        Read::Number(read) => read(row).map(|v| v.to_string()),
        Read::Text(read) => read(row).map(str::to_owned),
    }
}

/// NULL where there is no address.
fn is_in(row: &Asked<'_>, blocks: &[Cidr]) -> Option<bool> {
    let address: IpAddr = row.event.ip()?.parse().ok()?;
    Some(blocks.iter().any(|block| block.contains(address)))
}
