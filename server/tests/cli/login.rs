//! Logging in to a server: TLS, passwords, certificates, and who is refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::certificates::Authority;
use crate::support::{Place, Run, Server, fail, psql, run_with_input};

/// Makes a user through the command line.
#[track_caller]
pub fn add_user(place: &Place, name: &str, password: &str, options: &[&str]) {
    let data = place.data();
    let args = [&["user", "add", name, "--password-stdin", "--data", &data], options].concat();
    let run = run_with_input(&args, format!("{password}\n").as_bytes());
    assert_eq!((run.code, run.out.as_str()), (Some(0), "CREATE ROLE\n"), "{}", run.err);
}

/// A place with a user, a certificate and a configuration that says more.
pub fn place_with_tls(more: &str) -> (Place, Authority, String) {
    let place = Place::new();
    add_user(&place, "alice", "open sesame", &["--superuser"]);
    let authority = Authority::with_server(&place.path("tls"));
    // Relative names are looked for beside the configuration file.
    let text = format!("listen: 127.0.0.1:0\ntls:\n  certificate: tls/server.pem\n  key: tls/server.key\n{more}");
    let config = place.file("storage.yaml", &text);
    (place, authority, config)
}

#[track_caller]
pub fn start(place: &Place, config: &str) -> Server {
    Server::start(&["serve", "--data", &place.data(), "--config", config])
}

/// The failure that psql reports, without where it happened.
#[track_caller]
fn refusal(run: &Run) -> &str {
    assert_eq!(run.code, Some(2), "it gets in: {run:?}");
    run.err.rsplit_once("FATAL:  ").unwrap_or_else(|| panic!("no refusal: {run:?}")).1.trim_end()
}

#[test]
fn passwords_over_tls_bound_to_the_connection() {
    let (place, authority, config) = place_with_tls("");
    let server = start(&place, &config);
    let root = format!("sslrootcert={}", authority.file("ca.pem"));
    let full = format!("sslmode=verify-full {root} channel_binding=require");
    let run = psql(&server, &format!("user=alice {full}"), Some("open sesame"), "SELECT current_user");
    assert_eq!((run.code, run.out.as_str()), (Some(0), "alice\n"), "{}", run.err);

    // Whoever has a wrong password, or a name that nobody has, is told the same; and so without TLS.
    for how in [&full, "sslmode=disable"] {
        for user in ["alice", "mallory"] {
            let run = psql(&server, &format!("user={user} {how}"), Some("open sesami"), "SELECT 1");
            assert_eq!(refusal(&run), format!("password authentication failed for user \"{user}\""), "{how}");
        }
    }
    // The command line on the data directory needs no user.
    assert_eq!(place.answer("SELECT 1"), "1");
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_binds_its_log_in_to_the_certificate() {
    use rustls::pki_types::pem::PemObject;
    let (place, authority, config) = place_with_tls("");
    let server = start(&place, &config);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(authority.file("ca.pem")).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let config = format!("host={host} port={port} user=alice dbname=zxq sslmode=require channel_binding=require");
    let connect = |password: &str| {
        let connector = tokio_postgres_rustls::MakeRustlsConnect::new(tls.clone());
        let config = format!("{config} password='{password}'");
        async move { tokio_postgres::connect(&config, connector).await }
    };
    let (client, connection) = connect("open sesame").await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SELECT 40 + $1::bigint", &[&2_i64]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 42);
    let error = connect("open").await.map(|_| ()).unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("28P01"));
}

#[test]
fn who_must_encrypt_is_not_asked_for_a_secret_before() {
    let (place, authority, config) = place_with_tls("  require: true\n");
    let server = start(&place, &config);
    let run = psql(&server, "user=alice sslmode=disable", Some("open sesame"), "SELECT 1");
    assert!(refusal(&run).starts_with("this server takes encrypted connections only"), "{run:?}");
    let root = format!("user=alice sslmode=verify-full sslrootcert={}", authority.file("ca.pem"));
    assert_eq!(psql(&server, &root, Some("open sesame"), "SELECT 1").code, Some(0));

    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.write_all(b"\0\0\0\x14\0\x03\0\0user\0alice\0\0").unwrap();
    let mut first = [0];
    socket.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"E", "an error, not a question");
    // What the data directory's owner says does not leave the machine.
    assert_eq!(place.answer("SELECT 1"), "1");
}

