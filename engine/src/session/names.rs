//! What the names in a session's statements mean: its temporary tables and views first, then the schemas of its search path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{ObjectName, Query, Statement as Ast};
use parking_lot::RwLock;
use zxq_catalog::{Snapshot, TableDef, TableState, Tier};

use crate::context::{CATALOG, PUBLIC};
use crate::error::{EngineError, ErrorKind, Result};
use crate::session::EngineSession;
use crate::session::temporary::{TEMPORARY, Temporaries};
use crate::sql::relations::{self, Meaning, View};
use crate::sql::{self, Statement};

/// Schema of zxq's own views.
const SYSTEM: &str = "zxq";

/// What names mean in one session.
#[derive(Debug)]
pub(crate) struct Names {
    /// Tables and views of this session alone.
    pub(crate) temporaries: Arc<Temporaries>,
    state: RwLock<SessionNames>,
    /// Another number whenever a name may mean something else.
    version: AtomicU64,
}

#[derive(Debug)]
struct SessionNames {
    /// What the client calls the database.
    database: String,
    /// Schemas of names without one.
    path: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let state = SessionNames { database: CATALOG.to_owned(), path: vec![PUBLIC.to_owned()] };
        Names { temporaries: Arc::default(), state: RwLock::new(state), version: AtomicU64::new(0) }
    }
}

/// What a statement's names meant when it was planned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolved {
    views: Vec<Arc<TableDef>>,
    /// Names of what would have been meant instead, had it been there.
    missing: Vec<String>,
    version: u64,
}

impl Resolved {
    /// The views that were named.
    pub(crate) fn views(&self) -> &[Arc<TableDef>] {
        &self.views
    }

    /// True while the names mean the same.
    pub(crate) fn is_current(&self, session: &EngineSession) -> bool {
        let snapshot = session.engine.snapshot();
        let unchanged = |view: &Arc<TableDef>| snapshot.table_by_id(view.id).is_some_and(|now| now.def == *view);
        self.version == session.names.version()
            && self.missing.iter().all(|name| snapshot.table(name).is_none())
            && self.views.iter().all(|view| session.names.temporaries.is_view(view) || unchanged(view))
    }
}

impl Names {
    fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed) + self.temporaries.version()
    }
}

impl EngineSession {
    /// The schemas that names without one are looked up in; those that there are not are left out.
    pub fn set_search_path(&self, path: Vec<String>) {
        self.names.state.write().path = path;
        self.names.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The schemas that names without one are looked up in, those that there are.
    pub fn search_path(&self) -> Vec<String> {
        let mut path = self.names.state.read().path.clone();
        let snapshot = self.engine.snapshot();
        path.retain(|schema| is_schema(schema) || is_own_schema(&snapshot, schema));
        path
    }

    /// What the client calls the database, in names of three parts.
    pub fn set_database(&self, name: &str) {
        name.clone_into(&mut self.names.state.write().database);
        self.names.version.fetch_add(1, Ordering::Relaxed);
    }

    /// The statement with its names resolved, and what they meant.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`] for what is in no schema of the path; [`ErrorKind::FeatureNotSupported`] for other
    /// databases.
    pub(crate) fn resolve(&self, statement: &Statement) -> Result<(Statement, Resolved)> {
        let mut parsed = statement.parsed().clone();
        let resolved = self.resolve_parsed(&mut parsed)?;
        Ok((statement.with_parsed(parsed), resolved))
    }

    /// As [`EngineSession::resolve`], in place.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn resolve_parsed(&self, parsed: &mut DfStatement) -> Result<Resolved> {
        let version = self.names.version();
        let snapshot = self.engine.snapshot();
        let mut resolved = Resolved { version, ..Resolved::default() };
        relations::resolve(parsed, &mut |name| self.meaning(&snapshot, name, &mut resolved))?;
        Ok(resolved)
    }

