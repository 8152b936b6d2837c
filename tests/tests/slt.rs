//! The SQL specification: every `.slt` file at every placement over the wire, and once over the extended protocol.
//!
//! A file that starts with `# placement: none` moves rows itself and runs once. `ZXQ_SLT_REWRITE=1` writes the results
//! of the hot placement into the files instead of comparing them. `pg_warm` and `pg_split` are the placements `warm` and
//! `split` with PostgreSQL as the warm tier, where a server is installed; `pg_catalog` has its catalog there too;
//! `ts_…` has hypertables in it, where TimescaleDB is installed;
//! `iceberg_…` are placements with Iceberg as the format of cold, `s3_…` with cold in a bucket; a name may say several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{Runner, default_column_validator, default_normalizer, default_validator};
use zxq_test_support::postgres_server;
use zxq_tests::backends::Backends;
use zxq_tests::placement::{Placement, Placer, verify};
use zxq_tests::slt_db::{Protocol, SltDb};
use zxq_tests::test_server::TestServer;

fn main() {
    let arguments = Arguments::from_args();
    let root = zxq_test_support::project().join("tests/slt");
    let mut files = Vec::new();
    find_scripts(&root, &mut files);
    assert!(!files.is_empty(), "no .slt files in {}", root.display());
    let rewrite = std::env::var_os("ZXQ_SLT_REWRITE").is_some();
    let mut trials = Vec::new();
    let with_postgres = postgres_server::is_installed();
    let with_timescale = with_postgres && postgres_server::has_timescale_installed();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().with_extension("").display().to_string().replace('/', "::");
        let once = std::fs::read_to_string(&file).unwrap().lines().take(5).any(|l| l.trim() == "# placement: none");
        let mut add = |prefix: &str, placement: Option<Placement>, protocol: Protocol| {
            let file = file.clone();
            let backends = Backends::named(prefix);
            let trial = move || run(&file, placement, protocol, rewrite, backends);
            trials.push(Trial::test(format!("{prefix}::{name}"), trial));
        };
        if once {
            add("once", None, Protocol::Simple);
        } else {
            for placement in Placement::ALL {
                add(placement.name(), Some(placement), Protocol::Simple);
            }
            add("iceberg_cold", Some(Placement::Cold), Protocol::Simple);
            add("iceberg_split", Some(Placement::Split), Protocol::Simple);
            add("iceberg_replicated", Some(Placement::Replicated), Protocol::Simple);
            add("s3_cold", Some(Placement::Cold), Protocol::Simple);
            add("s3_split", Some(Placement::Split), Protocol::Simple);
            add("s3_iceberg_split", Some(Placement::Split), Protocol::Simple);
            if with_postgres {
                add("pg_warm", Some(Placement::Warm), Protocol::Simple);
                add("pg_split", Some(Placement::Split), Protocol::Simple);
                add("pg_iceberg_split", Some(Placement::Split), Protocol::Simple);
                add("pg_catalog", Some(Placement::Split), Protocol::Simple);
            }
            if with_timescale {
                add("ts_warm", Some(Placement::Warm), Protocol::Simple);
                add("ts_split", Some(Placement::Split), Protocol::Simple);
            }
        }
        add("extended", (!once).then_some(Placement::Split), Protocol::Extended);
    }
    if rewrite {
        trials.retain(|t| t.name().starts_with("hot::") || t.name().starts_with("once::"));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn find_scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find_scripts(&path, found);
        } else if path.extension().is_some_and(|e| e == "slt") {
            found.push(path);
        }
    }
}

fn run(
    file: &Path,
    placement: Option<Placement>,
    protocol: Protocol,
    rewrite: bool,
    backends: Backends,
) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = TestServer::start_with(|config| {
            if placement == Some(Placement::Split) {
                // Several segments per partition and tier.
                config.policy.segment_rows = 3;
            }
            backends.apply(config);
        })
        .await;
        let placer = placement
            .map(|placement| Arc::new(Placer::new(&server.engine, placement).with_hypertables(backends.timescale)));
        let address = server.address;
        let mut runner = Runner::new(|| async {
            Ok::<_, zxq_tests::slt_db::SltError>(SltDb::new(
                zxq_tests::test_server::connect(address).await,
                protocol,
                placer.clone(),
            ))
        });
        if rewrite {
            runner
                .update_test_file(file, " ", default_validator, default_normalizer, default_column_validator)
                .await
                .map_err(|e| e.to_string())?;
        } else {
            // All failures of a file at once, not only the first.
            let mut failures = Vec::new();
            for record in sqllogictest::parse_file(file).map_err(|e| e.to_string())? {
                if let Err(error) = runner.run_async(record).await {
                    failures.push(error.display(false).to_string());
                }
            }
            if !failures.is_empty() {
                return Err(failures.join("\n").into());
            }
        }
        drop(runner);
        verify(&server.engine).await;
        server.stop().await;
        Ok(())
    })
}