/// What the server answers to these bytes before it closes the connection.
fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // It may be cut off while bytes of ours were still unread.
    let _ = socket.read_to_end(&mut answer);
    answer
}

#[test]
fn bytes_before_the_handshake_are_refused() {
    let (place, authority, config) = place_with_tls("");
    let server = start(&place, &config);
    // SSLRequest, and a start-up message that somebody has put behind it.
    let request = b"\0\0\0\x08\x04\xd2\x16\x2f";
    let injected = [&request[..], b"\0\0\0\x14\0\x03\0\0user\0alice\0\0"].concat();
    let answer = answer_to(&server, &injected);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with('E') && answer.contains("received unencrypted data after SSL request"), "{answer:?}");
    // Garbage in place of a handshake ends that connection alone.
    for garbage in
        [&b"\x16garbage"[..], b"\x16\x03\x01\0\x04garb", b"\0\0\0\x08\x04\xd2\x16\x30\0\0\0\x08\x04\xd2\x16\x30"]
    {
        let answer = answer_to(&server, garbage);
        assert!(!answer.contains(&b'R'), "{:?}", String::from_utf8_lossy(&answer));
    }
    let root = format!("user=alice sslmode=verify-full sslrootcert={}", authority.file("ca.pem"));
    assert_eq!(psql(&server, &root, Some("open sesame"), "SELECT 1").code, Some(0));
}