    fn meaning(&self, snapshot: &Snapshot, name: &[String], resolved: &mut Resolved) -> Result<Meaning> {
        let Resolved { views, missing, .. } = resolved;
        let mut view = |def: &Arc<TableDef>| {
            views.push(Arc::clone(def));
            view_query(def)
        };
        match name {
            [table] => {
                if let Some(def) = self.names.temporaries.view(table) {
                    return view(&def);
                }
                if self.names.temporaries.has_table(table) {
                    return Ok(Meaning::Relation(vec![TEMPORARY.to_owned(), table.clone()]));
                }
                let known = snapshot.table(table);
                let path = self.names.state.read().path.clone();
                for schema in &path {
                    if let Some(state) = of_own_schema(snapshot, schema, table) {
                        return match state.def.view() {
                            Some(_) => view(&state.def),
                            None => Ok(Meaning::Relation(vec![PUBLIC.to_owned(), state.def.name.clone()])),
                        };
                    }
                    match (schema.as_str(), known) {
                        (PUBLIC, Some(state)) if state.def.view().is_some() => return view(&state.def),
                        (PUBLIC, Some(_)) => return Ok(Meaning::AsItIs),
                        (schema, Some(state)) if is_tier(schema) && state.def.is_stored() => {
                            return Ok(Meaning::Relation(vec![schema.to_owned(), table.clone()]));
                        }
                        (SYSTEM, _) if self.is_system_view(table) => {
                            return Ok(Meaning::Relation(vec![SYSTEM.to_owned(), table.clone()]));
                        }
                        // It may be made, also by others.
                        (schema, _) if !is_schema(schema) => missing.push(name_in(schema, table)),
                        _ => {}
                    }
                }
                // The planner says so of what there is nowhere.
                if known.is_none() || path.iter().any(|schema| schema == PUBLIC) {
                    return Ok(Meaning::AsItIs);
                }
                let missing = EngineError::no_relation(table);
                if !known.is_some_and(|state| self.may_know_of(&state.def)) {
                    return Err(missing);
                }
                let hint = format!("There is {PUBLIC}.{table}, and {PUBLIC} is not in the search_path.");
                Err(missing.with_hint(hint))
            }
            [schema, table] if is_temporary(schema) => match self.names.temporaries.view(table) {
                Some(def) => view(&def),
                None => Ok(Meaning::Relation(vec![TEMPORARY.to_owned(), table.clone()])),
            },
            [schema, table] if is_own_schema(snapshot, schema) => match of_own_schema(snapshot, schema, table) {
                Some(state) if state.def.view().is_some() => view(&state.def),
                Some(state) => Ok(Meaning::Relation(vec![PUBLIC.to_owned(), state.def.name.clone()])),
                None => Ok(Meaning::AsItIs),
            },
            [schema, table] if schema == PUBLIC => match snapshot.table(table) {
                Some(state) if state.def.view().is_some() => view(&state.def),
                _ => Ok(Meaning::AsItIs),
            },
            [database, schema, table] => {
                self.check_database(database, name)?;
                match self.meaning(snapshot, &[schema.clone(), table.clone()], resolved)? {
                    Meaning::AsItIs => Ok(Meaning::Relation(vec![schema.clone(), table.clone()])),
                    meaning => Ok(meaning),
                }
            }
            _ => Ok(Meaning::AsItIs),
        }
    }

    /// A relation's name with its schema, wherever it is read from.
    ///
    /// # Errors
    /// As [`EngineSession::resolve`].
    pub(crate) fn full_name(&self, name: &[String]) -> Result<Vec<String>> {
        let snapshot = self.engine.snapshot();
        if let Some(state) = self.in_own_schema(&snapshot, name) {
            return Ok(vec![PUBLIC.to_owned(), state.def.name.clone()]);
        }
        let meant = self.meaning(&snapshot, name, &mut Resolved::default())?;
        let last = name.last().cloned().unwrap_or_default();
        Ok(match (meant, name) {
            (Meaning::Relation(full), _) => full,
            (Meaning::View(..), [one]) if self.names.temporaries.has(one) => vec![TEMPORARY.to_owned(), last],
            (Meaning::View(..), [schema, _]) if is_temporary(schema) => vec![TEMPORARY.to_owned(), last],
            (Meaning::AsItIs, [schema, table]) => vec![schema.clone(), table.clone()],
            (Meaning::View(..) | Meaning::AsItIs, _) => vec![PUBLIC.to_owned(), last],
        })
    }

