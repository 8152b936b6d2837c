//! Tables over files of the server that clients make: within the folders of the configuration, and nowhere else.

use std::path::{Path, PathBuf};

use crate::support::{Place, Run, Server, psql, psql_command, succeed};
use crate::{PRICES, PRICES_TABLE};

/// A server whose clients may read the folder `shared`, beside which lies the folder `private`; both hold the prices.
struct Files {
    place: Place,
    server: Server,
}

impl Files {
    fn new() -> Files {
        let place = Place::new();
        let data = place.data();
        succeed(&["sql", PRICES_TABLE, "--data", &data]);
        succeed(&["load", "--table", "prices", &place.file("prices.csv", PRICES), "--data", &data]);
        for folder in ["shared", "private"] {
            std::fs::create_dir(place.path(folder)).unwrap();
            succeed(&["export", "prices", "--to", place.path(folder).to_str().unwrap(), "--data", &data]);
        }
        let config = place.file("storage.yaml", &format!("load_roots: [{}]\n", place.path("shared").display()));
        let server = Server::start(&["serve", "--data", &data, "--config", &config, "--listen", "127.0.0.1:0"]);
        Files { place, server }
    }

    fn shared(&self, name: &str) -> PathBuf {
        self.place.path("shared").join(name)
    }

    fn private(&self, name: &str) -> PathBuf {
        self.place.path("private").join(name)
    }

    /// What psql prints.
    #[track_caller]
    fn ask(&self, sql: &str) -> String {
        let run = psql(&self.server, "user=zxq", None, sql);
        assert_eq!(run.code, Some(0), "{sql}: {}", run.err);
        run.out.trim_end().to_owned()
    }

    /// What psql says of what goes wrong, which begins with the code.
    #[track_caller]
    fn refused(&self, sql: &str) -> String {
        let mut psql = psql_command(&self.server, "user=zxq", None, &["-v", "VERBOSITY=verbose"], sql);
        let run: Run = psql.output().expect("psql is installed").into();
        assert_ne!(run.code, Some(0), "{sql}: {}", run.out);
        run.err
    }
}

fn over(name: &str, format: &str, location: &Path) -> String {
    format!("CREATE EXTERNAL TABLE {name} STORED AS {format} LOCATION '{}'", location.display())
}

#[test]
fn clients_make_tables_over_the_folders_of_the_configuration() {
    let files = Files::new();
    files.ask(&over("one", "parquet", &files.shared("prices.parquet")));
    files.ask(&over("all_of_them", "PARQUET", &files.place.path("shared")));
    assert_eq!(files.ask("SELECT count(*), sum(price) FROM one"), "3|803.18000000");
    assert_eq!(files.ask("SELECT count(*) FROM one JOIN prices USING (symbol, ts)"), "3");
    let named =
        "SELECT table_name FROM information_schema.tables WHERE table_name IN ('one', 'all_of_them') ORDER BY 1";
    assert_eq!(files.ask(named), "all_of_them\none");
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'one'::regclass";
    assert_eq!(files.ask(columns), "symbol,ts,price,size,trade_date");
    let shown = files.ask("SHOW CREATE TABLE one");
    assert!(shown.contains("CREATE EXTERNAL TABLE one STORED AS parquet LOCATION '/"), "{shown}");
    // What comes into the folder later is there for the next statement.
    std::fs::copy(files.shared("prices.parquet"), files.shared("more.parquet")).unwrap();
    assert_eq!(files.ask("SELECT count(*) FROM all_of_them"), "6");
    assert!(files.refused(&over("one", "parquet", &files.shared("more.parquet"))).contains("42P07"));
    files.ask("CREATE SCHEMA theirs");
    files.ask(&over("theirs.one", "parquet", &files.shared("more.parquet")));
    assert_eq!(files.ask("SELECT count(*) FROM theirs.one"), "3");
    files.ask("DROP TABLE one");
    assert!(files.refused("SELECT * FROM one").contains("42P01"));
    assert!(files.shared("prices.parquet").exists(), "the file is its owner's");
}

