//! What a feed lists, as sorted records of fixed size: `<state>/feeds/NAME.records`, beside the copy
//! that they were parsed from. What is compiled is read from here, so that text of a stranger is
//! parsed once, by the worker that fetched it. The worker hands its result over in the same form.
//!
//! ```text
//! magic     8 bytes
//! content   SHA-256 of the content that was parsed, 32 bytes
//! counts    records of IPv4, then of IPv6: two u64
//! entries   SHA-256 of the entries, 32 bytes
//! places    SHA-256 of the places, 32 bytes
//! header    SHA-256 of everything before, 32 bytes
//! entries   for each record: address (4 or 16 bytes), length u8, protocol u8, port u16
//! places    for each record: line u32, since u32
//! ```
//! Integers are little endian. Records are in the order of address, length, port and line. `since` is
//! in seconds since 1970; protocol and port are 0 where any is meant, the protocol alone where TCP and
//! UDP are. What is compiled is a function of the entries, so that their digest says whether a new
//! copy is to be compiled at all.

use std::{io::Read, mem};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::since::Before;
use super::format::{Indicator, MOST_INDICATORS, Parsed};
use crate::{
    address::{Address, Prefix},
    ruleset::Protocol,
    subject::Port,
};

mod since;

const MAGIC: [u8; 8] = *b"fwlist01";

/// Bytes of the header without its digest.
const HEADER: usize = 8 + 32 + 16 + 32 + 32;

/// Bytes of an entry beside its address.
const BESIDE_ADDRESS: usize = 4;

/// Bytes of a place.
const PLACE: usize = 8;

/// Bytes of a record of IPv6.
pub const LONGEST_RECORD: usize = entry::<u128>() + PLACE;

/// A SHA-256.
pub type Digest = [u8; 32];

/// What a feed lists, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// IPv4 indicators, in order.
    pub v4: Vec<Indicator<u32>>,
    /// IPv6 indicators likewise.
    pub v6: Vec<Indicator<u128>>,
}

/// What is known of records before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 of the content that was parsed.
    pub content: Digest,
    /// SHA-256 of the entries: the same, whenever and on whichever lines they were listed.
    pub entries: Digest,
    places: Digest,
    v4: usize,
    v6: usize,
}

impl Records {
    /// Takes the indicators out of `parsed`, in order.
    pub fn take(parsed: &mut Parsed) -> Self {
        let mut records = Self {
            v4: mem::take(&mut parsed.v4),
            v6: mem::take(&mut parsed.v6),
        };
        // Fast where they are in order, as those from a worker.
        records.v4.sort_by_key(order);
        records.v6.sort_by_key(order);
        records
    }

    /// Puts the indicators into `parsed`.
    pub fn give(self, parsed: &mut Parsed) {
        (parsed.v4, parsed.v6) = (self.v4, self.v6);
    }

    /// Says since when each is listed: what is or lies in `before` since then, everything else since
    /// `now`. Those of `before` that are held back tell of themselves alone.
    pub fn date(&mut self, before: Option<&Self>, held_back: &[IpNet], now: Timestamp) {
        let now = u32::try_from(now.as_second()).unwrap_or_default();
        let (v4, v6) = before.map_or((&[][..], &[][..]), |it| (&it.v4, &it.v6));
        since::date(&mut self.v4, &Before::new(v4, held_back), now);
        since::date(&mut self.v6, &Before::new(v6, held_back), now);
    }

    /// The file; `content` is the digest of what was parsed.
    pub fn encode(&self, content: &Digest) -> Vec<u8> {
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        encode(&self.v4, &mut entries, &mut places);
        encode(&self.v6, &mut entries, &mut places);
        file(content, [self.v4.len(), self.v6.len()], &entries, &places)
    }

    /// Reads a file, and looks at each record: who wrote it may be somebody else.
    ///
    /// # Errors
    /// It is none, or damaged, or a record is one that no parser makes.
    pub fn decode(bytes: &[u8]) -> Result<(Header, Self)> {
        let header = Header::read(bytes)?;
        let (v4, v6) = (header.v4 * entry::<u32>(), header.v6 * entry::<u128>());
        let rest = &bytes[HEADER + 32..];
        ensure!(
            rest.len() == v4 + v6 + (header.v4 + header.v6) * PLACE,
            "the records are cut off"
        );
        let (entries, places) = rest.split_at(v4 + v6);
        ensure!(
            Sha256::digest(entries)[..] == header.entries
                && Sha256::digest(places)[..] == header.places,
            "the records are damaged"
        );
        let (v4, v6) = entries.split_at(v4);
        let (places_v4, places_v6) = places.split_at(header.v4 * PLACE);
        let records = Self {
            v4: decode(v4, places_v4)?,
            v6: decode(v6, places_v6)?,
        };
        Ok((header, records))
    }
}

impl Header {
    /// Reads the header, and not what follows it.
    ///
    /// # Errors
    /// It is none, or damaged, or of another version, or counts more than there can be.
    pub fn read(mut bytes: impl Read) -> Result<Self> {
        let (mut header, mut digest) = ([0; HEADER], [0; 32]);
        bytes
            .read_exact(&mut header)
            .and_then(|()| bytes.read_exact(&mut digest))
            .context("the records are cut off")?;
        ensure!(
            header.starts_with(&MAGIC),
            "these are no records of this version"
        );
        ensure!(
            Sha256::digest(header)[..] == digest,
            "the records are damaged"
        );
        let count = |at| usize::try_from(u64::from_le_bytes(array(&header, at)));
        let (v4, v6) = (count(40)?, count(48)?);
        ensure!(
            v4.saturating_add(v6) <= MOST_INDICATORS,
            "there are more than {MOST_INDICATORS} records"
        );
        Ok(Self {
            content: array(&header, 8),
            entries: array(&header, 56),
            places: array(&header, 88),
            v4,
            v6,
        })
    }
}

