//! What `EXPLAIN` shows, as clients of PostgreSQL read it: one column, `QUERY PLAN`, with a line in each row, or with all of
//! the plan as one JSON text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::parser::Statement as DfStatement;
use futures::TryStreamExt;
use zxq_catalog::declared::PG_TYPE;

use crate::session::plan_costs::Cost;
use crate::sql::Statement;
use crate::sql::explain_options::ExplainFormat;

/// The name of the column.
const COLUMN: &str = "QUERY PLAN";
/// The row of DataFusion's that says what is done.
const PHYSICAL: &str = "physical_plan";

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Explained {
    as_json: bool,
    /// What each step is thought to cost.
    pub(super) costs: bool,
    /// All that DataFusion tells, and not only what is done.
    verbose: bool,
}

impl Explained {
    /// How this statement asks for it; `None` for one that is no `EXPLAIN`.
    pub(super) fn of(statement: &Statement) -> Option<Self> {
        match statement.parsed() {
            DfStatement::Explain(explain) => {
                let format = ExplainFormat::of(explain.format.as_deref());
                Some(Explained {
                    as_json: format.is_some_and(|format| format.json),
                    costs: format.is_some_and(|format| format.costs),
                    verbose: explain.verbose,
                })
            }
            _ => None,
        }
    }

    /// The columns of what is shown.
    pub(super) fn schema(self) -> SchemaRef {
        let field = Field::new(COLUMN, DataType::Utf8, true);
        let json = HashMap::from([(PG_TYPE.to_owned(), "json".to_owned())]);
        Arc::new(Schema::new(vec![if self.as_json { field.with_metadata(json) } else { field }]))
    }

    /// The plan as it is shown, from DataFusion's rows of kinds of plans and their texts, with the costs of its lines.
    pub(super) fn shown(self, plans: SendableRecordBatchStream, costs: Vec<Cost>) -> SendableRecordBatchStream {
        let schema = self.schema();
        let shown_as = Arc::clone(&schema);
        let shown = async move {
            let rows: Vec<RecordBatch> = plans.try_collect().await?;
            let mut plans = Vec::new();
            for batch in &rows {
                plans.extend(kinds_and_texts(batch)?);
            }
            let rows = if self.as_json { vec![json(&plans, &costs)] } else { self.lines(&plans, &costs) };
            let column: ArrayRef = Arc::new(StringArray::from(rows));
            Ok::<_, DataFusionError>(RecordBatch::try_new(shown_as, vec![column])?)
        };
        Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(shown)))
    }

    fn lines(self, plans: &[(String, String)], costs: &[Cost]) -> Vec<String> {
        let main = main_plan(plans).filter(|_| !self.verbose);
        match main {
            Some(text) => with_costs(text, costs),
            None => {
                let section = |(kind, text): &(String, String)| {
                    let lines = with_costs(text, if kind == PHYSICAL { costs } else { &[] });
                    let lines = lines.into_iter().map(|line| format!("  {line}"));
                    std::iter::once(format!("{kind}:")).chain(lines).collect::<Vec<_>>()
                };
                plans.iter().flat_map(section).collect()
            }
        }
    }
}

/// The lines of a plan, each with its cost. Where a line is more than a step of the plan, the first one has that of all.
fn with_costs(text: &str, costs: &[Cost]) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let steps = if lines.len() == costs.len() { costs } else { costs.get(..1).unwrap_or_default() };
    let costs = steps.iter().map(Some).chain(std::iter::repeat(None));
    let with_cost = |(line, cost): (&&str, Option<&Cost>)| match cost {
        Some(cost) => format!("{line}  {cost}"),
        None => (*line).to_owned(),
    };
    lines.iter().zip(costs).map(with_cost).collect()
}

/// The plan of what is done; `None` where there are only others.
fn main_plan(plans: &[(String, String)]) -> Option<&str> {
    let named = |name: &str| plans.iter().find(|(kind, _)| kind == name).map(|(_, text)| text.as_str());
    named(PHYSICAL).or(match plans {
        [(_, only)] => Some(only.as_str()),
        _ => None,
    })
}