    /// What a name means where that is in a schema of its own.
    fn in_own_schema<'a>(&self, snapshot: &'a Snapshot, name: &[String]) -> Option<&'a Arc<TableState>> {
        match name {
            [table] if self.names.temporaries.has(table) => None,
            [table] => {
                let path = self.search_path();
                let holds = |schema: &&String| *schema == PUBLIC || is_own_schema(snapshot, schema);
                for schema in path.iter().filter(holds) {
                    match of_own_schema(snapshot, schema, table) {
                        Some(state) => return Some(state),
                        None if schema == PUBLIC && snapshot.table(table).is_some() => return None,
                        None => {}
                    }
                }
                None
            }
            [.., schema, table] => of_own_schema(snapshot, schema, table),
            [] => None,
        }
    }

    /// The name under which a relation is kept that is called so here, for what takes the last part of a name only.
    pub fn kept_name(&self, table: &str) -> String {
        let snapshot = self.engine.snapshot();
        let found = self.in_own_schema(&snapshot, &[table.to_owned()]);
        found.map_or_else(|| table.to_owned(), |state| state.def.name.clone())
    }

    /// True for a schema that there is.
    pub(crate) fn is_schema(&self, schema: &str) -> bool {
        is_schema(schema) || is_own_schema(&self.engine.snapshot(), schema)
    }

    /// Refuses the name of a relation that there is not.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedTable`].
    pub fn check_relation(&self, name: &[String]) -> Result<()> {
        let there = match self.full_name(name)?.as_slice() {
            [schema, table] if is_temporary(schema) => self.names.temporaries.has(table),
            [schema, table] if schema == PUBLIC || is_tier(schema) => {
                self.engine.snapshot().table(table).is_some_and(|state| self.may_know_of(&state.def))
            }
            [schema, view] if schema == SYSTEM => self.is_system_view(view),
            [schema, _] => is_schema(schema),
            _ => false,
        };
        match there {
            true => Ok(()),
            false => Err(EngineError::no_relation(&name.join("."))),
        }
    }

    fn may_know_of(&self, def: &TableDef) -> bool {
        self.rights().is_ok_and(|rights| rights.sees(def))
    }

    fn check_database(&self, database: &str, name: &[String]) -> Result<()> {
        if database == CATALOG || database == self.names.state.read().database {
            return Ok(());
        }
        let message = format!("cross-database references are not implemented: \"{}\"", name.join("."));
        Err(EngineError::new(ErrorKind::FeatureNotSupported, message))
    }

    fn is_system_view(&self, name: &str) -> bool {
        let schema = self.context.catalog(CATALOG).and_then(|catalog| catalog.schema(SYSTEM));
        schema.is_some_and(|schema| schema.table_exist(name))
    }

    /// Names what a definition is about: the relation's name, and whether it is one of this session alone. New ones are where
    /// the search path begins.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDefinition`] for names in schemas that hold none; [`ErrorKind::UndefinedSchema`] where the search
    /// path names no schema that holds some.
    pub(crate) fn object(&self, name: &ObjectName, temporary: bool) -> Result<(String, bool)> {
        let mut parts = relations::parts(name);
        if parts.len() == 3 {
            self.check_database(&parts[0], &parts)?;
            parts.remove(0);
        }
        match parts.as_slice() {
            [schema, table] if is_temporary(schema) => Ok((table.clone(), true)),
            [_, _] if temporary => {
                let message = "cannot create temporary relation in non-temporary schema";
                Err(EngineError::new(ErrorKind::InvalidDefinition, message))
            }
            [table] if temporary => Ok((table.clone(), true)),
            [table] => {
                let snapshot = self.engine.snapshot();
                let holds = |schema: &String| *schema == PUBLIC || is_own_schema(&snapshot, schema);
                match self.search_path().into_iter().find(holds) {
                    Some(schema) if schema == PUBLIC => Ok((self.outside_of_schemas(table)?, false)),
                    Some(schema) => Ok((name_in(&schema, table), false)),
                    None => {
                        Err(EngineError::new(ErrorKind::UndefinedSchema, "no schema has been selected to create in"))
                    }
                }
            }
            [schema, table] if is_own_schema(&self.engine.snapshot(), schema) => Ok((name_in(schema, table), false)),
            [schema, table] if schema == PUBLIC => Ok((self.outside_of_schemas(table)?, false)),
            [schema, _] if !is_schema(schema) => {
                Err(EngineError::new(ErrorKind::UndefinedSchema, format!("schema \"{schema}\" does not exist")))
            }
            _ => Ok((sql::table_name(name)?, false)),
        }
    }

    /// As [`EngineSession::object`], of what is there already: names that the session has for itself go first.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn existing(&self, name: &ObjectName) -> Result<(String, bool)> {
        let mine = match relations::parts(name).as_slice() {
            [one] => self.names.temporaries.has(one),
            _ => false,
        };
        let snapshot = self.engine.snapshot();
        match relations::parts(name).as_slice() {
            [one] if !mine => {
                if let Some(state) = self.in_own_schema(&snapshot, std::slice::from_ref(one)) {
                    return Ok((state.def.name.clone(), false));
                }
                if snapshot.table(one).is_some() && self.search_path().iter().any(|schema| schema == PUBLIC) {
                    return Ok((one.clone(), false));
                }
            }
            _ => {}
        }
        self.object(name, mine)
    }
}

