//! Messages of the protocol, changed at random.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Bystander, edge, ends_well, from_env, random, start};
use crate::support::{Place, Server};

/// Messages of a run that says nothing else.
const FRAMES: usize = 10_000;
/// Messages before memory is measured.
const WARM_UP: usize = 2_000;

#[test]
fn changed_messages_end_no_server() {
    let place = Place::new();
    let server = start(&place);
    let other = Bystander::start(&server);
    let mut random = random("changed messages");
    let frames = from_env("ZXQ_FRAMES", FRAMES);
    send(&server, &mut random, WARM_UP);
    let before = server.resident_mib();
    let connections = send(&server, &mut random, frames);
    eprintln!("changed messages: {frames} over {connections} connections");
    other.end();
    ends_well(server, &place, before);
}

/// Sends so many messages, over as many connections as it takes; returns how many those were.
fn send(server: &Server, random: &mut StdRng, frames: usize) -> usize {
    let (mut sent, mut connections) = (0, 0);
    while sent < frames {
        let count = random.random_range(1..40);
        converse(server, random, count);
        sent += count;
        connections += 1;
    }
    connections
}

/// One connection: it begins well or badly, sends messages, and leaves without a word or with one.
fn converse(server: &Server, random: &mut StdRng, count: usize) {
    let mut socket = TcpStream::connect(&server.address).unwrap_or_else(|e| panic!("no connection: {e}"));
    socket.set_nodelay(true).unwrap();
    // A server that is not read from need not read either.
    socket.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut bytes = opening(random);
    for _ in 0..count {
        let frame = frame(random);
        bytes.extend(if random.random_bool(0.6) { changed(frame, random) } else { frame });
        // In pieces of any size.
        if random.random_bool(0.3) {
            if socket.write_all(&bytes).is_err() {
                return;
            }
            bytes.clear();
        }
    }
    if random.random_bool(0.5) {
        bytes.extend(message(b'S', &[]));
    }
    if random.random_bool(0.5) {
        bytes.extend(message(b'X', &[]));
    }
    if socket.write_all(&bytes).is_err() {
        return;
    }
    if random.random_bool(0.3) {
        drain(&mut socket);
    }
}

/// Reads what is there, and a little longer.
fn drain(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut buffer = [0; 16 * 1024];
    for _ in 0..64 {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A message without a kind, as connections begin.
fn untyped(code: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}

/// How a connection begins: mostly as it should, so that what follows is read.
fn opening(random: &mut StdRng) -> Vec<u8> {
    let startup = untyped(196_608, b"user\0fuzz\0database\0zxq\0application_name\0frames\0\0");
    match random.random_range(0..20) {
        0 => changed(startup, random),
        1 => untyped(80_877_103, &[]),
        2 => [untyped(80_877_103, &[]), startup].concat(),
        3 => [untyped(80_877_104, &[]), startup].concat(),
        4 => untyped(80_877_102, &[0, 0, 0, 1, 0, 0, 0, 2]),
        5 => changed(untyped(80_877_102, &[0, 0, 0, 1, 0, 0, 0, 2]), random),
        6 => (0..random.random_range(0..200)).map(|_| random.random()).collect(),
        // The first bytes of a TLS handshake.
        7 => [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &startup].concat(),
        8 => untyped(196_608 + random.random_range(0..10), b"user\0fuzz\0_pq_.x\0y\0\0"),
        _ => startup,
    }
}

const QUERIES: [&str; 16] = [
    "SELECT 1",
    "",
    ";;",
    "SELECT * FROM bystanders WHERE id = $1",
    "SELECT $1::int, $2::text, $3",
    "INSERT INTO fuzzed VALUES (1, 'a')",
    "CREATE TABLE IF NOT EXISTS fuzzed (id BIGINT, name TEXT)",
    "COPY fuzzed FROM STDIN",
    "COPY fuzzed FROM STDIN (FORMAT csv, HEADER)",
    "COPY fuzzed FROM STDIN (FORMAT binary)",
    "COPY bystanders TO STDOUT (FORMAT binary)",
    "BEGIN",
    "ROLLBACK",
    "DECLARE c CURSOR FOR SELECT * FROM generate_series(1, 100000)",
    "FETCH 10 FROM c",
    "SELECT * FROM pg_catalog.pg_class",
];

/// A message as a client might send it.
fn frame(random: &mut StdRng) -> Vec<u8> {
    let query = QUERIES[random.random_range(0..QUERIES.len())];
    let name = ["", "a", "b"][random.random_range(0..3)];
    match random.random_range(0..14) {
        0 | 1 => message(b'Q', &text(query)),
        2 | 3 => {
            let mut body = [text(name), text(query)].concat();
            let types = random.random_range(0..3u16);
            body.extend(types.to_be_bytes());
            for _ in 0..types {
                body.extend([0u32, 20, 23, 25, 1700, 16, 1184, 1007][random.random_range(0..8)].to_be_bytes());
            }
            message(b'P', &body)
        }
        4 | 5 => message(b'B', &bind(name, random)),
        6 => message(b'D', &[&[b"SPx"[random.random_range(0..3)]][..], &text(name)].concat()),
        7 => {
            let most = random.random_range(0..3i32);
            message(b'E', &[text(name), most.to_be_bytes().to_vec()].concat())
        }
        8 => message(b'C', &[&[b"SP"[random.random_range(0..2)]][..], &text(name)].concat()),
        9 => message(b'S', &[]),
        10 => message(b'H', &[]),
        11 => message(b'd', b"1\tone\n2\ttwo\n"),
        12 => message([b'c', b'f', b'p'][random.random_range(0..3)], &text("why")),
        _ => message(b'F', &[0, 0, 4, 0, 0, 0, 0, 0, 0, 0]),
    }
}

fn bind(name: &str, random: &mut StdRng) -> Vec<u8> {
    let mut body = [text(name), text(name)].concat();
    let formats = random.random_range(0..3u16);
    body.extend(formats.to_be_bytes());
    for _ in 0..formats {
        body.extend(random.random_range(0..2u16).to_be_bytes());
    }
    let values = random.random_range(0..4u16);
    body.extend(values.to_be_bytes());
    for _ in 0..values {
        if random.random_bool(0.2) {
            body.extend((-1i32).to_be_bytes());
            continue;
        }
        let value: Vec<u8> = match random.random_range(0..3) {
            0 => edge(random).to_string().into_bytes(),
            1 => edge(random).to_be_bytes().to_vec(),
            _ => (0..random.random_range(0..40)).map(|_| random.random()).collect(),
        };
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(value);
    }
    body.extend([0, 0]);
    body
}

/// The message with something wrong.
fn changed(mut frame: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..frame.len());
    match random.random_range(0..8) {
        0 => frame[at] ^= 1 << random.random_range(0..8),
        1 => frame[at] = random.random(),
        2 => frame.truncate(at),
        3 => frame.insert(at, random.random()),
        // Its length, or a number within it.
        4 => {
            let from = if random.random_bool(0.5) { 1.min(at) } else { at };
            let number = edge(random).to_be_bytes();
            for (byte, new) in frame[from..].iter_mut().zip(&number[4..]) {
                *byte = *new;
            }
        }
        5 => {
            let twice = frame.clone();
            frame.extend(twice);
        }
        6 => frame.extend((0..random.random_range(1..64)).map(|_| random.random::<u8>())),
        _ => {
            let part = frame.split_off(at);
            frame.splice(0..0, part);
        }
    }
    frame
}