/// Header, entries and places of so many records of IPv4 and of IPv6.
fn file(content: &Digest, counts: [usize; 2], entries: &[u8], places: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 32 + entries.len() + places.len());
    bytes.extend(MAGIC);
    bytes.extend(content);
    bytes.extend(
        counts
            .iter()
            .flat_map(|&count| (count as u64).to_le_bytes()),
    );
    bytes.extend(Sha256::digest(entries));
    bytes.extend(Sha256::digest(places));
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest);
    bytes.extend(entries);
    bytes.extend(places);
    bytes
}

/// Reads any bytes as the records that somebody made who knows the format and fits the digests: how
/// many there are of IPv4 and of IPv6, a byte each, entries, and places.
///
/// # Panics
/// What is taken for records does not make the same bytes again.
pub fn exercise(bytes: &[u8]) {
    let [v4, v6, rest @ ..] = bytes else { return };
    let counts = [usize::from(*v4), usize::from(*v6)];
    let entries = counts[0] * entry::<u32>() + counts[1] * entry::<u128>();
    let (entries, places) = rest.split_at(entries.min(rest.len()));
    let written = file(&[7; 32], counts, entries, places);
    if let Ok((header, records)) = Records::decode(&written) {
        assert_eq!(
            records.encode(&header.content),
            written,
            "one text for the same records"
        );
    }
}

/// What records are sorted by.
fn order<A: Address>(indicator: &Indicator<A>) -> (A, u8, [u8; 3], u32) {
    let Indicator {
        address,
        length,
        port,
        line,
        ..
    } = *indicator;
    (address, length, port_bytes(port), line)
}

/// Protocol, and port with the lower byte first.
fn port_bytes(port: Option<Port>) -> [u8; 3] {
    let Some(Port { number, protocol }) = port else {
        return [0; 3];
    };
    let [low, high] = number.to_le_bytes();
    [protocol.map_or(0, |it| it as u8), low, high]
}

/// Bytes of an entry.
const fn entry<A>() -> usize {
    size_of::<A>() + BESIDE_ADDRESS
}

/// `N` bytes from `at` on, which must be there.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

fn encode<A: Address>(indicators: &[Indicator<A>], entries: &mut Vec<u8>, places: &mut Vec<u8>) {
    for it in indicators {
        let [protocol, low, high] = port_bytes(it.port);
        it.address.write_le(entries);
        entries.extend([it.length, protocol, low, high]);
        places.extend(it.line.to_le_bytes());
        places.extend(it.since.to_le_bytes());
    }
}

fn decode<A: Address>(entries: &[u8], places: &[u8]) -> Result<Vec<Indicator<A>>> {
    let entries = entries.chunks_exact(entry::<A>());
    let mut indicators = Vec::with_capacity(entries.len());
    let mut last = None;
    for (entry, place) in entries.zip(places.chunks_exact(PLACE)) {
        let (length, port) = length_and_port(&entry[size_of::<A>()..])?;
        let indicator = Indicator {
            address: A::read_le(entry),
            line: u32::from_le_bytes(array(place, 0)),
            since: u32::from_le_bytes(array(place, 4)),
            length,
            port,
        };
        check(&indicator)?;
        let this = Some(order(&indicator));
        ensure!(last <= this, "the records are not in order");
        last = this;
        indicators.push(indicator);
    }
    Ok(indicators)
}

fn length_and_port(bytes: &[u8]) -> Result<(u8, Option<Port>)> {
    let [length, protocol, low, high] = array(bytes, 0);
    let number = u16::from_le_bytes([low, high]);
    let protocol = match protocol {
        0 => None,
        known => Some(protocol_of(known)?),
    };
    ensure!(
        number != 0 || protocol.is_none(),
        "a record has a protocol and no port"
    );
    let port = Port { number, protocol };
    Ok((length, (number != 0).then_some(port)))
}

fn check<A: Address>(indicator: &Indicator<A>) -> Result<()> {
    let Indicator {
        address,
        length,
        port,
        ..
    } = *indicator;
    ensure!(
        length <= A::BITS && address.first(length) == address,
        "a record is no prefix"
    );
    ensure!(
        port.is_none() || length == A::BITS,
        "a record has the port of more than one address"
    );
    Ok(())
}

fn protocol_of(number: u8) -> Result<Protocol> {
    let found = Protocol::ALL.into_iter().find(|it| *it as u8 == number);
    found.context("a record has a protocol without ports")
}

/// The prefix of each, and since when it is listed, in seconds since 1970. Those of one prefix are beside
/// each other, as they are in records.
pub fn prefixes<'a>(
    v4: &'a [Indicator<u32>],
    v6: &'a [Indicator<u128>],
) -> impl Iterator<Item = (Prefix, u32)> + 'a {
    let v4 = v4.iter();
    let v4 = v4.map(|it| (Prefix::V4(it.address, it.length), it.since));
    v4.chain(
        v6.iter()
            .map(|it| (Prefix::V6(it.address, it.length), it.since)),
    )
}

#[cfg(test)]
mod tests;
