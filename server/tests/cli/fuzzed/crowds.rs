//! Clients that come in crowds and say nothing, little, or too slowly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Bystander, ends_well, start};
use crate::support::{Place, Server};

/// Sockets that say nothing, or only the beginning of something; fewer where a process may not open so many.
const SILENT: usize = 2_000;

/// Sockets that this process may open, less some for all else.
fn most_sockets() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most = line.split_whitespace().nth(3).unwrap();
    most.parse().map_or(usize::MAX, |most: usize| most.saturating_sub(400))
}

fn open(server: &Server) -> Option<TcpStream> {
    let socket = TcpStream::connect(&server.address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Some(socket)
}

fn startup() -> Vec<u8> {
    let body = b"user\0crowd\0database\0zxq\0\0";
    let mut bytes = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend(196_608u32.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The SQLSTATE that the server answers a client with at its start; `None` where it lets it in.
fn answer(socket: &mut TcpStream) -> Option<String> {
    let mut kind = [0];
    socket.read_exact(&mut kind).unwrap();
    if kind == *b"R" {
        return None;
    }
    assert_eq!(kind, *b"E");
    let mut length = [0; 4];
    socket.read_exact(&mut length).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    socket.read_exact(&mut body).unwrap();
    let fields: Vec<&[u8]> = body.split(|byte| *byte == 0).collect();
    let code = fields.iter().find(|field| field.first() == Some(&b'C')).unwrap();
    Some(String::from_utf8_lossy(&code[1..]).into_owned())
}

#[test]
fn crowds_keep_nobody_out() {
    let place = Place::new();
    let server = start(&place);
    let other = Bystander::start(&server);
    // Silent ones, and those that give a byte now and then.
    let half = SILENT.min(most_sockets()) / 2;
    let mut silent: Vec<TcpStream> = (0..half).filter_map(|_| open(&server)).collect();
    let before = server.resident_mib();
    for at in 0..half {
        let Some(mut socket) = open(&server) else { continue };
        let bytes = startup();
        // The server may have made room already.
        let _ = socket.write_all(&bytes[..1 + at % (bytes.len() - 1)]);
        silent.push(socket);
    }
    let mut one = open(&server).unwrap();
    one.write_all(&startup()).unwrap();
    assert_eq!(answer(&mut one), None, "somebody who says who they are is let in");
    drop(silent);

    // All places are taken, two by the clients that are there already: the next are told so, until one leaves.
    let mut places = vec![one];
    let refused = loop {
        let mut next = open(&server).unwrap();
        next.write_all(&startup()).unwrap();
        match answer(&mut next) {
            None => places.push(next),
            Some(code) => break code,
        }
        assert!(places.len() < 1_000, "there is no end of places");
    };
    assert_eq!(refused, "53300");
    assert_eq!(places.len(), 199);
    // It leaves without a word.
    drop(places.pop());
    let mut let_in = false;
    for _ in 0..200 {
        let mut next = open(&server).unwrap();
        next.write_all(&startup()).unwrap();
        if answer(&mut next).is_none() {
            let_in = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(let_in, "a place that is free is given");
    drop(places);
    other.end();
    ends_well(server, &place, before);
}