fn kinds_and_texts(batch: &RecordBatch) -> Result<Vec<(String, String)>, DataFusionError> {
    let texts = |at: usize| -> Result<Vec<String>, DataFusionError> {
        let column = cast(batch.column(at), &DataType::Utf8)?;
        Ok(column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
    };
    if batch.num_columns() < 2 {
        return Ok(Vec::new());
    }
    Ok(texts(0)?.into_iter().zip(texts(1)?).collect())
}

/// The plan as PostgreSQL's programs read it: each node with its type, and the nodes below it.
fn json(plans: &[(String, String)], costs: &[Cost]) -> String {
    let text = main_plan(plans).unwrap_or_default();
    let lines: Vec<(usize, &str)> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| (line.len() - line.trim_start().len(), line.trim()))
        .collect();
    let mut out = String::from("[\n  {\n    \"Plan\": ");
    match lines.first() {
        Some(_) => {
            let costs = if lines.len() == costs.len() { costs } else { costs.get(..1).unwrap_or_default() };
            node(&lines, costs, 0, 4, &mut out);
        }
        None => out.push_str("{}"),
    }
    out.push_str("\n  }\n]");
    out
}

/// Writes the node of a line and those below it; gives the first line that is not.
fn node(lines: &[(usize, &str)], costs: &[Cost], at: usize, indent: usize, out: &mut String) -> usize {
    let (depth, text) = lines[at];
    let (kind, details) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
    let pad = " ".repeat(indent);
    out.push_str(&format!("{{\n{pad}  \"Node Type\": {}", quoted(kind)));
    if let Some(Cost { startup, total, rows, width }) = costs.get(at) {
        out.push_str(&format!(",\n{pad}  \"Startup Cost\": {startup:.2},\n{pad}  \"Total Cost\": {total:.2}"));
        out.push_str(&format!(",\n{pad}  \"Plan Rows\": {rows:.0},\n{pad}  \"Plan Width\": {width}"));
    }
    if !details.is_empty() {
        out.push_str(&format!(",\n{pad}  \"Details\": {}", quoted(details)));
    }
    let mut next = at + 1;
    let mut first = true;
    while next < lines.len() && lines[next].0 > depth {
        if first {
            out.push_str(&format!(",\n{pad}  \"Plans\": ["));
        } else {
            out.push(',');
        }
        out.push_str(&format!("\n{pad}    "));
        next = node(lines, costs, next, indent + 4, out);
        first = false;
    }
    if !first {
        out.push_str(&format!("\n{pad}  ]"));
    }
    out.push_str(&format!("\n{pad}}}"));
    next
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans() -> Vec<(String, String)> {
        let text = "SortExec: TopK(fetch=1)\n  FilterExec: a = \"x\"\n    TierScanExec: table=t\n  Other\n";
        vec![("logical_plan".to_owned(), "Sort: a".to_owned()), (PHYSICAL.to_owned(), text.to_owned())]
    }

    #[test]
    fn a_line_in_each_row() {
        let shown = |verbose| Explained { as_json: false, costs: true, verbose }.lines(&plans(), &[]);
        assert_eq!(shown(false)[1], "  FilterExec: a = \"x\"");
        assert_eq!(shown(true)[..3], ["logical_plan:", "  Sort: a", "physical_plan:"]);
        let costs = [Cost { startup: 0.5, total: 3.0, rows: 2.0, width: 8 }; 4];
        let shown = |costs: &[Cost]| Explained { as_json: false, costs: true, verbose: false }.lines(&plans(), costs);
        assert_eq!(shown(&costs)[3], "  Other  (cost=0.50..3.00 rows=2 width=8)");
        assert_eq!(
            shown(&costs[..2])[..2],
            ["SortExec: TopK(fetch=1)  (cost=0.50..3.00 rows=2 width=8)", "  FilterExec: a = \"x\""]
        );
    }

    #[test]
    fn nodes_in_nodes() {
        let expected = r#"[
  {
    "Plan": {
      "Node Type": "SortExec",
      "Details": "TopK(fetch=1)",
      "Plans": [
        {
          "Node Type": "FilterExec",
          "Details": "a = \"x\"",
          "Plans": [
            {
              "Node Type": "TierScanExec",
              "Details": "table=t"
            }
          ]
        },
        {
          "Node Type": "Other"
        }
      ]
    }
  }
]"#;
        assert_eq!(json(&plans(), &[]), expected);
        let costs = [Cost { startup: 0.5, total: 3.0, rows: 2.0, width: 8 }; 4];
        let told =
            "\"Startup Cost\": 0.50,\n      \"Total Cost\": 3.00,\n      \"Plan Rows\": 2,\n      \"Plan Width\": 8";
        assert!(json(&plans(), &costs).contains(told));
        assert_eq!(json(&[], &[]), "[\n  {\n    \"Plan\": {}\n  }\n]");
    }
}
