//! The gate that every row passes on its way into a table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array, new_null_array};
use arrow::compute::{cast, filter, take_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, lit};
use zxq_catalog::TableDef;

use crate::config::clock::Clock;
use crate::constraints::cast::cast_column;
use crate::constraints::expressions::{Compiled, DefaultValue, FailedRow, compile, compile_default, evaluate_default};
use crate::constraints::numbers::{Numbers, is_numbered};
use crate::constraints::problem::Problem;
use crate::constraints::rejects::{RejectedRow, json_rows};
use crate::error::{EngineError, ErrorKind, Result};
use crate::values::kept::to_kept;

#[cfg(test)]
mod tests;

/// Where a column's values come from when the input does not have it.
#[derive(Debug, Clone)]
enum Filler {
    Null,
    Default(DefaultValue),
    /// One number after the other.
    Numbers(Numbers),
    /// `GENERATED ALWAYS AS`: computed always, whatever the input has.
    Generated(Compiled),
}

/// Turns incoming rows into rows of one version of a table: casts, defaults, generated columns, NOT NULL and CHECK.
///
/// Compiled once per table version; `check` and `quarantine` may be called from many threads.
#[derive(Debug)]
pub struct RowChecker {
    def: Arc<TableDef>,
    /// What stores keep.
    schema: SchemaRef,
    /// Positions of the columns that stores keep in another form.
    converted: Vec<usize>,
    /// The same columns, all nullable: what expressions read while the rows are still being checked.
    loose_schema: SchemaRef,
    fillers: Vec<Filler>,
    checks: Vec<Compiled>,
    /// Columns each CHECK reads, for messages.
    check_columns: Vec<Vec<String>>,
    /// Positions of the partition's date column and the time column, when missing dates come from the time.
    date_from_time: Option<(usize, usize)>,
    config: Arc<ConfigOptions>,
    clock: Arc<dyn Clock>,
}

/// What quarantining a batch gave.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Rows of exactly the table's schema.
    pub rows: RecordBatch,
    /// The others, in the order they came.
    pub rejected: Vec<RejectedRow>,
}

/// A bad row of a batch.
struct BadRow {
    row: usize,
    problem: Problem,
}

impl RowChecker {
    /// Compiles a table's DEFAULTs, generated columns and CHECKs. `state` supplies the functions they may call;
    /// `clock` the time that `now()` gives.
    ///
    /// # Errors
    /// An expression that does not parse, names what is not there, or is of a wrong type: `CREATE TABLE` should call
    /// this before it commits.
    pub fn new(def: Arc<TableDef>, state: &SessionState, clock: Arc<dyn Clock>) -> Result<Self> {
        let schema = def.row_schema();
        let mut fillers = Vec::with_capacity(def.columns.len());
        for column in &def.columns {
            if is_numbered(column) {
                fillers.push(Filler::Numbers(Numbers::default()));
                continue;
            }
            fillers.push(match (&column.generated, compile_default(column, state)?) {
                (Some(text), _) => {
                    let what = format!("generated column \"{}\"", column.name);
                    let (compiled, from) = compile(state, &schema, &what, text)?;
                    refuse_chains(&def, &compiled, &what)?;
                    // Whether such values can go into the column at all.
                    cast_column(&new_null_array(&from, 0), column).map_err(|e| e.context(&what))?;
                    Filler::Generated(compiled)
                }
                (None, Some(default)) => Filler::Default(default),
                (None, None) => Filler::Null,
            });
        }
        let mut checks = Vec::with_capacity(def.checks.len());
        for check in &def.checks {
            let what = format!("constraint \"{}\"", check.name);
            let (compiled, from) = compile(state, &schema, &what, &check.expression)?;
            if !matches!(from, DataType::Boolean | DataType::Null) {
                return Err(EngineError::new(
                    ErrorKind::DatatypeMismatch,
                    format!("{what}: CHECK ({}) is of type {from}; it must be true or false", check.expression),
                ));
            }
            checks.push(compiled);
        }
        Ok(RowChecker {
            check_columns: checks.iter().map(|c| c.columns.clone()).collect(),
            date_from_time: date_from_time(&def, &fillers),
            loose_schema: Arc::new(Schema::new(
                schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
            )),
            schema: def.schema(),
            converted: (0..def.columns.len()).filter(|at| def.columns[*at].is_converted()).collect(),
            fillers,
            checks,
            config: Arc::clone(state.config_options()),
            clock,
            def,
        })
    }

