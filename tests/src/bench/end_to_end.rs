//! (b) Packets through a pair of devices. The kernel sends frames of a test run (live frames) from
//! one device; the other receives them on the same CPU, and a filter is on it. What counts is the
//! CPU time of sender and receiver together: of this thread, in which soft interrupts run as it
//! leaves a batch, and of the CPU's `ksoftirqd`. Wall-clock time would be that of other tenants too.

use std::fs;

use anyhow::{Context, Result, bail};
use firewall::{image::Image, ruleset::Ruleset};
use serde_json::json;

use crate::{
    Plan, cpu,
    lists::{Clustered, List, length4},
    object::{GENERATOR, Object, Walk},
    peer::{Loaded, Peer},
    random::Random,
    report::{Report, rounded, spread},
    traffic::{Case, Pair, pairs},
};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// Listed sources only.
    HitFlood,
    /// Nothing listed, from anywhere to anywhere.
    Clean,
    /// 95 of 100 from anywhere, 4 neighbours of listed addresses, 1 listed, half of these as source.
    Mix,
}

impl Traffic {
    const ALL: [Self; 3] = [Self::HitFlood, Self::Clean, Self::Mix];

    const fn as_str(self) -> &'static str {
        match self {
            Self::HitFlood => "hit-flood",
            Self::Clean => "clean",
            Self::Mix => "mix",
        }
    }

    fn packets(self, list: &List<u32>, count: usize) -> Vec<Pair<u32>> {
        let model = list.model();
        let of = |case| pairs(case, list, &model, count);
        match self {
            Self::HitFlood => of(Case::HitSource),
            Self::Clean => of(Case::FarMiss),
            Self::Mix => {
                let mut random = Random::new(95);
                let (far, near) = (of(Case::FarMiss), of(Case::NearMiss));
                let (source, destination) = (of(Case::HitSource), of(Case::HitDestination));
                let one = |index: usize| match random.below(200) {
                    0 => source[index],
                    1 => destination[index],
                    2..10 => near[index],
                    _ => far[index],
                };
                (0..count).map(one).collect()
            }
        }
    }
}

/// What is compared with what, each with the floors of the same run.
const GROUPS: [(&str, &[Peer]); 3] = [
    (
        "clustered",
        &[
            Peer::DropAll,
            Peer::Nothing,
            Peer::Firewall,
            Peer::Lpm,
            Peer::NftIngress,
            Peer::NftPrerouting,
            Peer::Ipset,
        ],
    ),
    (
        "hosts",
        &[
            Peer::DropAll,
            Peer::Nothing,
            Peer::Firewall,
            Peer::NftExactIngress,
            Peer::NftExactPrerouting,
        ],
    ),
    // As many as xdp-filter can hold (`FILTER_IPV4` in xdp-filter.h: 10,000), its sample included.
    (
        "few-hosts",
        &[
            Peer::DropAll,
            Peer::Nothing,
            Peer::Firewall,
            Peer::Lpm,
            Peer::XdpFilter,
        ],
    ),
];

/// Addresses of the last group at most.
const FEW: usize = 9_900;

/// Compares all groups.
pub fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let size = plan.end_to_end_size;
    for (set, peers) in GROUPS {
        let list = match set {
            "clustered" => List::generate(size, Clustered::new(), length4),
            "hosts" => List::generate(size, Clustered::new(), |_| 32),
            _ => List::generate(size.min(FEW), Clustered::new(), |_| 32),
        };
        let name = format!("end to end: {} entries, {set}", list.entries.len());
        report.phase(&name, |report| group(plan, report, set, &list, peers))?;
    }
    Ok(())
}

fn group(
    plan: &Plan,
    report: &mut Report,
    set: &str,
    list: &List<u32>,
    peers: &[Peer],
) -> Result<()> {
    let mut contenders = Vec::new();
    for &peer in peers {
        report.say(&format!("  putting up {}", peer.as_str()));
        match peer.load(list) {
            Ok(loaded) => contenders.push(Contender::new(peer, loaded)?),
            Err(error) => report.left_out("end-to-end", peer.as_str(), &format!("{error:#}"))?,
        }
    }
    let image = Image::compile(&Ruleset::default())?;
    let mut generator = Object::new::<u32>(&image, &[], plan.pairs)?;
    generator.load(GENERATOR)?;
    for traffic in Traffic::ALL {
        let packets = traffic.packets(list, plan.pairs as usize);
        generator.put(&packets)?;
        check(&mut generator, &contenders, list, &packets)?;
        let rounds = cpu::on_one(|| time(plan, &mut generator, &mut contenders))?;
        rows(
            report,
            (set, list.entries.len()),
            traffic,
            &contenders,
            &rounds,
        )?;
    }
    Ok(())
}

/// A peer that is up, and how far its traffic is.
struct Contender {
    peer: Peer,
    loaded: Loaded,
    sender: u32,
    next: u32,
}

impl Contender {
    fn new(peer: Peer, loaded: Loaded) -> Result<Self> {
        Ok(Self {
            peer,
            sender: loaded.scene.sender()?,
            loaded,
            next: 0,
        })
    }

