//! `.slt` scripts over the wire: one connection, in text (simple protocol) or binary (extended protocol), that moves
//! rows to the wanted placement after every statement that adds some.

use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::binary_text::AnyText;
use crate::placement::Placer;
use crate::test_server::error_text;

/// How statements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Simple: text results.
    Simple,
    /// Extended: prepared, binary results.
    Extended,
}

/// A failed statement: `SQLSTATE: message`.
#[derive(Debug)]
pub struct SltError(String);

impl std::fmt::Display for SltError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SltError {}

/// One connection of a script.
pub struct SltDb {
    client: Client,
    protocol: Protocol,
    placer: Option<Arc<Placer>>,
    block: Block,
}

/// What is known of the transaction block that is open.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    is_open: bool,
    /// It has corrected rows, and keeps their tables from being moved.
    corrects: bool,
}

impl Block {
    /// After a statement that worked.
    fn after(self, sql: &str) -> Block {
        let lower = sql.trim_start().to_ascii_lowercase();
        let begins_with = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
        let goes_back = lower.starts_with("rollback to");
        if begins_with(&["commit", "end", "rollback", "abort"]) && !goes_back {
            return Block::default();
        }
        let corrects = begins_with(&["update", "delete", "with"]) || lower.contains("on conflict");
        let is_open = self.is_open || begins_with(&["begin", "start transaction"]);
        Block { is_open, corrects: is_open && (self.corrects || corrects) }
    }
}

impl SltDb {
    /// A connection; without a placer rows stay where statements put them.
    pub fn new(client: Client, protocol: Protocol, placer: Option<Arc<Placer>>) -> SltDb {
        SltDb { client, protocol, placer, block: Block::default() }
    }

    async fn run_simple(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, tokio_postgres::Error> {
        let mut rows = Vec::new();
        let mut width = None;
        let mut complete = 0;
        for message in self.client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => width = Some(columns.len()),
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|i| cell(row.get(i).map(str::to_owned))).collect());
                }
                SimpleQueryMessage::CommandComplete(count) => complete = count,
                _ => {}
            }
        }
        Ok(output(width, rows, complete))
    }

    async fn run_extended(&self, sql: &str) -> Result<DBOutput<DefaultColumnType>, tokio_postgres::Error> {
        let statement = self.client.prepare(sql).await?;
        if statement.columns().is_empty() {
            let count = self.client.execute(&statement, &[]).await?;
            return Ok(DBOutput::StatementComplete(count));
        }
        let mut rows = Vec::new();
        for row in self.client.query(&statement, &[]).await? {
            let cells: Result<Vec<String>, tokio_postgres::Error> =
                (0..row.len()).map(|i| row.try_get::<_, AnyText>(i).map(|value| cell(value.0))).collect();
            rows.push(cells?);
        }
        Ok(output(Some(statement.columns().len()), rows, 0))
    }
}

/// A cell as scripts show it.
fn cell(value: Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        Some(text) => text,
    }
}

fn output(width: Option<usize>, rows: Vec<Vec<String>>, complete: u64) -> DBOutput<DefaultColumnType> {
    match width {
        Some(width) => DBOutput::Rows { types: vec![DefaultColumnType::Any; width], rows },
        None => DBOutput::StatementComplete(complete),
    }
}

/// The table that a statement adds rows to.
fn fills(sql: &str) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let squeezed = lower.split_whitespace().collect::<Vec<_>>();
    let (after, is_query) = match squeezed.as_slice() {
        ["insert", "into", ..] => ("into", false),
        ["create", "table", "if", "not", "exists", ..] => ("exists", true),
        ["create", "table", ..] => ("table", true),
        _ => return None,
    };
    if is_query && !squeezed.contains(&"as") {
        return None;
    }
    let rest = sql[lower.find(after)? + after.len()..].trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        return quoted.split_once('"').map(|(name, _)| name.to_owned());
    }
    let name = rest.split(|c: char| c.is_whitespace() || c == '(' || c == ';').next()?;
    Some(name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase())
}

#[async_trait]
impl AsyncDB for SltDb {
    type Error = SltError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SltError> {
        let outcome = match self.protocol {
            Protocol::Simple => self.run_simple(sql).await,
            Protocol::Extended => self.run_extended(sql).await,
        };
        let output = outcome.map_err(|e| SltError(error_text(&e)))?;
        self.block = self.block.after(sql);
        if let (Some(placer), Some(table), false) = (&self.placer, fills(sql), self.block.corrects) {
            placer.place(&table).await;
        }
        Ok(output)
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "zxq"
    }
}