impl EngineSession {
    /// A name of the schema public, which must not read as one of another schema.
    fn outside_of_schemas(&self, table: &str) -> Result<String> {
        let snapshot = self.engine.snapshot();
        match table.split_once('.') {
            Some((schema, _)) if is_own_schema(&snapshot, schema) => Err(EngineError::new(
                ErrorKind::FeatureNotSupported,
                format!("\"{table}\" cannot be in the schema public: it begins as the names of the schema {schema} do"),
            )),
            _ => Ok(table.to_owned()),
        }
    }
}

/// The name under which something in a schema of its own is kept.
pub(crate) fn name_in(schema: &str, table: &str) -> String {
    format!("{schema}.{table}")
}

/// True for a schema that somebody has made.
pub(crate) fn is_own_schema(snapshot: &Snapshot, schema: &str) -> bool {
    snapshot.schema(schema).is_some()
}

/// The name under which something is kept that is called so and is in the schema of another relation.
pub(crate) fn beside(snapshot: &Snapshot, relation: &str, name: &str) -> String {
    match relation.split_once('.') {
        Some((schema, _)) if is_own_schema(snapshot, schema) => name_in(schema, name),
        _ => name.to_owned(),
    }
}

fn of_own_schema<'a>(snapshot: &'a Snapshot, schema: &str, table: &str) -> Option<&'a Arc<TableState>> {
    if table.is_empty() || !is_own_schema(snapshot, schema) {
        return None;
    }
    snapshot.table(&name_in(schema, table))
}

fn is_temporary(schema: &str) -> bool {
    schema == TEMPORARY || schema.starts_with("pg_temp_")
}

fn is_tier(schema: &str) -> bool {
    Tier::ALL.iter().any(|tier| tier.name() == schema)
}

/// True for a schema that there is.
pub(crate) fn is_schema(schema: &str) -> bool {
    matches!(schema, PUBLIC | SYSTEM | "pg_catalog" | "information_schema") || is_tier(schema)
}

/// The query of a view, and the names of its columns.
fn view_query(def: &TableDef) -> Result<Meaning> {
    let text = def.view().ok_or_else(|| EngineError::internal(format!("{} is no view", def.name)))?;
    let query = query_of(text).map_err(|error| error.context(format!("view \"{}\"", def.name)))?;
    let columns = def.columns.iter().map(|column| column.name.clone()).collect();
    Ok(Meaning::View(View { query, columns, bytes: text.len() }))
}

/// The query that a text is.
pub(crate) fn query_of(text: &str) -> Result<Box<Query>> {
    match sql::parse(text)?.pop().map(Statement::into_parsed) {
        Some(DfStatement::Statement(ast)) => match *ast {
            Ast::Query(query) => Ok(query),
            _ => Err(EngineError::internal("the text is no query")),
        },
        _ => Err(EngineError::internal("the text is no query")),
    }
}