    /// Sends `count` packets; nanoseconds of CPU time each.
    fn send(
        &mut self,
        generator: &mut Object,
        pairs: u32,
        softirq: &Softirq,
        count: u32,
    ) -> Result<f64> {
        generator.walk_from(Walk {
            next: self.next,
            pairs,
            interface: self.sender,
        })?;
        self.next = self.next.wrapping_add(count);
        let before = softirq.nanoseconds()?;
        let namespace = &self.loaded.scene.namespace;
        let run = namespace.enter(|| generator.send(count))??;
        let softirq = softirq.nanoseconds()?.saturating_sub(before);
        Ok((run.cpu.as_nanos() as f64 + softirq as f64) / f64::from(count))
    }
}

/// `ksoftirqd` of a CPU: what its soft interrupts cost beyond what fits into other threads.
struct Softirq(String);

impl Softirq {
    fn of_this_cpu() -> Result<Self> {
        let name = format!("ksoftirqd/{}", rustix::thread::sched_getcpu());
        for entry in fs::read_dir("/proc")?.flatten() {
            let found = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if found.trim() == name {
                let path = entry.path().join("schedstat");
                return Ok(Self(path.display().to_string()));
            }
        }
        bail!("there is no {name}")
    }

    /// The first number of `schedstat` (proc_pid_schedstat in Documentation/scheduler).
    fn nanoseconds(&self) -> Result<u64> {
        let text = fs::read_to_string(&self.0)?;
        let first = text.split(' ').next().and_then(|it| it.parse().ok());
        first.with_context(|| format!("{} has no number", self.0))
    }
}

/// Sends the first packets to each filter and counts what arrives.
fn check(
    generator: &mut Object,
    contenders: &[Contender],
    list: &List<u32>,
    packets: &[Pair<u32>],
) -> Result<()> {
    const SAMPLE: usize = 1024;
    let model = list.model();
    let passes = |pair: &&Pair<u32>| !model.lists(pair.0) && !model.lists(pair.1);
    let sample = &packets[..SAMPLE.min(packets.len())];
    let expected = sample.iter().filter(passes).count() as u64;
    for contender in contenders.iter().filter(|it| it.peer.judges()) {
        let scene = &contender.loaded.scene;
        let before = scene.arrived()?;
        generator.walk_from(Walk {
            next: 0,
            pairs: packets.len() as u32,
            interface: contender.sender,
        })?;
        scene
            .namespace
            .enter(|| generator.send(sample.len() as u32))??;
        let arrived = scene.arrived()? - before;
        if arrived != expected {
            bail!(
                "WRONG VERDICT: {} let {arrived} of {} packets pass, and {expected} is right",
                contender.peer.as_str(),
                sample.len()
            );
        }
    }
    Ok(())
}

/// Nanoseconds a packet: by round, then by contender.
fn time(
    plan: &Plan,
    generator: &mut Object,
    contenders: &mut [Contender],
) -> Result<Vec<Vec<f64>>> {
    const FIRST: u32 = 8192;
    let softirq = &Softirq::of_this_cpu()?;
    let mut counts = Vec::new();
    for contender in &mut *contenders {
        let nanoseconds = contender.send(generator, plan.pairs, softirq, FIRST)?;
        // Twice a sample of test runs: devices make more noise.
        let packets = 2.0 * plan.sample_time.as_nanos() as f64 / nanoseconds.max(1.0);
        counts.push(packets.max(f64::from(FIRST)) as u32);
    }
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        let mut times = vec![0.0; contenders.len()];
        for place in 0..contenders.len() {
            let index = (place + round) % contenders.len();
            times[index] = contenders[index].send(generator, plan.pairs, softirq, counts[index])?;
        }
        rounds.push(times);
    }
    Ok(rounds)
}

/// A row for each contender: its rate, what it adds to the floor of its round, and how many times
/// as many packets the product handles in the same time.
fn rows(
    report: &mut Report,
    (set, size): (&str, usize),
    traffic: Traffic,
    contenders: &[Contender],
    rounds: &[Vec<f64>],
) -> Result<()> {
    let place = |peer| contenders.iter().position(|it| it.peer == peer);
    let floor = match traffic {
        Traffic::HitFlood => place(Peer::DropAll),
        Traffic::Clean | Traffic::Mix => place(Peer::Nothing).or(place(Peer::DropAll)),
    };
    let floor = floor.context("nothing to compare with is up")?;
    let own = place(Peer::Firewall).context("the product is not up")?;
    for (index, contender) in contenders.iter().enumerate() {
        let column = |figure: &dyn Fn(&Vec<f64>) -> f64| {
            let numbers: Vec<f64> = rounds.iter().map(figure).collect();
            spread(&numbers)
        };
        let (rate, lowest, highest) = column(&|times| 1e3 / times[index]);
        let (added, ..) = column(&|times| times[index] - times[floor]);
        let (slower, ..) = column(&|times| times[index] / times[own]);
        report.add(json!({
            "bench": "end-to-end",
            "variant": contender.peer.as_str(),
            "size": size,
            "set": set,
            "case": traffic.as_str(),
            "baseline": contenders[floor].peer.as_str(),
            "mpps": rounded(rate),
            "min": rounded(lowest),
            "max": rounded(highest),
            "added_ns": rounded(added),
            "firewall_ratio": rounded(slower),
            "rounds": rounds.len(),
        }))?;
    }
    Ok(())
}
