//! No space left: files may not grow beyond a limit that the shell sets (`ulimit -f`). The program says so, and nothing
//! is half there.

use std::process::{Command, Stdio};

use crate::server::{run, zxq};

const ROWS: i64 = 60_000;

/// Files of at most this many KiB: enough for the catalog, not for the rows.
const LIMIT_KIB: &str = "1024";

#[test]
fn a_full_disk_is_said_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let file = folder.path().join("rows.csv");
    let mut text = String::from("id,name,x\n");
    let mut state = 1u64;
    for id in 0..ROWS {
        // Text that does not compress.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!(
            "{id},{:016x}{:016x},{}.5\n",
            state,
            state.rotate_left(23).wrapping_mul(0x9E37_79B9),
            id % 1000
        ));
    }
    std::fs::write(&file, text).unwrap();
    let create = "CREATE TABLE t (id BIGINT NOT NULL, name TEXT, x DOUBLE PRECISION) WITH (sort_by = 'id')";
    assert!(run(&mut zxq(&["sql", create, "--data", data])).status.success());
    let count = || {
        let output = run(&mut zxq(&["sql", "SELECT count(*) FROM t", "--format", "csv", "--data", data]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap().parse::<i64>().unwrap()
    };
    let mut there = 0;
    for tier in ["cold", "warm", "hot"] {
        // The signal for a file that grows too large is ignored, so that the write fails as it does on a full disk.
        let script = format!("trap '' XFSZ; ulimit -f {LIMIT_KIB}; exec \"$@\"");
        let mut command = Command::new("bash");
        command.args([
            "-c",
            &script,
            "bash",
            env!("CARGO_BIN_EXE_zxq"),
            "load",
            "--table",
            "t",
            "--tier",
            tier,
            "--data",
            data,
        ]);
        let output = run(command.arg(&file).stdin(Stdio::null()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{tier}: the load ended well within {LIMIT_KIB} KiB");
        assert!(output.status.code().is_some(), "{tier}: ended by a signal: {said}");
        assert!(said.contains("error: ") && !said.contains("panicked"), "{tier}: {said}");
        eprintln!("full disk, {tier}: {}", said.lines().next().unwrap_or_default());
        assert_eq!(count(), there, "{tier}: rows of the load that failed");
        // With room it goes in.
        let again = run(&mut zxq(&["load", "--table", "t", "--tier", tier, "--data", data, file.to_str().unwrap()]));
        assert!(again.status.success(), "{tier}: {}", String::from_utf8_lossy(&again.stderr));
        there += ROWS;
        assert_eq!(count(), there, "{tier}: after the second load");
    }
    let verified = run(&mut zxq(&["storage", "verify", "--data", data]));
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
