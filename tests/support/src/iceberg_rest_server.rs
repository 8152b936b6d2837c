//! The REST catalog of `iceberg_rest_server.py` (PyIceberg), one for all tests of a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::python;

/// A running server. It ends with this process, when its standard input is closed.
#[derive(Debug)]
pub struct RestServer {
    /// Its address.
    pub uri: String,
    _child: Child,
    _folder: TempDir,
}

fn python() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<String>> = OnceLock::new();
    PYTHON.get_or_init(|| python::python_with("a REST catalog", "import pyiceberg, sqlalchemy")).as_deref()
}

/// True where Python and PyIceberg are; says so where they are not.
pub fn is_installed() -> bool {
    python().is_some()
}

/// The server of this process.
///
/// # Panics
/// Where it is not installed, or does not start.
pub fn shared() -> &'static RestServer {
    static SERVER: OnceLock<RestServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let mut command = python::script(python().unwrap(), include_str!("iceberg_rest_server.py"));
        command.arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("the REST catalog did not start: {line:?}"));
        RestServer { uri: format!("http://127.0.0.1:{port}"), _child: child, _folder: folder }
    })
}
