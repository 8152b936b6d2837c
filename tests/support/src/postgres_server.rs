//! A private PostgreSQL server for the tests of one process: started when first asked for, gone when the process ends.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The superuser's password; other roles have their own.
pub const PASSWORD: &str = "s3cret word";

/// A running server.
#[derive(Debug)]
pub struct PostgresServer {
    folder: PathBuf,
    port: u16,
    /// While its standard input is open, the server runs: it closes with this process, however that ends.
    _keeper: Child,
}

static SERVER: OnceLock<Option<PostgresServer>> = OnceLock::new();

/// The server of this process; `None` where PostgreSQL is not installed, said aloud once.
///
/// # Panics
/// Without PostgreSQL when `ZXQ_REQUIRE_POSTGRES` is set, and when a server that is there does not start.
pub fn shared() -> Option<&'static PostgresServer> {
    let start = || {
        let binaries = binaries();
        if binaries.is_none() {
            let required = std::env::var_os("ZXQ_REQUIRE_POSTGRES").is_some();
            assert!(!required, "ZXQ_REQUIRE_POSTGRES is set and there is no /usr/lib/postgresql/*/bin/initdb");
            eprintln!("SKIPPED: no PostgreSQL server in /usr/lib/postgresql: what needs one is not tested");
        }
        binaries.map(|binaries| PostgresServer::start(&binaries))
    };
    SERVER.get_or_init(start).as_ref()
}

/// True where [`shared`] will give a server. Says aloud, or fails, as that does where there is none.
pub fn is_installed() -> bool {
    binaries().is_some() || shared().is_some()
}

/// The address of a database of [`shared`]'s server that has the extension timescaledb; `None` where that is not installed,
/// said aloud once.
///
/// # Panics
/// Without it when `ZXQ_REQUIRE_TIMESCALE` is set, and when it is there and cannot be used.
pub fn timescale_url() -> Option<String> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| shared()?.make_timescale()).clone()
}

/// True where [`timescale_url`] will give an address. Says aloud, or fails, as that does where there is none.
pub fn has_timescale_installed() -> bool {
    binaries().is_some_and(|binaries| has_timescale(&binaries)) || timescale_url().is_some()
}

/// True where the extension lies beside these programs, as Debian's packages lay it.
fn has_timescale(binaries: &Path) -> bool {
    let version = binaries.parent().and_then(Path::file_name).unwrap_or_default();
    Path::new("/usr/share/postgresql").join(version).join("extension/timescaledb.control").exists()
}

/// The newest installed server's programs.
fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let bin = path.join("bin");
            (bin.join("initdb").exists() && bin.join("postgres").exists()).then_some((version, bin))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}

impl PostgresServer {
    /// A new server of its own, for tests that stop and start it.
    pub fn start_another() -> Option<PostgresServer> {
        binaries().map(|binaries| PostgresServer::start(&binaries))
    }

