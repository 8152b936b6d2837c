//! `CALL zxq.…`: what the command line does, as SQL.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, Statement as Ast, UnaryOperator, Value,
};
use tokio::sync::watch;
use zxq_catalog::Tier;

use crate::constraints::OnError;
use crate::error::{EngineError, ErrorKind, Result};
use crate::load::inputs::LoadSource;
use crate::moves::plan::{self, PlannedMove};
use crate::moves::verify::VerifyEntry;
use crate::session::EngineSession;
use crate::sql::Statement;
use crate::supervisor::control::JobControl;
use crate::write::bulk_load::LoadRequest;

#[cfg(test)]
mod tests;

/// A parsed procedure call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Procedure {
    Migrate { table: String, to: Tier, from: Option<Tier>, partition: Option<String>, dry_run: bool },
    Maintain { dry_run: bool },
    Verify { table: Option<String> },
    Load { files: Vec<PathBuf>, request: LoadRequest },
}

const HELP: &str = "zxq.migrate(table, to [, from] [, partition] [, dry_run]), zxq.maintain([dry_run]), \
     zxq.verify([table]), zxq.load(table, files [, tier] [, on_error] [, asset_class] [, create] \
     [, time_column] [, partition_by] [, granularity] [, sort_by] [, lookup] [, delimiter] [, quote] [, null_text] \
     [, header] [, date_format] [, types])";

impl Procedure {
    /// Reads `CALL zxq.name(args)`: arguments by position or `name => value`.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedFunction`] for another procedure, [`ErrorKind::InvalidParameter`] for wrong arguments;
    /// both name what there is.
    pub(crate) fn parse(statement: &Statement) -> Result<Procedure> {
        let Some(Ast::Call(function)) = statement.ast() else {
            return Err(EngineError::new(ErrorKind::Syntax, format!("CALL what? There are {HELP}")));
        };
        let name = function.name.to_string().to_ascii_lowercase();
        let names: &[&str] = match name.as_str() {
            "zxq.migrate" => &["table", "to", "from", "partition", "dry_run"],
            "zxq.maintain" => &["dry_run"],
            "zxq.verify" => &["table"],
            "zxq.load" => &[
                "table",
                "files",
                "tier",
                "on_error",
                "asset_class",
                "create",
                "time_column",
                "partition_by",
                "granularity",
                "sort_by",
                "lookup",
                "delimiter",
                "quote",
                "null_text",
                "header",
                "date_format",
                "types",
            ],
            _ => {
                let text = format!("procedure {name} does not exist: there are {HELP}");
                return Err(EngineError::new(ErrorKind::UndefinedFunction, text));
            }
        };
        let arguments = Arguments::read(&name, names, &function.args)?;
        Ok(match name.as_str() {
            "zxq.migrate" => {
                // `zxq.migrate('t', 'warm', true)`: a boolean in third place is dry_run.
                let third_is_flag = matches!(arguments.values.get(2), Some(Some(Argument::Bool(_))));
                Procedure::Migrate {
                    table: arguments.text(0)?,
                    to: arguments.text(1)?.parse()?,
                    from: if third_is_flag { None } else { arguments.tier(2)? },
                    partition: arguments.optional_text(3)?,
                    dry_run: if third_is_flag { arguments.flag(2)? } else { arguments.flag(4)? },
                }
            }
            "zxq.maintain" => Procedure::Maintain { dry_run: arguments.flag(0)? },
            "zxq.verify" => Procedure::Verify { table: arguments.optional_text(0)? },
            _ => Procedure::Load {
                files: arguments.text(1)?.split(',').map(|f| PathBuf::from(f.trim())).collect(),
                request: LoadRequest {
                    table: arguments.text(0)?,
                    tier: match arguments.optional_text(2)? {
                        Some(text) if text.eq_ignore_ascii_case("auto") => None,
                        Some(text) => Some(text.parse()?),
                        None => None,
                    },
                    on_error: match arguments.optional_text(3)? {
                        Some(text) => text.parse()?,
                        None => OnError::Reject,
                    },
                    asset_class: arguments.optional_text(4)?,
                    create: arguments.flag(5)?,
                    layout: arguments.texts(6..11)?,
                    reading: arguments.texts(11..17)?,
                    owner: None,
                },
            },
        })
    }

