//! (c) From a text file to force, one more entry, a swap; and what kernel and process hold for it.

use std::{net::Ipv4Addr, time::Duration, time::Instant};

use anyhow::{Context, Result};
use firewall::{
    dataplane::{Attach, Dataplane, Hook, Interface},
    image::Image,
    ruleset::Ruleset,
};
use firewall_common::ledger::Role;
use serde_json::json;
use tests::kernel::{Bpffs, Kernel};

use crate::{
    Plan,
    family::Family,
    lists::{Clustered, List, Uniform, length4},
    object::Object,
    peer::{Peer, is_there},
    report::{Report, rounded, spread},
    scene::{FILTERED, Scene},
    watch::settled_kernel_bytes,
};

/// The peers and what they need of the machine.
const PEERS: [(Peer, &[&str]); 4] = [
    (Peer::Firewall, &[]),
    (Peer::NftIngress, &["nft", "ethtool"]),
    (Peer::NftExactIngress, &["nft", "ethtool"]),
    (Peer::Ipset, &["ipset", "iptables-legacy", "ethtool"]),
];

/// Above this only the product is loaded: the others take minutes, and nft gigabytes.
const LARGEST_FOR_PEERS: usize = 1_000_000;

/// An address that no list has (TEST-NET-2, RFC 5737).
const ONE_MORE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);

/// Which findings are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What it takes.
    pub load: bool,
    /// What it holds.
    pub memory: bool,
}

/// All of it, for all sizes of the plan.
pub fn measure(plan: &Plan, report: &mut Report, wanted: Wanted) -> Result<()> {
    for &size in &plan.load_sizes {
        for (peer, tools) in PEERS {
            let name = format!("load: {}, {size} entries", peer.as_str());
            report.phase(&name, |report| one(plan, report, wanted, size, peer, tools))?;
        }
    }
    if wanted.load {
        report.phase("load: swap", |report| swap(plan, report))?;
        report.phase("load: program", |report| program(plan, report))?;
    }
    Ok(())
}

fn one(
    plan: &Plan,
    report: &mut Report,
    wanted: Wanted,
    size: usize,
    peer: Peer,
    tools: &[&str],
) -> Result<()> {
    if let Some(tool) = tools.iter().find(|tool| !is_there(tool)) {
        return report.left_out("load", peer.as_str(), &format!("there is no '{tool}'"));
    }
    if peer != Peer::Firewall && size > LARGEST_FOR_PEERS {
        return report.left_out("load", peer.as_str(), "takes minutes at this size");
    }
    let list = match peer {
        Peer::NftExactIngress => List::generate(size, Uniform, |_| 32),
        _ => List::generate(size, Clustered::new(), length4),
    };
    match take(plan, wanted, peer, &list) {
        Ok(taken) => taken.report(report, wanted, peer, &list),
        // The others are their authors' business; this one is ours.
        Err(error) if peer == Peer::Firewall => Err(error),
        Err(error) => report.left_out("load", peer.as_str(), &format!("{error:#}")),
    }
}

/// What several loads of one peer came to.
#[derive(Default)]
struct Taken {
    walls: Vec<f64>,
    adds: Vec<f64>,
    kernel: Vec<f64>,
    peak: u64,
}

fn take(plan: &Plan, wanted: Wanted, peer: Peer, list: &List<u32>) -> Result<Taken> {
    let mut taken = Taken::default();
    for _ in 0..rounds(plan, peer, list.entries.len()) {
        let before = settled_kernel_bytes()?;
        let loaded = peer.load(list)?;
        let took = loaded.took.context("a peer without a file")?;
        let holds = settled_kernel_bytes()?.saturating_sub(before);
        taken.kernel.push(holds as f64);
        taken.walls.push(took.wall.as_secs_f64());
        taken.peak = taken.peak.max(took.peak_bytes);
        if wanted.load {
            let added = peer.add(&loaded, ONE_MORE)?;
            taken.adds.push(added.wall.as_secs_f64());
        }
    }
    Ok(taken)
}

