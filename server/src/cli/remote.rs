//! A statement that runs in the server that holds the data directory.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use parking_lot::Mutex;
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, CopyInSink, NoTls, SimpleQueryMessage, SimpleQueryRow};

use super::reply::{Chunk, Column, Copied, Reply, Rows, ValueKind};
use super::{CliError, Result, statements};

/// Rows per chunk.
const CHUNK_ROWS: usize = 1_024;

/// A connection to the server.
pub(crate) struct Remote {
    client: Client,
    notices: Arc<Mutex<Vec<DbError>>>,
}

impl Remote {
    /// Connects to a server of this machine at `host:port`, with the secret of its lock file.
    pub(super) async fn connect(address: &str, secret: Option<&str>) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        // A server that listens everywhere is reached here by the loopback address.
        let host = match host.trim_matches(['[', ']']) {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        let port = port.parse().map_err(|_| {
            CliError::failed(format!("the lock file holds no address: {address:?}"), "restart the server")
        })?;
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(port).user("zxq").dbname("zxq").application_name("zxq");
        if let Some(secret) = secret {
            config.options(format!("-c zxq.local={secret}"));
        }
        let (client, mut connection) = config.connect(NoTls).await?;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&notices);
        tokio::spawn(async move {
            // The client reports a broken connection by itself; here only notices are of interest.
            while let Some(Ok(message)) = future::poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notice(notice) = message {
                    seen.lock().push(notice);
                }
            }
        });
        Ok(Remote { client, notices })
    }

    /// Runs one statement.
    pub(super) async fn run(&self, statement: &str) -> Result<Reply> {
        if statements::streams_data(statement) {
            return Err(CliError::failed(
                "COPY from STDIN or to STDOUT needs a client that streams, such as psql",
                "zxq load reads files and standard input; zxq export writes files",
            ));
        }
        // The simple protocol gives values as text but not their types; preparing the statement tells those.
        let prepared = self.client.prepare(statement).await?;
        let columns: Vec<Column> = prepared
            .columns()
            .iter()
            .map(|c| Column { name: c.name().to_owned(), kind: ValueKind::of(c.type_()) })
            .collect();
        let mut messages = Box::pin(self.client.simple_query_raw(statement).await?);
        if columns.is_empty() {
            let mut changed = 0;
            while let Some(message) = messages.next().await {
                if let SimpleQueryMessage::CommandComplete(rows) = message? {
                    changed = rows;
                }
            }
            return Ok(Reply::Command(statements::tag(statement, changed)));
        }
        let width = columns.len();
        let rows = messages.filter_map(|message| {
            future::ready(match message {
                Ok(SimpleQueryMessage::Row(row)) => Some(Ok(row)),
                Ok(_) => None,
                Err(error) => Some(Err(CliError::from(error))),
            })
        });
        let chunks = rows.ready_chunks(CHUNK_ROWS).flat_map(move |rows| stream::iter(to_chunks(width, rows))).boxed();
        Ok(Reply::Rows(Rows { columns, chunks }))
    }

    /// Begins `COPY … FROM STDIN`.
    pub(super) async fn copy_in(&self, statement: &str) -> Result<CopyInSink<Bytes>> {
        Ok(self.client.copy_in(statement).await?)
    }

    /// Begins `COPY … TO STDOUT`. The server does not say how many rows are on their way.
    pub(super) async fn copy_out(&self, statement: &str) -> Result<Copied> {
        let pieces = self.client.copy_out(statement).await?;
        Ok(Copied { pieces: pieces.map(|piece| piece.map_err(CliError::from)).boxed(), rows: None })
    }

    /// Notices since the last call.
    pub(super) fn take_notices(&self) -> Vec<String> {
        self.notices.lock().drain(..).map(|notice| notice.message().to_owned()).collect()
    }
}

/// Rows that came before an error are given before it.
fn to_chunks(width: usize, rows: Vec<Result<SimpleQueryRow>>) -> Vec<Result<Chunk>> {
    let mut chunk = Chunk::new(width);
    for row in rows {
        let pushed = row.and_then(|row| {
            chunk.push_row(|column, text| Ok(row.try_get(column)?.map(|value| text.push_str(value)).is_some()))
        });
        if let Err(error) = pushed {
            return vec![Ok(chunk), Err(error)];
        }
    }
    vec![Ok(chunk)]
}
