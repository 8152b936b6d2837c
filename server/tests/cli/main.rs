//! The command line, run as users run it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod certificates;
mod clients;
mod exporting;
mod external;
mod fuzzed;
mod hostile;
mod loading;
mod login;
mod serving;
mod sql;
mod storage;
mod support;
mod users;

use support::succeed;

/// Rows of a small table, as CSV.
const PRICES: &str = "\
symbol,ts,price,size,trade_date
AAPL,2024-06-03 14:30:00,194.03,100,2024-06-03
AAPL,2024-06-03 14:30:01,194.05,200,2024-06-03
MSFT,2024-06-04 14:30:00,415.10,50,2024-06-04
";

/// The table they fit.
const PRICES_TABLE: &str = "CREATE TABLE prices (symbol VARCHAR(20) NOT NULL, ts TIMESTAMPTZ NOT NULL, \
    price DECIMAL(20,8) NOT NULL, size BIGINT CHECK (size > 0), trade_date DATE NOT NULL) \
    WITH (time_column = 'ts', partition_by = 'trade_date', sort_by = 'symbol, ts', lookup = 'symbol')";

#[test]
fn help_of_every_command_has_an_example() {
    let commands: [&[&str]; 16] = [
        &[],
        &["demo"],
        &["serve"],
        &["load"],
        &["export"],
        &["sql"],
        &["storage"],
        &["storage", "status"],
        &["storage", "migrate"],
        &["storage", "maintain"],
        &["storage", "verify"],
        &["user"],
        &["user", "add"],
        &["user", "password"],
        &["user", "list"],
        &["user", "drop"],
    ];
    for command in commands {
        let help = succeed(&[command, &["--help"]].concat());
        assert!(help.contains("Example") && help.contains("  zxq "), "{command:?}: {help}");
    }
}
