//! The Python that tests use, named by `ZXQ_PYTHON` (default `python3`).

use std::process::Command;

use crate::say_skipped;

/// A command that runs a script, given as text: tests may be built in one folder and run in another.
pub fn script(python: &str, text: &str) -> Command {
    let mut command = Command::new(python);
    command.args(["-c", text]);
    command
}

/// The Python that can run these imports; `None`, said aloud, where it cannot.
///
/// # Panics
/// Where it cannot and `ZXQ_REQUIRE_PYTHON` is `1`.
pub fn python_with(suite: &str, imports: &str) -> Option<String> {
    let python = std::env::var("ZXQ_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if Command::new(&python).args(["-c", imports]).output().is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let required = std::env::var("ZXQ_REQUIRE_PYTHON").is_ok_and(|v| v == "1");
    assert!(!required, "ZXQ_REQUIRE_PYTHON is set and {python} cannot run `{imports}`");
    say_skipped(suite, &format!("{python} cannot run `{imports}`"));
    None
}
