//! Swaps under traffic: two images in turn, each a full install, while packets go to addresses that
//! are in both.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use firewall::{
    config::Config,
    dataplane::{Dataplane, Object},
    filter::Filter,
    image::Image,
    ruleset::{Entry, SourceId, Wish},
    state::State,
};
use tests::{frame::ethernet, lab::Lab, product::Product, tap::Tap};

use crate::{
    account::Account,
    policy::Policy,
    say,
    traffic::{QUIET, Tracker, host, packet},
};

/// Installs.
const SWAPS: u32 = 200;

/// Between two packets of the traffic that goes on meanwhile.
const PACE: Duration = Duration::from_micros(500);

/// Swaps while traffic flows, and notes what got through.
pub fn swap_under_traffic(
    lab: &Lab,
    product: &Product,
    policy: &Policy,
    listed: &[IpAddr],
    ordinary: &[IpAddr],
    account: &mut Account,
) -> Result<()> {
    say(&format!(
        "{SWAPS} swaps of the whole ruleset while traffic flows"
    ));
    let other = other_image(policy)?;
    let done = AtomicBool::new(false);
    let taps = (lab.inside_tap()?, lab.outside_tap()?);
    let (gateway, _) = lab.gateway_macs()?;
    let (tracker, swaps) = std::thread::scope(|scope| {
        let traffic = scope.spawn(|| send_until(&done, &taps, gateway, listed, ordinary));
        let swaps = swap(product, &policy.image, &other);
        done.store(true, Ordering::Relaxed);
        let tracker = traffic
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (tracker, swaps)
    });
    let tracker = tracker?;
    account.swaps = swaps?;
    account.swap_listed = tracker.tally(true);
    account.swap_ordinary = tracker.tally(false);
    Ok(())
}

/// The same ruleset and one entry more, far from everything that is sent to.
fn other_image(policy: &Policy) -> Result<Image> {
    let mut ruleset = policy.ruleset.clone();
    let source = ruleset
        .sources
        .iter()
        .position(|source| source.wish == Wish::Drop)
        .and_then(|index| SourceId::try_from(index).ok())
        .context("no source drops anything")?;
    // 100::/64 is the discard prefix (RFC 6666).
    ruleset.v6.push(Entry {
        address: 0x0100 << 112,
        length: 64,
        source,
    });
    Image::compile(&ruleset)
}

fn swap(product: &Product, image: &Image, other: &Image) -> Result<u32> {
    let filter = Filter {
        config: Config::default(),
        state: State::new(&product.state()),
        dataplane: Dataplane::new(&product.bpffs()),
        object: Object::Shipped,
    };
    for swap in 1..=SWAPS {
        let next = if swap % 2 == 0 { image } else { other };
        filter.install_image(next, "demo")?;
        if swap % 50 == 0 {
            say(&format!("  {swap} swaps"));
        }
    }
    Ok(SWAPS)
}

/// Sends to listed and ordinary addresses in turn until told to stop.
fn send_until(
    done: &AtomicBool,
    (inside, outside): &(Tap, Tap),
    gateway: [u8; 6],
    listed: &[IpAddr],
    ordinary: &[IpAddr],
) -> Result<Tracker> {
    let mut tracker = Tracker::default();
    let mut buffer = [0; 2048];
    for index in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let is_listed = index % 2 == 0;
        let addresses = if is_listed { listed } else { ordinary };
        let address = addresses[index / 2 % addresses.len()];
        let payload = tracker.mark(is_listed);
        let packet = packet(index / 2, host(index / 6, address), address, &payload);
        inside.send(&ethernet(gateway).ip(&packet))?;
        while let Some(length) = outside.receive(&mut buffer)? {
            tracker.note(&buffer[..length]);
        }
        std::thread::sleep(PACE);
    }
    outside.drain(QUIET, |frame| tracker.note(frame))?;
    Ok(tracker)
}