    /// Begins the numbers of its columns, where they have not: `greatest` gives the greatest number of a column's rows.
    pub(crate) fn begin_numbers(&self, greatest: impl Fn(&str) -> i64) {
        for (column, filler) in self.def.columns.iter().zip(&self.fillers) {
            if let Filler::Numbers(numbers) = filler {
                numbers.begin(|| greatest(&column.name));
            }
        }
    }

    /// The numbers of a column that is numbered, begun by [`RowChecker::begin_numbers`].
    pub(crate) fn numbers_of(&self, column: &str) -> Option<Numbers> {
        match self.fillers.get(self.def.column_index(column)?)? {
            Filler::Numbers(numbers) => Some(numbers.clone()),
            _ => None,
        }
    }

    /// The definition it was compiled from.
    pub fn table(&self) -> &Arc<TableDef> {
        &self.def
    }

    /// The columns' DEFAULTs, as INSERT planning wants them: for columns a statement leaves out or sets to DEFAULT.
    pub fn default_exprs(&self) -> Vec<(String, Expr)> {
        let of = |filler: &Filler| match filler {
            Filler::Default(DefaultValue::Constant(value)) => Some(lit(value.clone())),
            Filler::Default(DefaultValue::Expression(expr)) => Some(expr.as_ref().clone()),
            Filler::Null | Filler::Generated(_) | Filler::Numbers(_) => None,
        };
        let columns = self.def.columns.iter().zip(&self.fillers);
        columns.filter_map(|(column, filler)| Some((column.name.clone(), of(filler)?))).collect()
    }

