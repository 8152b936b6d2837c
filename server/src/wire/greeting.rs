//! The first bytes of a connection: whether it is encrypted.
//!
//! Read here rather than by the codec, byte for byte: what a client, or somebody between it and the server, sends before the
//! handshake is never taken for something that came through it.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use futures::FutureExt;
use pgwire::api::{ClientInfo, DefaultClient, PgWireConnectionState};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, FramedParts};

use super::error::WireError;
use super::link::Socket;
use super::tls::Tls;
use super::tls::certificate;
use super::tls::identity::PROTOCOL;

/// "May we encrypt?", with TLS and with GSSAPI: a length, then a number where others have the protocol's version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// A socket whose startup message comes next.
pub(crate) struct Greeted {
    /// The socket, encrypted where the client asked for it.
    pub(crate) socket: Socket,
    /// How it is encrypted, where it is.
    pub(crate) tls: Option<TlsSession>,
}

/// What a handshake has shown.
#[derive(Debug)]
pub(crate) struct TlsSession {
    /// What the client binds its log-in to.
    pub(crate) binding: Option<Vec<u8>>,
    /// The client's certificate, which an authority has signed that the server trusts.
    pub(crate) client: Option<ClientCertificate>,
}

/// Whom a client's certificate is about.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    /// Its common name, if it has one.
    pub(crate) common_name: Option<String>,
}

/// Gets a connection to its startup message. `None` when the client went away, or does not speak the protocol.
///
/// # Errors
/// When the client is gone, or the handshake fails.
pub(crate) async fn negotiate(mut stream: TcpStream, tls: Option<&Tls>) -> io::Result<Option<Greeted>> {
    stream.set_nodelay(true)?;
    let address = stream.peer_addr()?;
    let mut asked = [false; 2];
    loop {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        if first == [HANDSHAKE] {
            return match tls {
                Some(tls) => handshake(stream, address, tls, true).await.map(Some),
                None => Ok(None),
            };
        }
        let mut head = [0; 8];
        stream.read_exact(&mut head).await?;
        let request = match head {
            TLS_REQUEST => 0,
            GSS_REQUEST => 1,
            _ => {
                return Ok(Some(Greeted { socket: framed(MaybeTls::Plain(stream), address, false, &head), tls: None }));
            }
        };
        // Nobody asks twice.
        if std::mem::replace(&mut asked[request], true) {
            return Ok(None);
        }
        match tls {
            Some(tls) if head == TLS_REQUEST => {
                if stream.peek(&mut first).now_or_never().is_some_and(|peeked| peeked.is_ok_and(|bytes| bytes > 0)) {
                    return injected(stream).await;
                }
                stream.write_all(b"S").await?;
                return handshake(stream, address, tls, false).await.map(Some);
            }
            _ => stream.write_all(b"N").await?,
        }
    }
}

/// Somebody has sent on before the handshake: perhaps not the client (CVE-2021-23214).
async fn injected(mut stream: TcpStream) -> io::Result<Option<Greeted>> {
    let error = WireError::protocol("received unencrypted data after SSL request")
        .detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.")
        .fatal();
    tracing::warn!(target: "zxq_audit", address = ?stream.peer_addr(), "bytes came before the TLS handshake");
    let mut bytes = BytesMut::new();
    error.message("").encode(&mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    Ok(None)
}

async fn handshake(stream: TcpStream, address: SocketAddr, tls: &Tls, direct: bool) -> io::Result<Greeted> {
    let identity = tls.identity();
    let stream = identity.acceptor.accept(stream).await.inspect_err(|error| {
        tracing::info!(target: "zxq_audit", address = %address.ip(), %error, "a TLS handshake failed");
    })?;
    let (_, connection) = stream.get_ref();
    // One that speaks another protocol by mistake, or is made to, is not answered.
    if direct && connection.alpn_protocol() != Some(PROTOCOL) {
        let reason = "a TLS connection that was not asked for has to name its protocol, postgresql";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let client = match connection.peer_certificates().and_then(<[_]>::first) {
        Some(shown) => {
            let read = certificate::read(shown).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            Some(ClientCertificate { common_name: read.common_name })
        }
        None => None,
    };
    let socket = framed(MaybeTls::Tls(Box::new(stream)), address, true, &[]);
    Ok(Greeted { socket, tls: Some(TlsSession { binding: identity.binding.clone(), client }) })
}

/// The protocol's codec over the stream, of which some bytes have been read.
fn framed(stream: MaybeTls, address: SocketAddr, encrypted: bool, read: &[u8]) -> Socket {
    let codec = PgWireMessageServerCodec::new(DefaultClient::new(address, encrypted));
    let mut parts = FramedParts::new(stream, codec);
    parts.read_buf = BytesMut::from(read);
    let mut socket = Framed::from_parts(parts);
    socket.set_state(PgWireConnectionState::AwaitingStartup);
    socket
}
