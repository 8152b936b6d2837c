//! Statements that are sent together: what stands between two Syncs stands or falls together. Drivers hide where they put their
//! Syncs, so the messages are written here by hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zxq_tests::test_server::{TestServer, one_text};

/// A connection that says nothing by itself.
struct Raw(TcpStream);

/// A message: its tag, its length, its content.
fn message(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap();
    [tag, &length.to_be_bytes(), content].concat()
}

impl Raw {
    async fn connect(server: &TestServer) -> Raw {
        let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
        let startup = [&196_608_u32.to_be_bytes()[..], b"user\0zxq\0database\0zxq\0\0"].concat();
        raw.0.write_all(&message(b"", &startup)).await.unwrap();
        raw.until(b'Z', 1).await;
        raw
    }

    /// Statements without a Sync behind them.
    fn statements(all: &[&str]) -> Vec<u8> {
        let one = |sql: &&str| {
            let parse = message(b"P", format!("\0{sql}\0\0\0").as_bytes());
            let bind = message(b"B", &[0; 8]);
            let execute = message(b"E", &[0; 5]);
            [parse, bind, execute].concat()
        };
        all.iter().flat_map(one).collect()
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Statements and a Sync behind them.
    async fn run(&mut self, all: &[&str]) -> Vec<String> {
        let sync = message(b"S", b"");
        self.send(&[Raw::statements(all), sync].concat()).await;
        self.until(b'Z', 1).await
    }

    /// `columns` for each RowDescription, tags of commands, SQLSTATEs of errors and the states of ReadyForQuery, until so many messages of a kind have come.
    async fn until(&mut self, kind: u8, count: usize) -> Vec<String> {
        let (mut found, mut seen) = (Vec::new(), 0);
        while seen < count {
            let tag = self.0.read_u8().await.unwrap();
            let length = self.0.read_u32().await.unwrap() as usize - 4;
            let mut content = vec![0; length];
            self.0.read_exact(&mut content).await.unwrap();
            let text = String::from_utf8_lossy(&content).into_owned();
            match tag {
                b'C' => found.push(text.trim_end_matches('\0').to_owned()),
                b'E' => {
                    let code = text.split('\0').find_map(|field| field.strip_prefix('C'));
                    found.push(code.unwrap_or_default().to_owned());
                }
                b'Z' => found.push(text),
                b'T' => found.push("columns".to_owned()),
                _ => {}
            }
            seen += usize::from(tag == kind);
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_before_a_sync_stands_or_falls_together() {
    let server = TestServer::start().await;
    let other = server.connect().await;
    other.batch_execute("CREATE TABLE t (id INTEGER); CREATE TABLE u (id INTEGER)").await.unwrap();
    let count = async |table: &str| one_text(&other, &format!("SELECT count(*) FROM {table}")).await;
    let mut raw = Raw::connect(&server).await;

    let failed = raw.run(&["INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (1)", "SELECT 1/0", "SELECT 2"]).await;
    assert_eq!(failed, ["INSERT 0 1", "INSERT 0 1", "22012", "I"]);
    assert_eq!((count("t").await, count("u").await), ("0".to_owned(), "0".to_owned()));

    let done = raw.run(&["INSERT INTO t VALUES (1)", "SELECT * FROM t", "INSERT INTO u SELECT id FROM t"]).await;
    assert_eq!(done, ["INSERT 0 1", "SELECT 1", "INSERT 0 1", "I"]);
    assert_eq!((count("t").await, count("u").await), ("1".to_owned(), "1".to_owned()));

    // The Sync comes later: until then nothing is there for others.
    raw.send(&Raw::statements(&["INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)"])).await;
    raw.send(&message(b"H", b"")).await;
    assert_eq!(raw.until(b'C', 2).await, ["INSERT 0 1", "INSERT 0 1"]);
    assert_eq!(count("t").await, "1");
    raw.send(&message(b"S", b"")).await;
    assert_eq!(raw.until(b'Z', 1).await, ["I"]);
    assert_eq!(count("t").await, "3");

    // Blocks of their own.
    let block = raw.run(&["BEGIN", "INSERT INTO t VALUES (4)", "SAVEPOINT s", "INSERT INTO t VALUES (5)"]).await;
    assert_eq!(block, ["BEGIN", "INSERT 0 1", "SAVEPOINT", "INSERT 0 1", "T"]);
    assert_eq!(raw.run(&["SELECT 1/0"]).await, ["22012", "E"]);
    assert_eq!(raw.run(&["SELECT 1"]).await, ["25P02", "E"]);
    assert_eq!(raw.run(&["ROLLBACK TO s", "COMMIT"]).await, ["ROLLBACK", "COMMIT", "I"]);
    assert_eq!(count("t").await, "4");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_stands_or_falls_with_what_follows_before_the_sync() {
    let server = TestServer::start().await;
    let other = server.connect().await;
    other.batch_execute("CREATE TABLE t (id INTEGER)").await.unwrap();
    let count = async || one_text(&other, "SELECT count(*) FROM t").await;
    let mut raw = Raw::connect(&server).await;
    let copy = |data: &[u8], after: &str| {
        let data = [message(b"d", data), message(b"c", b"")].concat();
        [Raw::statements(&["COPY t FROM STDIN"]), data, Raw::statements(&[after]), message(b"S", b"")].concat()
    };

    raw.send(&copy(b"1\n2\n", "SELECT 1/0")).await;
    assert_eq!(raw.until(b'Z', 1).await, ["COPY 2", "22012", "I"]);
    assert_eq!(count().await, "0");

    raw.send(&copy(b"1\n2\n", "INSERT INTO t VALUES (3)")).await;
    assert_eq!(raw.until(b'Z', 1).await, ["COPY 2", "INSERT 0 1", "I"]);
    assert_eq!(count().await, "3");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_before_its_first_row_tells_of_no_columns() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    raw.send(&message(b"Q", b"SELECT 1; SELECT 1/0; SELECT 2\0")).await;
    assert_eq!(raw.until(b'Z', 1).await, ["columns", "SELECT 1", "22012", "I"]);
    raw.send(&message(b"Q", b"SELECT 1 WHERE false\0")).await;
    assert_eq!(raw.until(b'Z', 1).await, ["columns", "SELECT 0", "I"]);
}