    /// Refuses an INSERT that names generated columns.
    ///
    /// # Errors
    /// [`ErrorKind::GeneratedAlways`] naming the first one; [`ErrorKind::UndefinedColumn`] for a column the table does
    /// not have; [`ErrorKind::DuplicateColumn`] for one that is named twice.
    pub fn check_insert_columns<S: AsRef<str>>(&self, columns: &[S]) -> Result<()> {
        for (position, name) in columns.iter().map(AsRef::as_ref).enumerate() {
            if columns[..position].iter().any(|earlier| earlier.as_ref() == name) {
                return Err(EngineError::new(
                    ErrorKind::DuplicateColumn,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            let Some(column) = self.def.column(name) else { return Err(self.unknown_column(name)) };
            if let Some(expression) = &column.generated {
                return Err(EngineError::new(
                    ErrorKind::GeneratedAlways,
                    format!(
                        "cannot insert a value into column \"{name}\": it is generated always as ({expression}), leave \
                         it out"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The rows as rows of exactly the table's schema, in the same order. Columns are found by name; those of the
    /// table's type already are not copied; values for generated columns are ignored. `first_row` is the number of the
    /// batch's first row, for messages.
    ///
    /// # Errors
    /// The first bad row's, naming the row, the column or constraint, and the value.
    pub fn check(&self, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch> {
        self.check_located(batch, &|row| format!("row {}", first_row + row as u64))
    }

    /// As [`RowChecker::check`]; `locate` says where in its source a row of the batch is: `trades.csv line 17`.
    ///
    /// # Errors
    /// As [`RowChecker::check`].
    pub fn check_located(&self, batch: &RecordBatch, locate: &dyn Fn(usize) -> String) -> Result<RecordBatch> {
        let (rows, bad) = self.sift(batch)?;
        match bad.iter().min_by_key(|b| b.row) {
            None => Ok(rows),
            Some(first) => {
                let (kind, message) = first.problem.describe(&self.def, &self.check_columns, batch, first.row);
                let bad_row = first.problem.place(&self.def, batch, first.row);
                Err(EngineError::new(kind, format!("{message} ({})", locate(first.row))).in_row(bad_row))
            }
        }
    }

    /// Good rows as rows of exactly the table's schema, bad ones with the reason. `number` gives the place of a row of
    /// the batch in its source.
    ///
    /// # Errors
    /// Only what concerns the batch as a whole: a column the table does not have, or of a type that cannot be cast.
    pub fn quarantine(&self, batch: &RecordBatch, number: &dyn Fn(usize) -> u64) -> Result<Checked> {
        let (rows, mut bad) = self.sift(batch)?;
        if bad.is_empty() {
            return Ok(Checked { rows, rejected: Vec::new() });
        }
        bad.sort_by_key(|b| b.row);
        let positions = UInt64Array::from_iter_values(bad.iter().map(|b| b.row as u64));
        let originals = json_rows(&take_record_batch(batch, &positions)?)?;
        let rejected = bad.iter().zip(originals).map(|(bad, row)| RejectedRow {
            row_number: number(bad.row),
            reason: bad.problem.describe(&self.def, &self.check_columns, batch, bad.row).1,
            row,
        });
        Ok(Checked { rejected: rejected.collect(), rows })
    }

    /// Casts one column's values to the column's type. `values` has that one column, under its name.
    ///
    /// # Errors
    /// The first value that does not fit, by column and value.
    pub(crate) fn cast_one(&self, values: &RecordBatch) -> Result<ArrayRef> {
        self.check_input_columns(values)?;
        let Some(position) = values.schema_ref().fields().first().and_then(|f| self.def.column_index(f.name())) else {
            return Err(EngineError::internal("no column to cast"));
        };
        let casted = cast_column(values.column(0), &self.def.columns[position])?;
        match casted.bad.into_iter().next() {
            None => Ok(casted.values),
            Some((row, problem)) => {
                let problem = Problem::Cast { column: position, problem };
                let (kind, message) = problem.describe(&self.def, &self.check_columns, values, row);
                Err(EngineError::new(kind, message))
            }
        }
    }

    /// Separates good rows, as rows of the table, from bad ones.
    fn sift(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<BadRow>)> {
        self.check_input_columns(batch)?;
        let mut work = CheckedRows::new(batch.num_rows(), self.fillers.len());
        self.supply_columns(batch, &mut work)?;
        self.fill_dates(&mut work)?;
        self.check_not_null(&mut work, false);
        work.drop_marked()?;
        self.generate_columns(&mut work)?;
        self.run_checks(&mut work)?;
        for position in &self.converted {
            work.columns[*position] = to_kept(&work.columns[*position])?;
        }
        Ok((work.batch(&self.schema)?, work.bad))
    }

    fn unknown_column(&self, name: &str) -> EngineError {
        let known: Vec<&str> = self.def.columns.iter().map(|c| c.name.as_str()).collect();
        EngineError::new(
            ErrorKind::UndefinedColumn,
            format!(
                "column \"{name}\" of relation \"{}\" does not exist; its columns are {}",
                self.def.name,
                known.join(", ")
            ),
        )
        .about_name(name)
    }

    fn check_input_columns(&self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema_ref();
        for (i, field) in schema.fields().iter().enumerate() {
            if self.def.column(field.name()).is_none() {
                return Err(self.unknown_column(field.name()));
            }
            if schema.fields().iter().take(i).any(|earlier| earlier.name() == field.name()) {
                return Err(EngineError::new(
                    ErrorKind::DuplicateColumn,
                    format!("column \"{}\" is there more than once", field.name()),
                ));
            }
        }
        Ok(())
    }

    /// Casts the columns that came and fills those that did not. Generated columns are NULL for now.
    fn supply_columns(&self, batch: &RecordBatch, work: &mut CheckedRows) -> Result<()> {
        let rows = batch.num_rows();
        let mut now = None;
        for (position, (column, filler)) in self.def.columns.iter().zip(&self.fillers).enumerate() {
            let supplied = match filler {
                Filler::Generated(_) => None,
                _ => batch.column_by_name(&column.name).cloned().or(nanoseconds_for(
                    &column.name,
                    &column.data_type,
                    batch,
                )?),
            };
            // A date column of no type is one that an INSERT leaves out.
            let is_date = self.date_from_time.is_some_and(|(date, _)| date == position);
            work.date_left_out |= is_date && supplied.as_ref().is_none_or(|values| values.data_type().is_null());
            let mut given = None;
            let values = match (supplied, filler) {
                (Some(values), Filler::Numbers(numbers)) if !values.data_type().is_null() => {
                    given = Some(numbers);
                    values
                }
                (_, Filler::Numbers(numbers)) => numbers.next(rows)?,
                (Some(values), _) => values,
                (None, Filler::Null | Filler::Generated(_)) => new_null_array(&column.row_type(), rows),
                (None, Filler::Default(DefaultValue::Constant(value))) => value.to_array_of_size(rows)?,
                (None, Filler::Default(DefaultValue::Expression(expr))) => {
                    let now = *now.get_or_insert_with(|| self.clock.now_us());
                    evaluate_default(expr, rows, &self.config, now)?
                }
            };
            let casted = cast_column(&values, column)?;
            if let Some(numbers) = given {
                numbers.note(&casted.values)?;
            }
            work.columns.push(casted.values);
            work.mark(casted.bad.into_iter().map(|(row, problem)| (row, Problem::Cast { column: position, problem })));
        }
        Ok(())
    }

    /// Rows that come without the partition's date column get the UTC date of their time; a NULL that is given stays NULL.
    fn fill_dates(&self, work: &mut CheckedRows) -> Result<()> {
        let Some((date, time)) = self.date_from_time.filter(|_| work.date_left_out) else { return Ok(()) };
        // Without its zone a timestamp is its UTC time of day.
        let unzoned = cast(&work.columns[time], &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        work.columns[date] = cast(&unzoned, &DataType::Date32)?;
        Ok(())
    }

    /// Marks rows with NULL in a NOT NULL column, among generated columns or among the others.
    fn check_not_null(&self, work: &mut CheckedRows, generated: bool) {
        for (position, (column, filler)) in self.def.columns.iter().zip(&self.fillers).enumerate() {
            if column.nullable || matches!(filler, Filler::Generated(_)) != generated {
                continue;
            }
            let values = Arc::clone(&work.columns[position]);
            if values.null_count() > 0 {
                let nulls = (0..values.len()).filter(|row| values.is_null(*row));
                work.mark(nulls.map(|row| (row, Problem::Null { column: position })));
            }
        }
    }

    fn generate_columns(&self, work: &mut CheckedRows) -> Result<()> {
        for (position, (column, filler)) in self.def.columns.iter().zip(&self.fillers).enumerate() {
            let Filler::Generated(compiled) = filler else { continue };
            let (values, failed) = compiled.evaluate(&work.batch(&self.loose_schema)?)?;
            work.mark(failures(failed, &format!("generated column \"{}\"", column.name)));
            let casted = cast_column(&values, column)?;
            work.columns[position] = casted.values;
            work.mark(casted.bad.into_iter().map(|(row, problem)| (row, Problem::Cast { column: position, problem })));
        }
        self.check_not_null(work, true);
        work.drop_marked()
    }

    fn run_checks(&self, work: &mut CheckedRows) -> Result<()> {
        if self.checks.is_empty() {
            return Ok(());
        }
        let batch = work.batch(&self.loose_schema)?;
        for (position, (compiled, check)) in self.checks.iter().zip(&self.def.checks).enumerate() {
            let (breaking, failed) = compiled.false_rows(&batch)?;
            work.mark(breaking.into_iter().map(|row| (row, Problem::Check { check: position })));
            work.mark(failures(failed, &format!("constraint \"{}\"", check.name)));
        }
        work.drop_marked()
    }
}

fn failures(failed: Vec<FailedRow>, what: &str) -> impl Iterator<Item = (usize, Problem)> {
    failed.into_iter().map(move |f| {
        let problem = Problem::Failed { what: what.to_owned(), kind: f.error.kind(), message: f.error.to_string() };
        (f.row, problem)
    })
}

/// A generated column may not read another: there would be an order to get wrong.
fn refuse_chains(def: &TableDef, compiled: &Compiled, what: &str) -> Result<()> {
    match compiled.columns.iter().find(|name| def.column(name).is_some_and(|c| c.generated.is_some())) {
        Some(other) => Err(EngineError::new(
            ErrorKind::InvalidDefinition,
            format!("{what} reads generated column \"{other}\": repeat that column's expression instead"),
        )),
        None => Ok(()),
    }
}

/// The partition's date column and the time column, when nothing else fills the former.
fn date_from_time(def: &TableDef, fillers: &[Filler]) -> Option<(usize, usize)> {
    let date = def.column_index(def.partitioning.date_column.as_deref()?)?;
    let time = def.column_index(def.time_column.as_deref()?)?;
    matches!(fillers.get(date)?, Filler::Null).then_some((date, time))
}

/// Values for a BIGINT column `x_ns` from a nanosecond timestamp `x`: the table keeps `x` to the microsecond, and the
/// exact time beside it.
fn nanoseconds_for(name: &str, data_type: &DataType, batch: &RecordBatch) -> Result<Option<ArrayRef>> {
    let Some(source) = name.strip_suffix("_ns").and_then(|base| batch.column_by_name(base)) else { return Ok(None) };
    match source.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) if *data_type == DataType::Int64 => {
            Ok(Some(cast(source, &DataType::Int64)?))
        }
        _ => Ok(None),
    }
}

/// Columns under way to the table's schema, and the rows that fell out.
struct CheckedRows {
    columns: Vec<ArrayRef>,
    /// The rows came without the partition's date column.
    date_left_out: bool,
    rows: usize,
    /// Position in the input of each row still there; `None` while all are.
    kept: Option<Vec<usize>>,
    /// Rows found bad since the last `drop_marked`, by their place among the rows still there.
    marks: Vec<(usize, Problem)>,
    bad: Vec<BadRow>,
}

impl CheckedRows {
    fn new(rows: usize, columns: usize) -> Self {
        CheckedRows {
            columns: Vec::with_capacity(columns),
            date_left_out: false,
            rows,
            kept: None,
            marks: Vec::new(),
            bad: Vec::new(),
        }
    }

    /// The columns as expressions read them.
    fn batch(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), self.columns.clone(), &options)?)
    }

    fn mark(&mut self, problems: impl IntoIterator<Item = (usize, Problem)>) {
        self.marks.extend(problems);
    }

    /// Takes marked rows out. A row's first problem is the one that is reported.
    fn drop_marked(&mut self) -> Result<()> {
        if self.marks.is_empty() {
            return Ok(());
        }
        let mut marks = std::mem::take(&mut self.marks);
        marks.sort_by_key(|(row, _)| *row);
        marks.dedup_by_key(|(row, _)| *row);
        let mut good = vec![true; self.rows];
        for (row, problem) in marks {
            good[row] = false;
            let row = self.kept.as_ref().map_or(row, |kept| kept[row]);
            self.bad.push(BadRow { row, problem });
        }
        self.kept = Some(match self.kept.take() {
            Some(kept) => kept.into_iter().zip(&good).filter(|(_, good)| **good).map(|(row, _)| row).collect(),
            None => (0..self.rows).filter(|row| good[*row]).collect(),
        });
        self.rows = self.kept.as_ref().map_or(0, Vec::len);
        let good = BooleanArray::from(good);
        for column in &mut self.columns {
            *column = filter(column, &good)?;
        }
        Ok(())
    }
}