    /// The schema of the rows it returns.
    pub(crate) fn schema(&self) -> SchemaRef {
        let text = |name: &str| Field::new(name, DataType::Utf8View, true);
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(match self {
            Procedure::Migrate { .. } | Procedure::Maintain { .. } => vec![
                text("action"),
                text("table_name"),
                text("partition"),
                text("from_tier"),
                text("to_tier"),
                number("segments"),
                number("rows"),
                number("bytes"),
                text("reason"),
                text("status"),
            ],
            Procedure::Verify { .. } => vec![
                text("table_name"),
                text("tier"),
                number("segments"),
                number("rows"),
                Field::new("ok", DataType::Boolean, true),
                text("problem"),
            ],
            Procedure::Load { .. } => vec![
                number("rows"),
                number("rejected"),
                number("files"),
                number("hot"),
                number("warm"),
                number("cold"),
                number("segments"),
                number("elapsed_ms"),
            ],
        }))
    }

    /// The name of a procedure that changes something no transaction could take back.
    fn runs_alone(&self) -> Option<&'static str> {
        match self {
            Procedure::Migrate { dry_run: false, .. } => Some("CALL zxq.migrate"),
            Procedure::Maintain { dry_run: false } => Some("CALL zxq.maintain"),
            Procedure::Load { .. } => Some("CALL zxq.load"),
            _ => None,
        }
    }

    /// Does it, and returns what was done.
    pub(crate) async fn run(&self, session: &EngineSession, control: &JobControl) -> Result<RecordBatch> {
        let engine = &session.engine;
        if let Procedure::Migrate { table, .. } | Procedure::Verify { table: Some(table) } = self {
            session.check_is_there(table)?;
        }
        if let Some(name) = self.runs_alone() {
            session.check_alone(name)?;
        }
        match self {
            Procedure::Migrate { table, to, from, partition, dry_run } => {
                let state = engine.own_table(table)?;
                session.rights()?.check_operates("zxq.migrate", Some(&state.def))?;
                if !dry_run {
                    engine.settle_table(state.def.id).await;
                }
                let moves = plan::by_hand(&state, *to, *from, partition.as_deref())?;
                if !dry_run {
                    engine.run_moves(&moves, control).await?.into_result()?;
                }
                self.moves_batch(&moves, *dry_run)
            }
            Procedure::Maintain { dry_run } => {
                session.rights()?.check_operates("zxq.maintain", None)?;
                let moves = engine.planned_by_policy().await?;
                if !dry_run {
                    engine.maintain(&moves, control).await?.into_result()?;
                }
                self.moves_batch(&moves, *dry_run)
            }
            Procedure::Verify { table } => {
                let state = table.as_deref().map(|table| engine.table(table)).transpose()?;
                session.rights()?.check_operates("zxq.verify", state.as_ref().map(|state| state.def.as_ref()))?;
                self.verify_batch(&control.stoppable(engine.verify(table.as_deref())).await?)
            }
            Procedure::Load { files, request } => {
                engine.check_write()?;
                session.check_may_load(&request.table, request.create)?;
                let request = LoadRequest { owner: session.owner_of_new_tables(), ..request.clone() };
                let source = LoadSource::Files(session.readable(files)?);
                let table = request.table.clone();
                let report = engine.load_within(request, source, &watch::Sender::default(), control).await?;
                for notice in report.notices(&table) {
                    session.notice(notice);
                }
                let number =
                    |n: u64| Arc::new(Int64Array::from(vec![i64::try_from(n).unwrap_or(i64::MAX)])) as ArrayRef;
                let millis = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
                let columns = vec![
                    number(report.rows),
                    number(report.rejected),
                    number(report.files as u64),
                    number(report.per_tier[0]),
                    number(report.per_tier[1]),
                    number(report.per_tier[2]),
                    number(report.segments as u64),
                    number(millis),
                ];
                Ok(RecordBatch::try_new(self.schema(), columns)?)
            }
        }
    }

    fn moves_batch(&self, moves: &[PlannedMove], dry_run: bool) -> Result<RecordBatch> {
        let status = if dry_run { "planned" } else { "done" };
        let columns = vec![
            text(moves.iter().map(|m| m.action.name())),
            text(moves.iter().map(|m| m.table_name.as_str())),
            text(moves.iter().map(|m| m.partition_text.as_str())),
            text(moves.iter().map(|m| m.from.name())),
            text(moves.iter().map(|m| m.to.name())),
            number(moves.iter().map(|m| m.segments.len() as u64)),
            number(moves.iter().map(|m| m.rows)),
            number(moves.iter().map(|m| m.bytes)),
            text(moves.iter().map(|m| m.reason.as_str())),
            text(moves.iter().map(|_| status)),
        ];
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }

    fn verify_batch(&self, entries: &[VerifyEntry]) -> Result<RecordBatch> {
        let problems: StringViewArray =
            entries.iter().map(|e| (!e.problems.is_empty()).then(|| e.problems.join("; "))).collect();
        let columns: Vec<ArrayRef> = vec![
            text(entries.iter().map(|e| e.table.as_str())),
            text(entries.iter().map(|e| e.tier.name())),
            number(entries.iter().map(|e| e.segments)),
            number(entries.iter().map(|e| e.rows)),
            Arc::new(entries.iter().map(|e| Some(e.problems.is_empty())).collect::<BooleanArray>()),
            Arc::new(problems),
        ];
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }
}

