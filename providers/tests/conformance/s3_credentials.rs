//! Credentials where AWS keeps them: the environment, a profile's keys, a profile's program, a container's role.
//!
//! They are looked for in this process's environment and home, so each case runs in a process of its own: this program again,
//! with one test that connects.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use zxq_providers::lake::objects::s3::{self, S3Credentials};

use zxq_test_support::s3_server::{KEY, S3Server, SECRET};

/// The endpoint to connect to.
const ENDPOINT: &str = "ZXQ_TEST_S3_ENDPOINT";

#[tokio::test]
#[ignore = "a part of credentials_are_found_where_aws_keeps_them"]
async fn connects() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let mut options = s3::S3Options::parse("s3://market/p").unwrap();
    options.endpoint = Some(endpoint.parse().unwrap());
    options.credentials = S3Credentials::Automatic;
    options.retry.max_retries = 0;
    match s3::connect(&options).await {
        Ok(_) => println!("CONNECTED"),
        Err(error) => println!("REFUSED: {error}"),
    }
}

/// Connects in a process with this environment and no other of AWS's.
fn connect(server: &S3Server, home: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "s3_credentials::connects", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env(ENDPOINT, server.endpoint()).env("HOME", home).envs(variables.iter().copied());
    let Output { stdout, stderr, .. } = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
}

/// A container's service for credentials: answers one request.
fn container_service() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = socket.read(&mut request).unwrap();
        let known = String::from_utf8_lossy(&request[..length]).contains("the container's token");
        let body = format!(
            r#"{{"AccessKeyId":"{}","SecretAccessKey":"{SECRET}","Token":"t","Expiration":"2099-01-01T00:00:00Z"}}"#,
            if known { KEY } else { "unknown" }
        );
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
    });
    format!("http://{address}/credentials")
}

#[test]
fn credentials_are_found_where_aws_keeps_them() {
    let server = S3Server::start();
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    std::fs::write(path("credentials"), format!("[research]\n{keys}[wrong]\n{}", keys.replace(SECRET, "other")))
        .unwrap();
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}"}}"#);
    std::fs::write(path("keys.json"), json).unwrap();
    std::fs::write(path("config"), format!("[profile program]\ncredential_process = cat {}\n", path("keys.json")))
        .unwrap();
    std::fs::write(path("token"), "the container's token").unwrap();
    let (config, credentials, token, service) =
        (path("config"), path("credentials"), path("token"), container_service());
    let files = [("AWS_CONFIG_FILE", config.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str())];

    let works: [(&str, Vec<(&str, &str)>); 4] = [
        ("the environment", vec![("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]),
        ("a profile's keys", [&files[..], &[("AWS_PROFILE", "research")]].concat()),
        ("a profile's program", [&files[..], &[("AWS_PROFILE", "program")]].concat()),
        (
            "a container's role",
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.as_str()),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
            ],
        ),
    ];
    for (what, variables) in works {
        let said = connect(&server, home.path(), &variables);
        assert!(said.contains("CONNECTED"), "{what}: {said}");
    }
    let nobody = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/credentials"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    let fails: [(Vec<(&str, &str)>, &str); 4] = [
        (nobody.to_vec(), "no keys, profile or token are given"),
        (vec![("AWS_ACCESS_KEY_ID", KEY)], "AWS_SECRET_ACCESS_KEY is not"),
        ([&files[..], &[("AWS_PROFILE", "wrong")]].concat(), "SignatureDoesNotMatch"),
        ([&files[..], &[("AWS_PROFILE", "nobody")]].concat(), "profile \"nobody\" gives no credentials"),
    ];
    for (variables, words) in fails {
        let said = connect(&server, home.path(), &variables);
        assert!(said.contains("REFUSED") && said.contains(words), "{words}: {said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
