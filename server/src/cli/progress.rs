//! How far a load or an export has come, on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use zxq_engine::LoadProgress;

/// Shown on a terminal only.
pub(super) fn progress_bar() -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
    set_style(&bar, "{spinner} {elapsed_precise} {binary_bytes}  {msg}");
    bar
}

fn set_style(bar: &ProgressBar, template: &str) {
    // Both templates are constants of this file; a wrong one would only lose the decoration.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

/// Shows how far it has come.
pub(super) fn show(bar: &ProgressBar, progress: &LoadProgress, started: Instant) {
    if let (None, Some(total)) = (bar.length(), progress.bytes_total) {
        set_style(bar, "{bar:30} {percent:>3}% of {binary_total_bytes}  {msg}  {eta} left");
        bar.set_length(total);
    }
    bar.set_position(progress.bytes_read);
    if progress.rows > 0 {
        let rate = per_second(progress.rows, started.elapsed());
        bar.set_message(format!("{} rows, {} rows/s", HumanCount(progress.rows), HumanCount(rate)));
    }
}

/// Rows in a second.
pub(super) fn per_second(rows: u64, elapsed: Duration) -> u64 {
    (rows as f64 / elapsed.as_secs_f64().max(0.001)) as u64
}
