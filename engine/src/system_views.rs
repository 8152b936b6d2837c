//! The views of schema `zxq`: what the engine knows about itself, as SQL.

use std::fmt;
use std::sync::{Arc, Weak};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::exec_datafusion_err;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Result;
use crate::roles::acting::{Acting, Who};
use crate::roles::rights::Rights;
use crate::state::engine::Engine;

mod columns;
mod compression;
mod jobs;
mod queries;
mod roles;
mod schema;
mod storage;
mod visible;

pub(crate) use schema::SystemSchema;

/// One view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SystemView {
    Tables,
    Partitions,
    Segments,
    Tiers,
    Compression,
    Moves,
    Lineage,
    Queries,
    Roles,
}

impl SystemView {
    pub(crate) const ALL: [SystemView; 9] = [
        SystemView::Tables,
        SystemView::Partitions,
        SystemView::Segments,
        SystemView::Tiers,
        SystemView::Compression,
        SystemView::Moves,
        SystemView::Lineage,
        SystemView::Queries,
        SystemView::Roles,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            SystemView::Tables => "tables",
            SystemView::Partitions => "partitions",
            SystemView::Segments => "segments",
            SystemView::Tiers => "tiers",
            SystemView::Compression => "compression",
            SystemView::Moves => "moves",
            SystemView::Lineage => "lineage",
            SystemView::Queries => "queries",
            SystemView::Roles => "roles",
        }
    }

    pub(crate) fn named(name: &str) -> Option<SystemView> {
        SystemView::ALL.into_iter().find(|view| view.name() == name)
    }

    fn schema(self) -> SchemaRef {
        let fields: &[(&str, ColumnKind)] = match self {
            SystemView::Tables => storage::TABLES,
            SystemView::Partitions => storage::PARTITIONS,
            SystemView::Segments => storage::SEGMENTS,
            SystemView::Tiers => storage::TIERS,
            SystemView::Compression => compression::COMPRESSION,
            SystemView::Moves => jobs::MOVES,
            SystemView::Lineage => jobs::LINEAGE,
            SystemView::Queries => queries::QUERIES,
            SystemView::Roles => roles::ROLES,
        };
        Arc::new(Schema::new(
            fields.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true)).collect::<Vec<_>>(),
        ))
    }

    /// The rows that this one may see.
    async fn rows(self, engine: &Arc<Engine>, who: &Who) -> Result<RecordBatch> {
        let snapshot = engine.snapshot();
        let rights = Rights::of(&snapshot, who)?;
        let schema = self.schema();
        let rows = match self {
            SystemView::Tables => storage::tables(engine, schema),
            SystemView::Partitions => storage::partitions(engine, schema),
            SystemView::Segments => storage::segments(engine, schema),
            SystemView::Tiers => storage::tiers(engine, schema).await,
            SystemView::Compression => compression::compression(engine, schema).await,
            SystemView::Moves => jobs::moves(engine, schema).await,
            SystemView::Lineage => jobs::lineage(engine, schema).await,
            SystemView::Queries => queries::queries(engine, schema, &rights),
            SystemView::Roles => roles::roles(&snapshot, schema),
        };
        visible::visible(rows?, &snapshot, &rights)
    }
}

/// Type of a view's column.
#[derive(Debug, Clone, Copy)]
enum ColumnKind {
    Text,
    Number,
    Flag,
    Time,
    Share,
}

impl ColumnKind {
    fn data_type(self) -> DataType {
        match self {
            ColumnKind::Text => DataType::Utf8View,
            ColumnKind::Number => DataType::Int64,
            ColumnKind::Flag => DataType::Boolean,
            ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnKind::Share => DataType::Float64,
        }
    }
}

/// A view as a table; its rows are made when it is scanned.
pub(crate) struct SystemTable {
    engine: Weak<Engine>,
    view: SystemView,
    /// Who looks.
    acting: Acting,
}

impl SystemTable {
    pub(crate) fn new(engine: Weak<Engine>, view: SystemView, acting: Acting) -> Self {
        SystemTable { engine, view, acting }
    }
}

impl fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemTable({})", self.view.name())
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        self.view.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let engine = self.engine.upgrade().ok_or_else(|| exec_datafusion_err!("the engine has been shut down"))?;
        let rows = self.view.rows(&engine, &self.acting.who()).await?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], self.view.schema(), projection.cloned())?)
    }
}
