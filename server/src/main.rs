//! The `zxq` program.

fn main() -> std::process::ExitCode {
    zxq_server::cli::main()
}