#[test]
fn nothing_outside_of_them_is_read() {
    let files = Files::new();
    let (secret, link) = (files.private("prices.parquet"), files.shared("link"));
    std::os::unix::fs::symlink(files.place.path("private"), &link).unwrap();
    let data = files.place.path("data");
    for location in [
        secret.clone(),
        files.place.path("private"),
        files.shared("../private/prices.parquet"),
        link.join("prices.parquet"),
        link.clone(),
        data,
        PathBuf::from("/no/such/file"),
        PathBuf::from(format!("file://{}", secret.display())),
        PathBuf::from("s3://market/prices.parquet"),
    ] {
        let said = files.refused(&over("t", "parquet", &location));
        assert!(said.contains("42501") && said.contains("load_roots"), "{}: {said}", location.display());
    }
    let nothing = files.refused(&over("t", "parquet", &files.shared("nothing.parquet")));
    assert!(nothing.contains("58P01"), "{nothing}");

    // A folder of files with a link that leads out of it.
    std::fs::create_dir(files.shared("mixed")).unwrap();
    std::fs::copy(files.shared("prices.parquet"), files.shared("mixed/a.parquet")).unwrap();
    files.ask(&over("mixed", "parquet", &files.shared("mixed")));
    std::os::unix::fs::symlink(&secret, files.shared("mixed/b.parquet")).unwrap();
    let said = files.refused("SELECT count(*) FROM mixed");
    assert!(said.contains("b.parquet"), "{said}");

    // A Delta log that names a file elsewhere.
    let log = files.shared("delta/_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let size = secret.metadata().unwrap().len();
    let field = |name: &str, kind: &str| {
        format!(r#"{{\"name\":\"{name}\",\"type\":\"{kind}\",\"nullable\":true,\"metadata\":{{}}}}"#)
    };
    let fields = [field("symbol", "string"), field("size", "long")].join(",");
    let entry = |path: &str| {
        format!(
            r#"{{"protocol":{{"minReaderVersion":1,"minWriterVersion":2}}}}
{{"metaData":{{"id":"6f1c3b0a-7c9e-4a51-9d0f-0123456789ab","format":{{"provider":"parquet","options":{{}}}},"schemaString":"{{\"type\":\"struct\",\"fields\":[{fields}]}}","partitionColumns":[],"configuration":{{}},"createdTime":0}}}}
{{"add":{{"path":"{path}","partitionValues":{{}},"size":{size},"modificationTime":0,"dataChange":true}}}}
"#
        )
    };
    let version = log.join("00000000000000000000.json");
    std::fs::copy(&secret, files.shared("delta/inside.parquet")).unwrap();
    std::fs::write(&version, entry("inside.parquet")).unwrap();
    files.ask(&over("delta", "delta", &files.shared("delta")));
    assert_eq!(files.ask("SELECT count(symbol) FROM delta"), "3");
    std::fs::write(&version, entry(&format!("file://{}", secret.display()))).unwrap();
    let said = files.refused("SELECT count(symbol) FROM delta");
    assert!(said.contains("outside of"), "{said}");
}

#[test]
fn roles_need_the_right_to_read_files() {
    let files = Files::new();
    let table = over("one", "parquet", &files.shared("prices.parquet"));
    files.ask("CREATE ROLE ada; CREATE ROLE bob");
    let as_role = |role: &str, sql: &str| format!("SET ROLE {role}; {sql}");
    assert!(files.refused(&as_role("ada", &table)).contains("42501"));
    files.ask("GRANT CREATE ON SCHEMA public TO ada");
    assert!(files.refused(&as_role("ada", &table)).contains("42501"));
    files.ask("GRANT zxq_files TO ada");
    files.ask(&as_role("ada", &table));
    assert!(files.ask(&as_role("ada", "SELECT count(*) FROM one")).ends_with('3'));
    let count = as_role("bob", "SELECT count(*) FROM one");
    assert!(files.refused(&count).contains("42501"));
    assert!(files.refused(&as_role("bob", "DROP TABLE one")).contains("42501"));
    files.ask(&as_role("ada", "GRANT SELECT ON one TO bob"));
    assert!(files.ask(&count).ends_with('3'), "whoever may read the table needs no right to read files");
    files.ask(&as_role("ada", "DROP TABLE one"));
}
