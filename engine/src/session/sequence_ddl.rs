//! CREATE SEQUENCE, ALTER SEQUENCE and DROP SEQUENCE.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, DataType as SqlType, ObjectName, RenameTableNameKind, SequenceOptions,
};
use zxq_catalog::{Change, ColumnDef, SEQUENCE_OWNER, Snapshot, TableDef, TableId};

use crate::error::{EngineError, ErrorKind, Result};
use crate::roles::rights::Rights;
use crate::session::EngineSession;
use crate::session::ddl::check_owner;
use crate::session::names::beside;
use crate::session::sequences::{kept, numbered_by};
use crate::session::view_ddl::check_no_readers;
use crate::sql::alter_sequence::{AlterSequence, OwnedBy, SequenceChange, SequenceOptionChanges};
use crate::sql::relations;
use crate::sql::sequence_def::SequenceDef;
use crate::supervisor::control::JobControl;

/// What CREATE SEQUENCE says of one.
pub(crate) struct NewSequence<'a> {
    pub(crate) data_type: Option<&'a SqlType>,
    pub(crate) options: &'a [SequenceOptions],
    pub(crate) owned_by: Option<&'a ObjectName>,
}

/// Makes a sequence.
///
/// # Errors
/// Options that do not fit together; a name that is taken.
pub(crate) async fn create(
    session: &EngineSession,
    name: &ObjectName,
    new: NewSequence<'_>,
    if_not_exists: bool,
    control: &JobControl,
) -> Result<()> {
    let (name, _) = session.object(name, false)?;
    session.check_create(&name)?;
    let sequence = SequenceDef::of(new.data_type, new.options)?;
    let mut options = kept(&sequence);
    if let Some(owner) = new.owned_by {
        // The parser says NONE of OWNED BY NONE.
        let is_none = owner.0.len() == 1 && owner.to_string().eq_ignore_ascii_case("none");
        let owner = if is_none { OwnedBy::Nobody } else { OwnedBy::Column(owner.clone()) };
        options.extend(owner_option(session, &owner)?);
    }
    let engine = &session.engine;
    if engine.snapshot().table(&name).is_some() {
        if if_not_exists {
            session.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        return Err(EngineError::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")));
    }
    let column = |name: &str, data_type: DataType, sql_type: &str| ColumnDef {
        nullable: false,
        ..ColumnDef::new(name, data_type, sql_type)
    };
    let def = TableDef {
        owner: session.owner_of_new_tables(),
        options,
        ..TableDef::new(
            0,
            name,
            vec![
                column("last_value", DataType::Int64, "BIGINT"),
                column("log_cnt", DataType::Int64, "BIGINT"),
                column("is_called", DataType::Boolean, "BOOLEAN"),
            ],
        )
    };
    match session.transaction() {
        Some(transaction) => engine.create_table_within(&transaction, def, control).await.map(drop),
        None => engine.create_table(def, control).await.map(drop),
    }
}

/// Drops sequences.
///
/// # Errors
/// Those that there are not; relations that are none; [`ErrorKind::DependentObjects`] for those that columns take numbers from.
pub(crate) async fn drop_sequences(
    session: &EngineSession,
    names: &[ObjectName],
    if_exists: bool,
    control: &JobControl,
) -> Result<()> {
    for name in names {
        let (name, _) = session.object(name, false)?;
        let snapshot = session.engine.snapshot();
        if let Some((state, column)) = numbered_by(snapshot.tables.values(), &name) {
            let message =
                format!("cannot drop sequence {name} because column {column} of table {} needs it", state.def.name);
            return Err(EngineError::new(ErrorKind::DependentObjects, message));
        }
        match snapshot.table(&name) {
            Some(state) if state.def.sequence().is_some() => {
                check_owner(session, &name)?;
                let undone = match session.transaction() {
                    Some(transaction) => session.engine.drop_table_within(&transaction, &name, control).await?,
                    None => session.engine.drop_table(&name, control).await.map(|_| true)?,
                };
                if !undone {
                    session.note_lasting("DROP SEQUENCE");
                }
            }
            Some(_) => {
                return Err(EngineError::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a sequence")));
            }
            None if if_exists => session.notice(format!("sequence \"{name}\" does not exist, skipping")),
            None => {
                return Err(EngineError::new(ErrorKind::UndefinedTable, format!("sequence \"{name}\" does not exist")));
            }
        }
    }
    Ok(())
}

/// Changes a sequence.
///
/// # Errors
/// One that there is not; options that do not fit together, or that columns which take numbers from it do not follow.
pub(crate) async fn alter(session: &EngineSession, alter: &AlterSequence, control: &JobControl) -> Result<()> {
    let (name, _) = session.existing(&alter.name)?;
    let engine = &session.engine;
    if engine.check_sequence(&name).is_err() && engine.snapshot().table(&name).is_none() && alter.if_exists {
        session.notice(format!("relation \"{name}\" does not exist, skipping"));
        return Ok(());
    }
    engine.check_sequence(&name)?;
    let numbered = numbered_by(engine.snapshot().tables.values(), &name);
    if engine.snapshot().table(&name).is_none() {
        // It is that of a column, and nothing else.
        let Some((table, _)) = numbered else { return Ok(()) };
        check_owner(session, &table.def.name)?;
        return match &alter.change {
            SequenceChange::Options(options) if only_restarts(options) => {
                let start = options.restart.flatten().or(options.start).unwrap_or(1);
                restart_column(session, &name, start)
            }
            _ => Err(of_column(&name, &table.def)),
        };
    }
    match &alter.change {
        SequenceChange::Rename(to) => {
            check_owner(session, &name)?;
            if let Some((table, _)) = numbered {
                return Err(of_column(&name, &table.def));
            }
            check_no_readers(engine, &name, "alter")?;
            let to = relations::object_name(vec![beside(&engine.snapshot(), &name, to)]);
            let rename = AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(to) };
            engine.alter_table(&name, &[rename], control).await?;
        }
        SequenceChange::Owner(owner) => engine.change_owner(&session.acting, &name, owner, control).await?,
        SequenceChange::Options(options) => {
            check_owner(session, &name)?;
            if let Some((table, _)) = numbered.as_ref().filter(|_| !only_restarts(options)) {
                return Err(of_column(&name, &table.def));
            }
            let owner = options.owned_by.as_ref().map(|owner| owner_option(session, owner)).transpose()?;
            let change = |def: &mut TableDef| -> Result<SequenceDef> {
                let sequence = def.sequence().and_then(SequenceDef::parse);
                let mut sequence =
                    sequence.ok_or_else(|| EngineError::internal(format!("sequence {name} cannot be read")))?;
                sequence.alter(options)?;
                def.options.extend(kept(&sequence));
                if let Some(owner) = &owner {
                    def.options.remove(SEQUENCE_OWNER);
                    def.options.extend(owner.clone());
                }
                Ok(sequence)
            };
            let sequence = engine.change_sequence_def(&name, change, control).await?;
            if let (Some(_), Some(_), Some(next)) = (numbered, options.restart, sequence.next) {
                restart_column(session, &name, next)?;
            }
        }
    }
    session.note_lasting("ALTER SEQUENCE");
    Ok(())
}

/// True where nothing changes but what the next number is, and whose the sequence is.
fn only_restarts(options: &SequenceOptionChanges) -> bool {
    let SequenceOptionChanges { data_type, increment, least, most, cycles, .. } = options;
    data_type.is_none()
        && increment.is_none_or(|by| by == 1)
        && least.is_none()
        && most.is_none()
        && cycles.is_none_or(|cycles| !cycles)
}

fn restart_column(session: &EngineSession, name: &str, next: i64) -> Result<()> {
    if let Some(numbers) = session.engine.column_numbers(&session.acting, name, Rights::owns)? {
        numbers.set(next.saturating_sub(1));
    }
    Ok(())
}

fn of_column(name: &str, table: &TableDef) -> EngineError {
    let message = format!(
        "a column of table {} takes its numbers from sequence {name}, one after the other: it can be restarted only",
        table.name
    );
    EngineError::new(ErrorKind::FeatureNotSupported, message)
}

/// What a definition keeps of the column that its sequence goes with.
fn owner_option(session: &EngineSession, owner: &OwnedBy) -> Result<Option<(String, String)>> {
    let OwnedBy::Column(name) = owner else { return Ok(None) };
    let mut parts = relations::parts(name);
    let Some(column) = parts.pop().filter(|_| !parts.is_empty()) else {
        let message = "invalid OWNED BY option";
        return Err(
            EngineError::new(ErrorKind::Syntax, message).with_hint("Specify OWNED BY table.column or OWNED BY NONE.")
        );
    };
    let (table, temporary) = session.existing(&relations::object_name(parts))?;
    if temporary {
        let message = "a sequence cannot be owned by a column of a temporary table";
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    }
    session.check_is_there(&table)?;
    let def = Arc::clone(&session.engine.own_table(&table)?.def);
    if def.column(&column).is_none() {
        let message = format!("column \"{column}\" of relation \"{table}\" does not exist");
        return Err(EngineError::new(ErrorKind::UndefinedColumn, message));
    }
    session.rights()?.check_owner(&def)?;
    Ok(Some((SEQUENCE_OWNER.to_owned(), format!("{} {column}", def.id))))
}

/// Changes after which the sequences of a table are those of another, which takes its place.
pub(super) fn owned_anew(snapshot: &Snapshot, before: TableId, now: TableId) -> Vec<Change> {
    let owned = owned_by_table(snapshot, before).into_iter().filter_map(|name| snapshot.table(&name).cloned());
    let anew = owned.map(|state| {
        let mut def = state.def.as_ref().clone();
        if let Some(owner) = def.options.get_mut(SEQUENCE_OWNER) {
            *owner = owner.replacen(&before.to_string(), &now.to_string(), 1);
        }
        Change::AlterTable(Box::new(def))
    });
    anew.collect()
}

/// The sequences that go with a table.
pub(super) fn owned_by_table(snapshot: &Snapshot, table: TableId) -> Vec<String> {
    let prefix = format!("{table} ");
    let is_owned = |def: &TableDef| def.options.get(SEQUENCE_OWNER).is_some_and(|owner| owner.starts_with(&prefix));
    snapshot.tables.values().filter(|state| is_owned(&state.def)).map(|state| state.def.name.clone()).collect()
}
