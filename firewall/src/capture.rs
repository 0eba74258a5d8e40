//! Reads captures: pcap and pcapng, one packet at a time, whatever their size.

use std::{fs::File, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use pcap_parser::{
    Block, Linktype, PcapBlockOwned, PcapError, create_reader,
    traits::{PcapNGPacketBlock, PcapReaderIterator},
};

/// Bytes held at once; no block of a capture may be longer.
const BUFFER: usize = 1 << 20;

/// Calls `each` with the bytes of every packet in the order of the capture; each starts with its
/// Ethernet header.
///
/// # Errors
/// The file cannot be read, is no capture, is cut off, or has packets of another link type; `each`
/// has then been called with the packets before.
pub fn read(path: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = create_reader(BUFFER, file).map_err(|error| no_capture(path, &error))?;
    let mut links = Links::default();
    let mut packets = 0;
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let Some(packet) = links.packet(&block).with_context(|| place(path, packets))? {
                    packets += 1;
                    each(packet)?;
                }
                reader.consume(length);
                continue;
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {}
            Err(error) => bail!("{}", broken(path, packets, &error)),
        }
        if reader.reader_exhausted() {
            bail!(
                "{}",
                broken(path, packets, &PcapError::<&[u8]>::UnexpectedEof)
            );
        }
        refill(reader.as_mut()).with_context(|| place(path, packets))?;
    }
}

fn place(path: &Path, packets: usize) -> String {
    format!("{}, after packet {packets}", path.display())
}

fn no_capture<I>(path: &Path, error: &PcapError<I>) -> anyhow::Error {
    match error {
        PcapError::Eof => anyhow!("{} is empty; it should be a pcap or pcapng", path.display()),
        _ => anyhow!("{} is no pcap or pcapng capture", path.display()),
    }
}

fn broken<I>(path: &Path, packets: usize, error: &PcapError<I>) -> String {
    let what = match error {
        PcapError::UnexpectedEof | PcapError::Incomplete(_) => "the capture is cut off",
        PcapError::ReadError => "the file cannot be read any further",
        _ => "the capture is damaged",
    };
    format!(
        "{what}: {}; what came before was judged",
        place(path, packets)
    )
}

fn refill(reader: &mut dyn PcapReaderIterator) -> Result<()> {
    let before = reader.data().len();
    let read = reader
        .refill()
        .map_err(|_| anyhow!("the file cannot be read any further"));
    read?;
    // A full buffer that holds no whole block is one that no buffer would hold.
    if reader.data().len() == before && before >= BUFFER {
        bail!("a block is longer than {BUFFER} bytes: the capture is damaged");
    }
    Ok(())
}

/// The link types that a capture has announced so far, by interface.
#[derive(Default)]
struct Links(Vec<Linktype>);

impl Links {
    /// The packet in a block, if it has one; notes what other blocks announce.
    fn packet<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Result<Option<&'a [u8]>> {
        let (interface, data) = match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.0 = vec![header.network];
                return Ok(None);
            }
            PcapBlockOwned::Legacy(packet) => (0, packet.data),
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.0.clear();
                return Ok(None);
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.0.push(interface.linktype);
                return Ok(None);
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                (packet.if_id as usize, packet.packet_data())
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => (0, packet.packet_data()),
            PcapBlockOwned::NG(_) => return Ok(None),
        };
        match self.0.get(interface) {
            Some(&Linktype::ETHERNET) => Ok(Some(data)),
            Some(other) => bail!(
                "link type {} is not Ethernet; capture on the device that the filter runs on, or \
                 convert it (editcap, tcprewrite)",
                other.0
            ),
            None => bail!("a packet of an interface that the capture does not describe"),
        }
    }
}