fn text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<StringViewArray>())
}

fn number(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(values.map(|v| i64::try_from(v).unwrap_or(i64::MAX)).collect::<Int64Array>())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Text(String),
    Bool(bool),
}

/// A call's arguments by position.
struct Arguments<'a> {
    procedure: &'a str,
    names: &'a [&'a str],
    values: Vec<Option<Argument>>,
}

impl<'a> Arguments<'a> {
    fn read(procedure: &'a str, names: &'a [&'a str], given: &FunctionArguments) -> Result<Arguments<'a>> {
        let mut arguments = Arguments { procedure, names, values: vec![None; names.len()] };
        let FunctionArguments::List(list) = given else { return Ok(arguments) };
        for (position, argument) in list.args.iter().enumerate() {
            let (slot, expr) = match argument {
                FunctionArg::Named { name, arg, operator } if is_arrow(operator) => (arguments.slot(&name.value)?, arg),
                FunctionArg::Unnamed(arg) if position < names.len() => (position, arg),
                other => return Err(arguments.wrong(&format!("cannot take {other}"))),
            };
            let FunctionArgExpr::Expr(expr) = expr else { return Err(arguments.wrong(&format!("cannot take {expr}"))) };
            arguments.values[slot] = arguments.literal(expr)?;
        }
        Ok(arguments)
    }

    fn slot(&self, name: &str) -> Result<usize> {
        self.names
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
            .ok_or_else(|| self.wrong(&format!("has no argument {name}")))
    }

    fn literal(&self, expr: &Expr) -> Result<Option<Argument>> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Ok(Some(Argument::Text(text.clone()))),
                Value::Number(text, _) => Ok(Some(Argument::Text(text.to_string()))),
                Value::Boolean(flag) => Ok(Some(Argument::Bool(*flag))),
                Value::Null => Ok(None),
                other => Err(self.wrong(&format!("cannot take {other}"))),
            },
            Expr::Identifier(ident) => Ok(Some(Argument::Text(ident.value.clone()))),
            Expr::UnaryOp { op: UnaryOperator::Minus, .. } => Err(self.wrong("takes no negative numbers")),
            other => Err(self.wrong(&format!("takes literals, not {other}"))),
        }
    }

    fn text(&self, index: usize) -> Result<String> {
        self.optional_text(index)?
            .ok_or_else(|| self.wrong(&format!("needs {}", self.names.get(index).copied().unwrap_or("an argument"))))
    }

    fn optional_text(&self, index: usize) -> Result<Option<String>> {
        match self.values.get(index) {
            Some(Some(Argument::Text(text))) => Ok(Some(text.clone())),
            Some(Some(Argument::Bool(_))) => Err(self.wrong(&format!("needs a text for {}", self.names[index]))),
            _ => Ok(None),
        }
    }

    /// Options by their names, those arguments that are given.
    fn texts(&self, places: Range<usize>) -> Result<BTreeMap<String, String>> {
        let mut options = BTreeMap::new();
        for (index, name) in self.names.iter().enumerate().take(places.end).skip(places.start) {
            let text = match self.values.get(index) {
                Some(Some(Argument::Bool(flag))) if *name == "header" => Some(flag.to_string()),
                _ => self.optional_text(index)?,
            };
            if let Some(text) = text {
                options.insert((*name).to_owned(), text);
            }
        }
        Ok(options)
    }

    fn tier(&self, index: usize) -> Result<Option<Tier>> {
        self.optional_text(index)?.map(|text| text.parse().map_err(EngineError::from)).transpose()
    }

    fn flag(&self, index: usize) -> Result<bool> {
        match self.values.get(index) {
            Some(Some(Argument::Bool(flag))) => Ok(*flag),
            Some(Some(Argument::Text(text))) => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok(true),
                "false" | "off" | "no" | "0" => Ok(false),
                _ => Err(self.wrong(&format!("needs true or false for {}", self.names[index]))),
            },
            _ => Ok(false),
        }
    }

    fn wrong(&self, what: &str) -> EngineError {
        EngineError::new(
            ErrorKind::InvalidParameter,
            format!("{} {what}: its arguments are {}", self.procedure, self.names.join(", ")),
        )
    }
}

fn is_arrow(operator: &FunctionArgOperator) -> bool {
    matches!(operator, FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment | FunctionArgOperator::Equals)
}
