//! Runs the real program.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `zxq` with arguments, without this machine's settings.
pub fn zxq(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zxq"));
    command.args(args).stdin(Stdio::null());
    for variable in ["ZXQ_DATA", "ZXQ_CONFIG", "ZXQ_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `zxq` to its end.
pub fn run(args: &[&str]) -> Run {
    zxq(args).output().unwrap().into()
}

/// Runs `zxq` to its end, feeding standard input.
pub fn run_with_input(args: &[&str], input: &[u8]) -> Run {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, input).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    zxq(args).stdin(file).output().unwrap().into()
}

/// Runs `zxq`, which must succeed, and gives what it printed.
#[track_caller]
pub fn succeed(args: &[&str]) -> String {
    let run = run(args);
    assert_eq!(run.code, Some(0), "zxq {args:?} failed: {}", run.err);
    run.out
}

/// Runs `zxq`, which must fail with this code and one clear line that holds all of `words`.
#[track_caller]
pub fn fail(args: &[&str], code: i32, words: &[&str]) {
    let run = run(args);
    assert_eq!(run.code, Some(code), "zxq {args:?}: {run:?}");
    assert!(run.err.starts_with("error: "), "zxq {args:?}: {}", run.err);
    assert!(!run.err.contains("panicked") && !run.err.contains("internal error"), "zxq {args:?}: {}", run.err);
    for word in words {
        assert!(run.err.contains(word), "zxq {args:?} does not say {word:?}: {}", run.err);
    }
}

/// A data directory and files to load, removed at the end.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// A place whose data directory is there, and empty.
    pub fn with_directory() -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path("data")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data directory as an argument.
    pub fn data(&self) -> String {
        self.path("data").to_str().unwrap().to_owned()
    }

    /// Writes a file and gives its path as an argument.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs SQL and gives the answer as CSV without its header.
    #[track_caller]
    pub fn answer(&self, sql: &str) -> String {
        let text = succeed(&["sql", sql, "--format", "csv", "--data", &self.data()]);
        text.split_once('\n').unwrap_or_default().1.trim_end().to_owned()
    }
}

/// A running server (or demo), killed at the end if it still runs.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Lines before the ready line.
    pub before: Vec<String>,
    /// Address it bound.
    pub address: String,
    /// Data directory it named.
    pub data: PathBuf,
    /// What it said to be: the writer, or a reader.
    pub role: String,
}

impl Server {
    /// Starts it and waits for its ready line.
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        Server::start_command(zxq(args))
    }

    /// As [`Server::start`], of a command that is set up already.
    #[track_caller]
    pub fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "ended before it was ready: {before:?}");
            let line = line.trim_end();
            let Some(rest) = line.strip_prefix("zxq is ready on ") else {
                before.push(line.to_owned());
                continue;
            };
            let (address, data) = rest.split_once(" (data in ").unwrap();
            let data = data.trim_end_matches(')');
            // A demo is nobody's reader or writer.
            let (data, role) = data.rsplit_once(", ").unwrap_or((data, ""));
            let (address, data, role) = (address.to_owned(), PathBuf::from(data), role.to_owned());
            return Server { child, out, before, address, data, role };
        }
    }

    /// Most memory it has had resident so far, MiB.
    pub fn peak_mib(&self) -> u64 {
        self.memory_mib("VmHWM:")
    }

    /// Memory it has resident now, MiB.
    pub fn resident_mib(&self) -> u64 {
        self.memory_mib("VmRSS:")
    }

    fn memory_mib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let memory = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        memory.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
    }

    /// Sends a signal and gives how it ended; it must end soon.
    #[track_caller]
    pub fn end_with(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "did not end after SIG{signal}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs SQL by psql, as whom and how `connection` says; with a password, or with none and without asking for one.
pub fn psql(server: &Server, connection: &str, password: Option<&str>, sql: &str) -> Run {
    psql_command(server, connection, password, &[], sql).output().expect("psql is installed").into()
}

/// As [`psql`], with options of psql, not yet started.
pub fn psql_command(server: &Server, connection: &str, password: Option<&str>, options: &[&str], sql: &str) -> Command {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let mut command = Command::new("psql");
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(variable);
    }
    // Nobody's password file and certificates.
    command.env("PGPASSFILE", "/nonexistent").env("HOME", "/nonexistent");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    // What is named twice counts as the last one says.
    let connection = format!("host={host} port={port} dbname=zxq {connection}");
    command.args(["-X", "-w", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).args(options).args(["-d", &connection, "-c", sql]);
    command.stdin(Stdio::null());
    command
}

/// All files under a folder whose names end so.
pub fn files_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_ending(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found
}