    fn start(binaries: &Path) -> PostgresServer {
        use std::os::unix::fs::PermissionsExt;
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("zxq-pg-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        // The server refuses to run as root: then another user owns the folder.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("its permissions");
        std::fs::write(folder.join("password"), PASSWORD).expect("the password file");
        // A free port: the listener is closed right before the server opens it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let preload = match has_timescale(binaries) {
            true => "shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off",
            false => "",
        };
        let script = format!(
            r#"cd "$1" || exit 1
umask 077
"$2/initdb" -D data -U postgres --pwfile=password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 ||
  {{ cat initdb.log; exit 1; }}
cat >>data/postgresql.conf <<CONF
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '$1'
unix_socket_permissions = 0777
fsync = off
max_connections = 400
shared_buffers = 64MB
max_locks_per_transaction = 256
{preload}
CONF
while true; do
  "$2/postgres" -D data >>server.log 2>&1 &
  echo $! >pid
  wait $!
  [ -e stop ] && break
  while [ -e down ]; do sleep 0.05; done
done &
keeper=$!
read -r _
touch stop; rm -f down
kill -INT "$(cat pid)" 2>/dev/null
wait $keeper
cd / && rm -rf "$1"
"#
        );
        let mut command = if is_root() {
            let user = if user_exists("postgres") { "postgres" } else { "nobody" };
            let owned = Command::new("chown").arg(user).arg(&folder).status().expect("chown runs");
            assert!(owned.success(), "the server's folder could not be given to {user}");
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), "--regid", "nogroup", "--clear-groups", "sh", "-c", &script]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            command
        };
        let mut keeper = command
            .arg("zxq-postgres")
            .arg(&folder)
            .arg(binaries)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server's keeper starts");
        // The socket is there before the server takes connections.
        let log = folder.join("server.log");
        let is_ready = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready to accept connections"));
        let deadline = Instant::now() + Duration::from_secs(180);
        while !is_ready() {
            if let Ok(Some(status)) = keeper.try_wait() {
                let mut text = String::new();
                if let Some(mut out) = keeper.stdout.take() {
                    out.read_to_string(&mut text).ok();
                }
                panic!("PostgreSQL did not start: {status}\n{text}");
            }
            assert!(
                Instant::now() < deadline,
                "PostgreSQL did not start within three minutes: see {}",
                folder.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        PostgresServer { folder, port, _keeper: keeper }
    }

    /// A URL over TCP for a role and a database.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        let password = password.replace(' ', "%20");
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// A URL for the superuser and its database.
    pub fn superuser_url(&self) -> String {
        self.url("postgres", PASSWORD, "postgres")
    }

    /// Makes a database with the extension timescaledb, once. Its address; `None` where that is not installed, said aloud.
    pub fn make_timescale(&self) -> Option<String> {
        let binaries = binaries()?;
        if !has_timescale(&binaries) {
            let required = std::env::var_os("ZXQ_REQUIRE_TIMESCALE").is_some();
            assert!(!required, "ZXQ_REQUIRE_TIMESCALE is set and PostgreSQL has no extension timescaledb");
            eprintln!("SKIPPED: PostgreSQL has no extension timescaledb: hypertables are not tested");
            return None;
        }
        for (database, sql) in
            [("postgres", "CREATE DATABASE timescale"), ("timescale", "CREATE EXTENSION timescaledb")]
        {
            let made = Command::new(binaries.join("psql"))
                .args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url("postgres", PASSWORD, database)])
                .output()
                .expect("psql runs");
            assert!(made.status.success(), "{sql}: {}", String::from_utf8_lossy(&made.stderr));
        }
        Some(self.url("postgres", PASSWORD, "timescale"))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Appends settings, which hold from the next start on.
    pub fn set(&self, settings: &str) {
        use std::io::Write;
        let file = self.folder.join("data/postgresql.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(file).expect("the settings file");
        writeln!(file, "{settings}").expect("the settings are written");
    }

    /// Gives the server a certificate for this name, signed by itself, and returns a copy of it.
    pub fn make_certificate(&self, name: &str) -> PathBuf {
        let data = self.folder.join("data");
        let (key, certificate) = (data.join("server.key"), data.join("server.crt"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"])
            .arg(format!("/CN={name}"))
            .args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .args([key.as_path(), Path::new("-out"), certificate.as_path()])
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Files of the server's user, whoever made them.
        let by = format!("--reference={}", data.join("postgresql.conf").display());
        let owned = Command::new("chown").arg(by).args([&key, &certificate]).status().expect("chown runs");
        assert!(owned.success(), "the certificate could not be given to the server");
        let copy = self.folder.join("root.crt");
        std::fs::copy(&certificate, &copy).expect("a copy of the certificate");
        copy
    }

    /// Makes the server refuse connections without TLS, from its next start on.
    pub fn refuse_plain(&self) {
        let file = self.folder.join("data/pg_hba.conf");
        let rules = std::fs::read_to_string(&file).expect("the access rules");
        std::fs::write(&file, format!("hostnossl all all all reject\n{rules}")).expect("the access rules are written");
    }

    /// Kills the server as a crash would, and lets it start again only after [`PostgresServer::start_again`].
    pub fn crash(&self) {
        std::fs::write(self.folder.join("down"), "").expect("a mark");
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("the server's pid");
        let status = Command::new("kill").args(["-QUIT", pid.trim()]).status().expect("kill runs");
        assert!(status.success(), "the server could not be stopped");
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets a crashed server start again, and waits until it listens.
    pub fn start_again(&self) {
        std::fs::remove_file(self.folder.join("down")).expect("the mark is removed");
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not start again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

fn user_exists(name: &str) -> bool {
    Command::new("id").arg(name).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}
