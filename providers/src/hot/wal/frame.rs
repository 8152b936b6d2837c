//! The bytes of a log file: a header, then frames.
//!
//! ```text
//! header: magic (8) | version u32 | first lsn u64 | crc32c u32 of all before
//! frame:  payload length u32 | crc32c u32 | lsn u64 | durable u64 | kind u8 | payload
//! ```
//!
//! All integers are little-endian. A frame's checksum is over the payload, then the length, lsn, durable and kind. `durable`
//! is how much of this file was known to be on disk when the frame was made. It tells a torn tail from damage: a bad frame
//! is a torn tail only if no good frame behind it says that the place of the bad one had been made durable.

use zxq_catalog::PartitionKey;

pub(super) const HEADER_LEN: usize = 24;
pub(super) const FRAME_HEADER_LEN: usize = 25;
const MAGIC: [u8; 8] = *b"zxq-wal\n";
const VERSION: u32 = 1;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A schema that later rows of this file name.
    Schema = 1,
    /// Rows of a transaction, valid once its commit is there.
    Rows = 2,
    /// Rows that are a whole transaction.
    CommittedRows = 3,
    /// The end of a transaction.
    Commit = 4,
    /// The log was closed in order.
    Close = 5,
}

impl FrameKind {
    fn of(byte: u8) -> Option<FrameKind> {
        [FrameKind::Schema, FrameKind::Rows, FrameKind::CommittedRows, FrameKind::Commit, FrameKind::Close]
            .into_iter()
            .find(|k| *k as u8 == byte)
    }
}

/// A frame's fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: u32,
    pub(super) crc: u32,
    pub(super) lsn: u64,
    pub(super) durable: u64,
    pub(super) kind: FrameKind,
}

impl FrameHeader {
    /// `payload_crc` is the checksum of the payload alone.
    pub(super) fn new(len: u32, payload_crc: u32, lsn: u64, durable: u64, kind: FrameKind) -> Self {
        let mut header = FrameHeader { len, crc: 0, lsn, durable, kind };
        header.crc = header.checksum(payload_crc);
        header
    }

    pub(super) fn checksum(&self, payload_crc: u32) -> u32 {
        let bytes = self.to_bytes();
        let (len, rest) = (&bytes[0..4], &bytes[8..]);
        crc32c::crc32c_append(crc32c::crc32c_append(payload_crc, len), rest)
    }

    pub(super) fn to_bytes(self) -> [u8; FRAME_HEADER_LEN] {
        let mut bytes = [0; FRAME_HEADER_LEN];
        bytes[0..4].copy_from_slice(&self.len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.crc.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.lsn.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.durable.to_le_bytes());
        bytes[24] = self.kind as u8;
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(FrameHeader {
            len: reader.u32()?,
            crc: reader.u32()?,
            lsn: reader.u64()?,
            durable: reader.u64()?,
            kind: FrameKind::of(reader.u8()?)?,
        })
    }
}

pub(super) fn file_header(first_lsn: u64) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&first_lsn.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[0..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The first lsn, or what is wrong with the header.
pub(super) fn parse_file_header(bytes: &[u8]) -> Result<u64, String> {
    let short = || "its header is short".to_owned();
    let mut reader = Reader(bytes);
    if reader.take(8).ok_or_else(short)? != MAGIC {
        return Err("it is not a zxq write-ahead log (its header has another magic number)".to_owned());
    }
    let version = reader.u32().ok_or_else(short)?;
    let first_lsn = reader.u64().ok_or_else(short)?;
    if reader.u32().ok_or_else(short)? != crc32c::crc32c(bytes.get(0..20).unwrap_or_default()) {
        return Err("the checksum of its header does not match".to_owned());
    }
    if version != VERSION {
        return Err(format!("it has format version {version}, this program reads version {VERSION}"));
    }
    Ok(first_lsn)
}

/// Reads integers off the front of a slice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn partition(&mut self) -> Option<PartitionKey> {
        let flags = self.u8()?;
        let period = self.u32()? as i32;
        let len = self.u32()? as usize;
        let class = std::str::from_utf8(self.take(len)?).ok()?;
        Some(PartitionKey {
            period: (flags & 1 != 0).then_some(period),
            class: (flags & 2 != 0).then(|| class.to_owned()),
        })
    }
}

pub(super) fn put_partition(bytes: &mut Vec<u8>, partition: &PartitionKey) {
    let class = partition.class.as_deref().unwrap_or_default();
    bytes.push(u8::from(partition.period.is_some()) | (u8::from(partition.class.is_some()) << 1));
    bytes.extend_from_slice(&partition.period.unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(&(class.len() as u32).to_le_bytes());
    bytes.extend_from_slice(class.as_bytes());
}
