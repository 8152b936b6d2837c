//! A server as a client is told of it.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use tokio_postgres::{Client, NoTls};

/// Where, as whom, and how.
pub struct Target {
    /// `plain` or `tls`.
    pub mode: &'static str,
    connection: String,
    roots: Option<rustls::RootCertStore>,
}

impl Target {
    /// A server without users.
    pub fn plain(address: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap();
        let connection = format!("host={host} port={port} dbname=zxq user=zxq");
        Target { mode: "plain", connection, roots: None }
    }

    /// A server that wants a password, with a certificate of this authority.
    pub fn tls(address: &str, user: &str, password: &str, root: &str) -> Self {
        let (host, port) = address.rsplit_once(':').unwrap();
        let connection = format!(
            "host={host} port={port} dbname=zxq user={user} password={password} sslmode=require channel_binding=require"
        );
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(root).unwrap()).unwrap();
        Target { mode: "tls", connection, roots: Some(roots) }
    }

    /// A new connection, which runs until the client is dropped.
    pub async fn connect(&self) -> Client {
        match &self.roots {
            None => {
                let (client, connection) = tokio_postgres::connect(&self.connection, NoTls).await.unwrap();
                tokio::spawn(connection);
                client
            }
            Some(roots) => {
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
                let connector = tokio_postgres_rustls::MakeRustlsConnect::new(config);
                let (client, connection) = tokio_postgres::connect(&self.connection, connector).await.unwrap();
                tokio::spawn(connection);
                client
            }
        }
    }
}
