//! Starts the REST catalog of `iceberg_rest_server.py`, one for all tests of a process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A running server. It ends with this process, when its standard input is closed.
pub struct RestServer {
    /// Its address.
    pub uri: String,
    _child: Child,
    _folder: TempDir,
}

fn python() -> String {
    std::env::var("ZXQ_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// True where Python and PyIceberg are; says so where they are not.
pub fn is_installed() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let imports = "import pyiceberg, sqlalchemy";
        let usable = Command::new(python()).args(["-c", imports]).output().is_ok_and(|o| o.status.success());
        if !usable {
            let required = std::env::var("ZXQ_REQUIRE_PYTHON").is_ok_and(|v| v == "1");
            let message = format!("SKIPPED: {} cannot run `{imports}`, so there is no REST catalog", python());
            assert!(!required, "{message}");
            eprintln!("\n*** {message} ***\n");
        }
        usable
    })
}

/// The server of this process.
pub fn shared() -> &'static RestServer {
    static SERVER: OnceLock<RestServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/iceberg_rest_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        RestServer { uri: format!("http://127.0.0.1:{}", port.trim()), _child: child, _folder: folder }
    })
}