#[test]
fn clients_may_begin_with_tls_at_once() {
    let (place, authority, config) = place_with_tls("");
    let server = start(&place, &config);
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &server.address, "-alpn", "postgresql", "-CAfile", &authority.file("ca.pem")])
        .args(["-verify_return_error", "-verify_ip", "127.0.0.1"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ALPN protocol: postgresql") && said.contains("Verify return code: 0 (ok)"), "{said}");
}

#[test]
fn a_certificate_is_renewed_without_a_restart() {
    let (place, old, config) = place_with_tls("");
    let server = start(&place, &config);
    let new = Authority::with_server(&place.path("new"));
    let connect = |authority: &Authority| {
        let root = format!("user=alice sslmode=verify-full sslrootcert={}", authority.file("ca.pem"));
        psql(&server, &root, Some("open sesame"), "SELECT 1").code
    };
    assert_eq!((connect(&old), connect(&new)), (Some(0), Some(2)));
    // One after the other, as tools do: between the two the pair does not fit, and the old one stays.
    std::fs::rename(new.file("server.pem"), old.file("server.pem")).unwrap();
    assert_eq!((connect(&old), connect(&new)), (Some(0), Some(2)));
    std::fs::rename(new.file("server.key"), old.file("server.key")).unwrap();
    assert_eq!((connect(&old), connect(&new)), (Some(2), Some(0)));
    std::fs::write(old.file("server.pem"), "spoilt").unwrap();
    assert_eq!((connect(&old), connect(&new)), (Some(2), Some(0)));
    assert_eq!(server.end_with("TERM").code(), Some(0));
}

#[test]
fn certificates_that_do_not_serve_stop_the_start() {
    let (place, authority, config) = place_with_tls("");
    let data = place.data();
    let serve = ["serve", "--data", &data, "--config", &config];
    let other = Authority::with_server(&place.path("other"));
    std::fs::copy(other.file("server.key"), authority.file("server.key")).unwrap();
    fail(&serve, 1, &["server.pem", "does not belong to the private key"]);
    let chmod = Command::new("chmod").args(["644", &authority.file("server.key")]).status().unwrap();
    assert!(chmod.success());
    fail(&serve, 1, &["server.key", "can be read by others"]);
    std::fs::remove_file(authority.file("server.key")).unwrap();
    fail(&serve, 1, &["cannot read", "server.key"]);
    std::fs::write(authority.file("server.pem"), "spoilt").unwrap();
    fail(&serve, 1, &["server.pem", "no certificate"]);
}

#[test]
fn other_machines_are_served_only_with_users_and_tls() {
    let place = Place::new();
    let data = place.data();
    let serve = ["serve", "--data", &data, "--listen", "0.0.0.0:0"];
    fail(&serve, 1, &["can be reached from other machines", "no TLS", "tls:"]);
    fail(&[&serve[..], &["--allow-remote"]].concat(), 2, &["--allow-remote"]);
    let authority = Authority::with_server(&place.path("tls"));
    let config = place.file("storage.yaml", "tls: {certificate: tls/server.pem, key: tls/server.key}\n");
    let serve = [&serve[..], &["--config", &config]].concat();
    fail(&serve, 1, &["can be reached from other machines", "no user", "zxq user add"]);

    add_user(&place, "alice", "open sesame", &[]);
    let mut server = Server::start(&serve);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    let root = format!("user=alice sslmode=verify-full sslrootcert={}", authority.file("ca.pem"));
    assert_eq!(psql(&server, &root, Some("open sesame"), "SELECT 1").code, Some(0));
    assert_eq!(place.answer("SELECT 1"), "1");
}

#[test]
fn certificates_of_clients() {
    let rules = "  client_ca: tls/ca.pem\nauthentication:\n  - {address: all, user: [alice, bob], method: cert}\n";
    let (place, authority, config) = place_with_tls(rules);
    add_user(&place, "bob", "b", &[]);
    for name in ["alice", "mallory"] {
        authority.sign(name, "extendedKeyUsage=clientAuth");
    }
    let stranger = Authority::new(&place.path("stranger"));
    stranger.sign("alice", "extendedKeyUsage=clientAuth");
    let server = start(&place, &config);
    let connect = |user: &str, shown: Option<(&Authority, &str)>| {
        let root = format!("user={user} sslmode=verify-full sslrootcert={}", authority.file("ca.pem"));
        let certificate = shown.map_or_else(
            || "sslcert=/none sslkey=/none".to_owned(),
            |(from, name)| {
                let (certificate, key) = (from.file(&format!("{name}.pem")), from.file(&format!("{name}.key")));
                format!("sslcert={certificate} sslkey={key}")
            },
        );
        psql(&server, &format!("{root} {certificate}"), None, "SELECT current_user")
    };
    let run = connect("alice", Some((&authority, "alice")));
    assert_eq!((run.code, run.out.as_str()), (Some(0), "alice\n"), "{}", run.err);
    let another = connect("bob", Some((&authority, "alice")));
    assert_eq!(refusal(&another), "certificate authentication failed for user \"bob\"");
    assert_eq!(refusal(&connect("alice", None)), "connection requires a valid client certificate");
    // No rule is for mallory, whoever signed its certificate; and strangers do not get through the handshake.
    assert!(refusal(&connect("mallory", Some((&authority, "mallory")))).starts_with("no authentication rule for host"));
    assert_eq!(connect("alice", Some((&stranger, "alice"))).code, Some(2));
}

#[test]
fn rules_count_in_their_order() {
    let rules = |list: &[&str]| format!("authentication:\n  - {}\n", list.join("\n  - "));
    let (reject, trust) = (
        "{address: 127.0.0.0/8, user: alice, database: postgres, method: reject}",
        "{address: loopback, method: trust}",
    );
    let (place, _authority, config) = place_with_tls(&rules(&[reject, trust]));
    let server = start(&place, &config);
    let connect = |server: &Server, to: &str| psql(server, to, None, "SELECT current_user");
    let run = connect(&server, "user=alice dbname=postgres sslmode=disable");
    let expected = "an authentication rule rejects connection for host \"127.0.0.1\", user \"alice\", database \
                    \"postgres\", no encryption";
    assert_eq!(refusal(&run), expected);
    assert_eq!(connect(&server, "user=alice dbname=zxq").out, "alice\n");
    // Trusted, but nobody.
    assert_eq!(refusal(&connect(&server, "user=mallory dbname=zxq")), "role \"mallory\" does not exist");
    assert_eq!(server.end_with("TERM").code(), Some(0));

    // The other way round the second is never reached.
    place.file("storage.yaml", &format!("listen: 127.0.0.1:0\n{}", rules(&[trust, reject])));
    let server = start(&place, &config);
    assert_eq!(connect(&server, "user=alice dbname=postgres").out, "alice\n");
    assert_eq!(server.end_with("TERM").code(), Some(0));

    // And none that fits is none.
    place.file("storage.yaml", &format!("listen: 127.0.0.1:0\n{}", rules(&["{address: 10.0.0.0/8, method: scram}"])));
    let server = start(&place, &config);
    assert!(refusal(&connect(&server, "user=alice sslmode=disable")).starts_with("no authentication rule for host"));
}
