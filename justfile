# The daily commands: `just` lists them. Each is a line that can be typed as well.
# Not here: benches (benches/README.md), long test runs and DuckDB from source (CONTRIBUTING.md).

# Lists the commands.
default:
    @just --list

# Builds everything.
build:
    cargo build --workspace

# Shows all of it on made-up data, then serves.
demo *args:
    cargo run -- demo {{args}}

# Runs all tests, or those that the arguments choose.
test *args:
    cargo test --workspace {{args}}

# Runs the SQL specification, or the files whose name has FILTER.
slt filter="":
    cargo test -p zxq-tests --test slt -- {{filter}}

# Formats the source.
fmt:
    cargo fmt --all

# Checks formatting and lints, as CI does.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Makes the documentation, as CI does.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Everything a change must pass; installs what is missing.
ci:
    bash .ci/run
