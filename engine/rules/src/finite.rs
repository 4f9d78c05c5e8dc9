//! Arithmetic on numbers with a fraction that fails where its result is none: a division by zero gives no infinity that then exceeds
//! every threshold, and no NaN that no comparison understands.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Schema};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use std::fmt;
use std::sync::Arc;

/// The value of a `DOUBLE` expression, or an error where it is not finite.
#[derive(Debug, Eq)]
pub struct Finite(pub Arc<dyn PhysicalExpr>);

// Neither is derived: that would move out of the `Arc` (rust-lang/rust#78808).
impl std::hash::Hash for Finite {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Finite) -> bool {
        self.0.eq(&other.0)
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PhysicalExpr for Finite {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let value = self.0.evaluate(batch)?;
        let is_finite = match &value {
            ColumnarValue::Scalar(ScalarValue::Float64(number)) => number.is_none_or(f64::is_finite),
            ColumnarValue::Scalar(_) => true,
            // What stands under a NULL is no value.
            ColumnarValue::Array(array) => array.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        };
        if is_finite { Ok(value) } else { exec_err!("a division by zero, or a result too large for a number") }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Finite(children.remove(0))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}