impl Taken {
    fn report(
        &self,
        report: &mut Report,
        wanted: Wanted,
        peer: Peer,
        list: &List<u32>,
    ) -> Result<()> {
        let (size, set) = (list.entries.len(), list.spread.name());
        if wanted.load {
            let parts = [
                ("text file to enforced", &self.walls),
                ("one more entry", &self.adds),
            ];
            for (what, seconds) in parts {
                let (median, lowest, highest) = spread(seconds);
                report.add(json!({
                    "bench": "load",
                    "what": what,
                    "variant": peer.as_str(),
                    "size": size,
                    "set": set,
                    "seconds": median,
                    "min": lowest,
                    "max": highest,
                    "rounds": seconds.len(),
                }))?;
            }
        }
        if wanted.memory {
            let (median, ..) = spread(&self.kernel);
            report.add(json!({
                "bench": "memory",
                "what": "loaded",
                "variant": peer.as_str(),
                "size": size,
                "set": set,
                "kernel_bytes": median,
                "bytes_per_entry": rounded(median / size as f64),
                "peak_rss_bytes": self.peak,
            }))?;
        }
        Ok(())
    }
}

/// What takes long is seen well enough once.
fn rounds(plan: &Plan, peer: Peer, size: usize) -> usize {
    match peer {
        Peer::Firewall | Peer::Ipset if size <= LARGEST_FOR_PEERS => plan.rounds.min(3),
        _ => 1,
    }
}

/// How long it takes to move an attachment to another generation that is ready.
fn swap(plan: &Plan, report: &mut Report) -> Result<()> {
    let scene = Scene::new("swap")?;
    let bpffs = Bpffs::new()?;
    let interfaces = [Interface {
        name: FILTERED.to_owned(),
        role: Role::Outside,
        hook: Hook::Xdp,
        mode: firewall::config::AttachMode::Native,
        attach: Some(Attach {
            index: scene.filtered()?,
            renew: false,
        }),
    }];
    let image = Image::compile(&Ruleset::default())?;
    let times = scene.namespace.enter(|| -> Result<Vec<f64>> {
        let dataplane = Dataplane::new(bpffs.path());
        dataplane.prepare()?;
        for generation in [1, 2] {
            dataplane.install(Default::default(), generation, &image, &interfaces)?;
        }
        let links = dataplane.links()?;
        let link = links.first().context("nothing is attached")?;
        let mut times = Vec::new();
        for turn in 0..10 * plan.rounds {
            let begin = Instant::now();
            dataplane.move_to(link, 1 + turn as u32 % 2)?;
            times.push(milliseconds(begin.elapsed()));
        }
        dataplane.unload()?;
        Ok(times)
    })??;
    let (median, lowest, highest) = spread(&times);
    report.add(json!({
        "bench": "load",
        "what": "swap",
        "variant": "firewall",
        "milliseconds": rounded(median),
        "min": rounded(lowest),
        "max": rounded(highest),
        "rounds": times.len(),
    }))
}

/// How long the kernel takes to accept the program, and how much of it it looks at.
fn program(plan: &Plan, report: &mut Report) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..plan.rounds {
        let image = Image::compile(&Ruleset::default())?;
        let mut object = Object::new::<u32>(&image, &[], 1)?;
        let begin = Instant::now();
        object.load(&format!("ledger_{}", u32::NUMBER))?;
        times.push(milliseconds(begin.elapsed()));
    }
    let (median, lowest, highest) = spread(&times);
    let instructions = Kernel::new(&Ruleset::default(), Role::Inside)?.verified_instructions()?;
    report.add(json!({
        "bench": "load",
        "what": "program",
        "variant": "firewall",
        "milliseconds": rounded(median),
        "min": rounded(lowest),
        "max": rounded(highest),
        "rounds": times.len(),
        "verified_instructions": instructions,
    }))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
