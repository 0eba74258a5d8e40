//! Lists of addresses, made up or real.
//!
//! *Clustered* is what reputation feeds look like: 20,000 /16s, the one of rank r named in
//! proportion to 1/√r, half of its entries in up to 128 hot /24s. *Uniform* is spread over all of
//! the unicast space, the worst that can come. 80 % of the entries are single addresses.

use anyhow::{Context, Result};
use firewall::{
    address::Address,
    feed::{
        decompress::decompress,
        format::{How, detect_and_parse},
    },
};

use crate::{
    family::{Family, Prefix},
    model::Model,
    random::Random,
};

/// How a list is spread, and with it what its neighbours are.
pub trait Spread<A> {
    /// Name in figures.
    fn name(&self) -> &str;

    /// An address as the list would name it.
    fn draw(&self, random: &mut Random) -> A;
}

/// A list and its [`Spread`].
pub struct List<A> {
    /// Distinct prefixes, ascending, host bits clear.
    pub entries: Vec<Prefix<A>>,
    /// How they are spread.
    pub spread: Box<dyn Spread<A>>,
}

/// The clustered spread.
pub struct Clustered {
    /// Upper 16 bits, most frequent first.
    networks: Vec<u32>,
}

/// The uniform spread of IPv4.
pub struct Uniform;

/// IPv6: clustered in 5,000 /32s of the same weight.
pub struct Clustered6 {
    networks: Vec<u32>,
}

/// The uniform spread of IPv6.
pub struct Uniform6;

impl Clustered {
    /// Always the same 20,000 /16s.
    pub fn new() -> Self {
        let mut random = Random::new(16);
        let network = |_| <u32 as Family>::unicast(&mut random) >> 16;
        Self {
            networks: (0..20_000).map(network).collect(),
        }
    }
}

impl Spread<u32> for Clustered {
    fn name(&self) -> &str {
        "clustered"
    }

    fn draw(&self, random: &mut Random) -> u32 {
        // The sum of 1/√r up to r grows like √r, so a square inverts it.
        let rank = random.fraction().powi(2) * self.networks.len() as f64;
        let network = self.networks[rank as usize];
        let third = match random.once_in(2) {
            // An odd factor, so that the 128 differ.
            true => (network + random.below(128) as u32 * 77) & 0xff,
            false => random.below(256) as u32,
        };
        network << 16 | third << 8 | random.below(256) as u32
    }
}

impl Spread<u32> for Uniform {
    fn name(&self) -> &str {
        "uniform"
    }

    fn draw(&self, random: &mut Random) -> u32 {
        Family::unicast(random)
    }
}

impl Clustered6 {
    /// Always the same 5,000 /32s.
    pub fn new() -> Self {
        let mut random = Random::new(32);
        let network = |_| 0x2000_0000 | (random.bits() >> 35) as u32;
        Self {
            networks: (0..5_000).map(network).collect(),
        }
    }
}

impl Spread<u128> for Clustered6 {
    fn name(&self) -> &str {
        "clustered"
    }

    fn draw(&self, random: &mut Random) -> u128 {
        u128::from(*random.one_of(&self.networks)) << 96 | random.wide() >> 32
    }
}

impl Spread<u128> for Uniform6 {
    fn name(&self) -> &str {
        "uniform"
    }

    fn draw(&self, random: &mut Random) -> u128 {
        Family::unicast(random)
    }
}

/// The neighbours of a real list: what shares all but the last octet with one of its entries, for
/// IPv6 the /32.
struct Neighbours<A> {
    name: String,
    places: Vec<A>,
}

impl Spread<u32> for Neighbours<u32> {
    fn name(&self) -> &str {
        &self.name
    }

    fn draw(&self, random: &mut Random) -> u32 {
        random.one_of(&self.places) & !0xff | random.below(256) as u32
    }
}

impl Spread<u128> for Neighbours<u128> {
    fn name(&self) -> &str {
        &self.name
    }

    fn draw(&self, random: &mut Random) -> u128 {
        random.one_of(&self.places) >> 96 << 96 | random.wide() >> 32
    }
}

/// Length of an entry of IPv4.
pub fn length4(random: &mut Random) -> u8 {
    match random.below(1000) {
        0..800 => 32,
        800..920 => 24,
        920..952 => 22 + random.below(2) as u8,
        952..964 => 20 + random.below(2) as u8,
        964 => 16 + random.below(4) as u8,
        _ => 25 + random.below(7) as u8,
    }
}

/// Length of an entry of IPv6. Those of a /32 and wider are few, or they would cover all others.
pub fn length6(random: &mut Random) -> u8 {
    match random.below(100_000) {
        0..51_000 => 128,
        51_000..77_000 => 64,
        77_000..94_000 => 48,
        94_000..96_990 => 56,
        96_990..97_990 => 44,
        97_990..98_990 => 40,
        98_990..99_990 => 36,
        99_990..99_995 => 32,
        _ => 29,
    }
}

impl<A: Address> List<A> {
    /// `size` distinct prefixes of `spread`, with lengths from `length`.
    pub fn generate(
        size: usize,
        spread: impl Spread<A> + 'static,
        length: fn(&mut Random) -> u8,
    ) -> Self {
        let mut random = Random::new(size as u64);
        let mut entries: Vec<Prefix<A>> = Vec::with_capacity(size);
        while entries.len() < size {
            let missing = size - entries.len();
            entries.extend((0..missing).map(|_| {
                let length = length(&mut random);
                (spread.draw(&mut random).first(length), length)
            }));
            // Stable: what is sorted already is found to be, and merged.
            entries.sort();
            entries.dedup();
        }
        Self {
            entries,
            spread: Box::new(spread),
        }
    }

    /// Without the entries that lie within others: some of the peers refuse those.
    pub fn outermost(&self) -> Vec<Prefix<A>> {
        let mut reached = None;
        let is_outside = |&&(address, length): &&Prefix<A>| {
            let outside = reached.is_none_or(|last| address > last);
            if outside {
                reached = Some(address.last(length));
            }
            outside
        };
        self.entries.iter().filter(is_outside).copied().collect()
    }

    /// An independent reading of it.
    pub fn model(&self) -> Model<A> {
        Model::new(&self.entries)
    }
}

/// The real list in `file` of the folder of real feeds; `None` if it is not there.
pub fn real(file: &str) -> Result<Option<(List<u32>, List<u128>)>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/feeds");
    let folder = std::env::var("FIREWALL_FEED_DATA").unwrap_or_else(|_| folder.to_owned());
    let path = std::path::Path::new(&folder).join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        return Ok(None);
    };
    let unreadable = || format!("cannot read {} as a feed", path.display());
    let content = decompress(&bytes, 1 << 30)
        .map_err(anyhow::Error::from)
        .with_context(unreadable)?;
    let (_, parsed) = detect_and_parse(&How::default(), &content)
        .map_err(anyhow::Error::from)
        .with_context(unreadable)?;
    let name = file.split('.').next().unwrap_or(file).to_owned();
    let v4 = parsed.v4.iter().map(|it| (it.address, it.length)).collect();
    let v6 = parsed.v6.iter().map(|it| (it.address, it.length)).collect();
    Ok(Some((neighbourly(&name, v4), neighbourly(&name, v6))))
}

fn neighbourly<A: Address>(name: &str, mut entries: Vec<Prefix<A>>) -> List<A>
where
    Neighbours<A>: Spread<A>,
{
    entries.sort_unstable();
    entries.dedup();
    let spread = Box::new(Neighbours {
        name: name.to_owned(),
        places: entries.iter().map(|entry| entry.0).collect(),
    });
    List { entries, spread }
}
