//! moto's S3 server (Python), a second opinion on what S3 does: started by a test, gone when the test's process ends.
//!
//! Needs `pip install 'moto[server]' boto3`
//! for the Python named by `ZXQ_PYTHON` (default `python3`).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::python;

/// A running server.
#[derive(Debug)]
pub struct MotoServer {
    python: String,
    port: u16,
    /// While its standard input is open, the server runs.
    process: Child,
}

impl MotoServer {
    /// Starts a server; `None` where moto is not installed, said aloud.
    ///
    /// # Panics
    /// Without moto when `ZXQ_REQUIRE_PYTHON=1`.
    pub fn start() -> Option<MotoServer> {
        let python = python::python_with("a second S3 server", "import boto3, moto.server")?;
        let mut process = python::script(&python, include_str!("moto_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let port = line.trim().parse().unwrap_or_else(|_| panic!("moto's server did not start: {line:?}"));
        Some(MotoServer { python, port, process })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a Python script with the endpoint as its first argument, and fails with its output when it fails.
    pub fn run(&self, script: &Path, arguments: &[&Path]) -> String {
        let output = Command::new(&self.python)
            .arg(script)
            .arg(self.endpoint())
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .output()
            .expect("python starts");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {text}", script.display());
        text
    }
}

impl Drop for MotoServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
