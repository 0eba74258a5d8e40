//! A million mutated frames, for `cargo xtask test --long`: kernel, host, an independent parser and a
//! verdict found by looking at every rule agree.

use std::{net::IpAddr, net::SocketAddr, time::Instant};

use firewall::ruleset::Wish;
use firewall_common::{ledger::Role, reason::Reason};
use firewall_ebpf::transport::{Stage, Transport};
use ipnet::IpNet;
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use tests::{kernel::Kernel, skip_unless};

use super::{
    RULES,
    mutated::{compare_kernel, compare_parsers, frame, independent, independent_transport},
    rules,
};

const FRAMES: u32 = 1_000_000;

/// Repeats a run: the number that it printed.
const SEED: &str = "FIREWALL_FRAME_SEED";

/// From the weakest; the strongest of all that is said about a packet decides.
const BY_STRENGTH: [Reason; 5] = [
    Reason::NoMatch,
    Reason::FragmentUnjudged,
    Reason::Monitored,
    Reason::Blocked,
    Reason::Allowed,
];

fn strength(reason: &Reason) -> Option<usize> {
    BY_STRENGTH.iter().position(|other| other == reason)
}

/// One end of a packet: its address, what the packet shows of it, whether it sends.
struct End {
    address: IpAddr,
    transport: Option<Transport>,
    sends: bool,
}

impl End {
    fn port(&self) -> Option<u16> {
        let port = |shown: Transport| match self.sends {
            true => shown.source,
            false => shown.destination,
        };
        self.transport.map(port)
    }

    /// What one rule makes of it. `None` where that takes a header that nobody read for us.
    fn under(&self, wish: Wish, subject: &str) -> Option<Reason> {
        if let Ok(listed) = subject.parse::<SocketAddr>() {
            return match listed.ip() == self.address {
                true if self.port()? == listed.port() => Some(Reason::Blocked),
                _ => Some(Reason::NoMatch),
            };
        }
        if !subject.parse::<IpNet>().unwrap().contains(&self.address) {
            return Some(Reason::NoMatch);
        }
        match wish {
            Wish::Drop => Some(Reason::Blocked),
            Wish::Monitor => Some(Reason::Monitored),
            Wish::Exempt => Some(Reason::Allowed),
            Wish::Inbound { .. } if self.sends => Some(match self.transport?.stage {
                Stage::Opening => Reason::Blocked,
                Stage::Connectionless => Reason::Monitored,
                _ => Reason::NoMatch,
            }),
            _ => Some(Reason::NoMatch),
        }
    }

    fn is_allowed(&self) -> bool {
        RULES.iter().any(|(_, wish, subject)| {
            *wish == Wish::Allow && subject.parse::<IpNet>().unwrap().contains(&self.address)
        })
    }

    fn under_all(&self) -> Vec<Option<Reason>> {
        match self.is_allowed() {
            true => Vec::new(),
            false => RULES
                .iter()
                .map(|(_, wish, subject)| self.under(*wish, subject))
                .collect(),
        }
    }
}

/// The reason for what becomes of a frame with IP in it. `None` where the independent parser does not
/// read what decides.
fn oracle(frame: &[u8]) -> Option<Reason> {
    let (source, destination) = independent(frame).ok()??;
    let transport = independent_transport(frame);
    let end = |address, sends| End {
        address,
        transport,
        sends,
    };
    let said = [end(source, true), end(destination, false)].map(|end| end.under_all());
    let said = said.concat();
    let strongest = said.iter().flatten().copied().max_by_key(strength);
    match strongest.unwrap_or(Reason::NoMatch) {
        // What is not known could not be stronger.
        reason @ (Reason::Blocked | Reason::Allowed) => Some(reason),
        reason => (!said.contains(&None)).then_some(reason),
    }
}

fn seed() -> u64 {
    let typed = std::env::var(SEED).ok();
    typed.map_or_else(
        || {
            std::time::SystemTime::UNIX_EPOCH
                .elapsed()
                .unwrap()
                .as_secs()
        },
        |typed| typed.parse().unwrap(),
    )
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), random)
}

fn agreed<T>(result: Result<T, TestCaseError>, frame: &[u8]) -> T {
    result.unwrap_or_else(|error| panic!("{frame:02x?}: {error}"))
}

#[test]
#[ignore = "takes minutes"]
fn a_million_mutated_frames_are_judged_alike_by_all_and_abort_nothing() {
    skip_unless!(
        "a_million_mutated_frames_are_judged_alike_by_all_and_abort_nothing",
        Bpf
    );
    let (seed, begin) = (seed(), Instant::now());
    println!("{SEED}={seed}");
    let (mut runner, frames) = (runner(seed), frame());
    let kernel = Kernel::new(&rules(), Role::Unknown).unwrap();
    let (mut reasons, mut parsed, mut foretold) = ([0_u32; Reason::ALL.len()], 0, 0);
    for _ in 0..FRAMES {
        let frame = frames.new_tree(&mut runner).unwrap().current();
        let reason = agreed(compare_kernel(&kernel, &frame), &frame);
        parsed += u32::from(agreed(compare_parsers(&frame), &frame));
        if let Some(expected) = oracle(&frame) {
            assert_eq!(reason, expected, "{frame:02x?}");
            foretold += 1;
        }
        reasons[reason as usize] += 1;
    }
    let by_reason = Reason::ALL.map(|reason| (reason.as_str(), reasons[reason as usize]));
    println!(
        "{FRAMES} frames in {:.0} s: {by_reason:?}",
        begin.elapsed().as_secs_f32()
    );
    println!("{parsed} read by the independent parser, {foretold} foretold rule by rule");
    assert!(
        reasons.iter().all(|&count| count > FRAMES / 200),
        "{by_reason:?}"
    );
    assert!(foretold > FRAMES / 10, "{foretold} foretold only");
}
