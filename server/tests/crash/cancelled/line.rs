//! One connection for one statement, and what happens to it in the middle.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::csv_line;
use crate::server::Server;

/// A connection that can be broken off.
pub(super) struct Line {
    pub(super) client: Client,
    socket: JoinHandle<()>,
}

impl Line {
    pub(super) async fn to(server: &Server) -> Line {
        let (host, port) = server.address.rsplit_once(':').unwrap();
        let config = format!("host={host} port={port} user=zxq dbname=zxq options='{}'", server.options);
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        let socket = tokio::spawn(async move {
            // That it was cut off is what its client is told, too.
            let _ = connection.await;
        });
        Line { client, socket }
    }
}

/// What happens to a statement.
#[derive(Clone, Copy)]
pub(super) enum How {
    Undisturbed,
    /// It runs under this `statement_timeout`, milliseconds.
    Timeout(u64),
    /// It is cancelled from another connection after this time.
    Cancel(Duration),
    /// Its connection breaks off after this time.
    Cut(Duration),
}

/// What the client knows afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Cancelled,
    /// The connection ended before there was one.
    None,
}

/// How a statement ended.
pub(super) struct Told {
    pub(super) answer: Answer,
    /// It was asked to stop before it answered.
    pub(super) asked: bool,
}

fn answer<T>(sql: &str, outcome: Result<T, tokio_postgres::Error>) -> Answer {
    match outcome {
        Ok(_) => Answer::Done,
        Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => Answer::Cancelled,
        Err(error) if error.is_closed() || error.code() == Some(&SqlState::ADMIN_SHUTDOWN) => Answer::None,
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

/// Sends a statement over a line of its own: a cancel request that comes late cannot hit another statement.
pub(super) async fn send(line: Line, sql: String, how: How) -> Told {
    if let How::Timeout(millis) = how {
        line.client.batch_execute(&format!("SET statement_timeout = {millis}")).await.unwrap();
    }
    let (token, started, mut asked) = (line.client.cancel_token(), Instant::now(), false);
    let mut statement = std::pin::pin!(line.client.batch_execute(&sql));
    let outcome = match how {
        How::Undisturbed => statement.await,
        How::Timeout(millis) => {
            let outcome = statement.await;
            asked = started.elapsed() >= Duration::from_millis(millis);
            outcome
        }
        How::Cancel(after) => tokio::select! {
            biased;
            outcome = &mut statement => outcome,
            () = tokio::time::sleep(after) => {
                asked = true;
                token.cancel_query(NoTls).await.unwrap();
                statement.await
            }
        },
        How::Cut(after) => tokio::select! {
            biased;
            outcome = &mut statement => outcome,
            () = tokio::time::sleep(after) => {
                line.socket.abort();
                return Told { answer: Answer::None, asked: true };
            }
        },
    };
    Told { answer: answer(&sql, outcome), asked }
}

/// How a COPY ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CopyEnd {
    Whole,
    GivenUp,
    Cancelled,
    Cut,
}

/// Sends rows by COPY; something happens to it before the row with this id.
pub(super) async fn copy(line: Line, ids: Range<i64>, at: i64, end: CopyEnd) -> Told {
    const SQL: &str = "COPY t (id, day, symbol, price) FROM STDIN WITH (FORMAT csv)";
    let token = line.client.cancel_token();
    let mut sink = Box::pin(line.client.copy_in::<_, Bytes>(SQL).await.unwrap());
    let mut asked = false;
    for id in ids {
        if id == at && end != CopyEnd::Whole {
            asked = true;
            // A COPY whose data never was complete may not show any of it, whatever became of its connection.
            match end {
                CopyEnd::Whole => {}
                CopyEnd::Cancelled => token.cancel_query(NoTls).await.unwrap(),
                CopyEnd::Cut => {
                    line.socket.abort();
                    return Told { answer: Answer::Cancelled, asked };
                }
                CopyEnd::GivenUp => {
                    drop(sink);
                    // This client hands on no answer to that; the next one comes after it.
                    line.client.batch_execute("SELECT 1").await.unwrap();
                    return Told { answer: Answer::Cancelled, asked };
                }
            }
        }
        if let Err(error) = sink.send(Bytes::from(csv_line(id))).await {
            return Told { answer: answer::<()>(SQL, Err(error)), asked };
        }
    }
    Told { answer: answer(SQL, sink.as_mut().finish().await), asked }
}
