//! The stages of the demo, in the order in which they are shown.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{
    frame::ethernet,
    lab::Lab,
    product::{Daemon, Product},
    tap::Tap,
};

use crate::{
    account::{Account, FeedAccount, HostAccount},
    feeds::FeedFile,
    policy::Policy,
    say,
    swaps::swap_under_traffic,
    traffic::{Tally, Tracker, exchange, host, packet},
};

/// Packets of each step of the manual block.
const MANUAL_PACKETS: usize = 50;

/// A lab, the product in it, and the machines' addresses.
pub struct Stages<'a> {
    lab: &'a Lab,
    product: &'a Product,
}

impl<'a> Stages<'a> {
    /// The stages of `product` in `lab`.
    pub fn new(lab: &'a Lab, product: &'a Product) -> Self {
        Self { lab, product }
    }

    /// All stages, one after the other.
    pub fn run(&self, feeds: &[FeedFile]) -> Result<Account> {
        let mut account = Account::default();
        let daemon = self.load(feeds)?;
        let policy = Policy::read(self.product)?;
        account.entries = policy.image.entries;
        let (listed, ordinary) = policy.samples();
        ensure!(
            !listed.is_empty() && !ordinary.is_empty(),
            "the feeds list nothing to send to"
        );
        self.send(&listed, &ordinary, &mut account)?;
        self.send_raw(&listed, &ordinary, &mut account)?;
        self.block_by_hand(&ordinary, &mut account)?;
        say("stopping 'firewall run': the filter stays in force");
        ensure!(daemon.stop()? == 0, "'firewall run' did not end well");
        swap_under_traffic(
            self.lab,
            self.product,
            &policy,
            &listed,
            &ordinary,
            &mut account,
        )?;
        drop(policy);
        self.product.done(&self.lab.gateway, &["reload"])?;
        self.ask(&mut account)?;
        Ok(account)
    }

    /// Fetches the feeds and attaches.
    fn load(&self, feeds: &[FeedFile]) -> Result<Daemon> {
        say(&format!(
            "firewall feeds update: reading {} feeds",
            feeds.len()
        ));
        let said = self
            .product
            .run(&self.lab.gateway, &["feeds", "update", "--json"])?;
        for line in said.stdout.lines() {
            let row: Value = serde_json::from_str(line)?;
            if row["result"] == "failed" {
                say(&format!("  {} is refused: {}", row["feed"], row["reason"]));
            }
        }
        self.lab.check_isolated()?;
        say("firewall run: attaching to eth0 and eth1 of the gateway");
        self.product
            .start(&self.lab.gateway)
            .context("cannot start 'firewall run'")
    }

    /// From every inside host to listed and ordinary addresses, and from them inwards.
    fn send(&self, listed: &[IpAddr], ordinary: &[IpAddr], account: &mut Account) -> Result<()> {
        say(&format!(
            "sending UDP, TCP and fragments, IPv4 and IPv6, to and from {} listed and {} ordinary \
             addresses",
            listed.len(),
            ordinary.len()
        ));
        let (inside, outside) = (self.lab.inside_tap()?, self.lab.outside_tap()?);
        let (towards_inside, towards_outside) = self.lab.gateway_macs()?;
        let mut tracker = Tracker::default();
        let out = frames(&mut tracker, listed, ordinary, |kind, address, payload| {
            let packet = packet(kind, host(kind / 3, address), address, payload);
            ethernet(towards_inside).ip(&packet)
        });
        exchange(&mut tracker, &out, &inside, &outside)?;
        let inwards = frames(&mut tracker, listed, ordinary, |kind, address, payload| {
            let packet = packet(kind, address, host(kind / 3, address), payload);
            ethernet(towards_outside).ip(&packet)
        });
        exchange(&mut tracker, &inwards, &outside, &inside)?;
        account.listed = tracker.tally(true);
        account.ordinary = tracker.tally(false);
        Ok(())
    }

    /// Tagged and PPPoE frames, seen behind XDP by a packet socket: this kernel has no devices to
    /// forward them.
    fn send_raw(
        &self,
        listed: &[IpAddr],
        ordinary: &[IpAddr],
        account: &mut Account,
    ) -> Result<()> {
        say("sending VLAN, QinQ and PPPoE frames");
        let inside = self.lab.inside_tap()?;
        let behind = Tap::open(&self.lab.gateway, "eth1")?;
        let (gateway, _) = self.lab.gateway_macs()?;
        let mut tracker = Tracker::default();
        let raw = frames(&mut tracker, listed, ordinary, |kind, address, payload| {
            let packet = packet(kind, host(kind, address), address, payload);
            match kind % 4 {
                0 => ethernet(gateway).tag(0x8100, 10).ip(&packet),
                1 => ethernet(gateway)
                    .tag(0x88a8, 20)
                    .tag(0x8100, 10)
                    .ip(&packet),
                2 => ethernet(gateway).pppoe(&packet),
                _ => ethernet(gateway).tag(0x8100, 10).pppoe(&packet),
            }
        });
        exchange(&mut tracker, &raw, &inside, &behind)?;
        account.raw_listed = tracker.tally(true);
        account.raw_ordinary = tracker.tally(false);
        Ok(())
    }

    /// An ordinary address, blocked by hand and unblocked again.
    fn block_by_hand(&self, ordinary: &[IpAddr], account: &mut Account) -> Result<()> {
        let victim = ordinary[ordinary.len() / 2];
        let text = victim.to_string();
        say(&format!("firewall block {text}, and unblock"));
        let before = self.send_to(victim)?;
        self.product
            .done(&self.lab.gateway, &["block", &text, "--reason", "the demo"])?;
        let blocked = self.send_to(victim)?;
        self.product.done(&self.lab.gateway, &["unblock", &text])?;
        let after = self.send_to(victim)?;
        account.manual = [before, blocked, after];
        Ok(())
    }

    fn send_to(&self, address: IpAddr) -> Result<Tally> {
        let (inside, outside) = (self.lab.inside_tap()?, self.lab.outside_tap()?);
        let (gateway, _) = self.lab.gateway_macs()?;
        let mut tracker = Tracker::default();
        let frames: Vec<Vec<u8>> = (0..MANUAL_PACKETS)
            .map(|kind| {
                let payload = tracker.mark(false);
                ethernet(gateway).ip(&packet(kind, host(kind, address), address, &payload))
            })
            .collect();
        exchange(&mut tracker, &frames, &inside, &outside)?;
        Ok(tracker.tally(false))
    }

    /// What the product itself says about all this.
    fn ask(&self, account: &mut Account) -> Result<()> {
        let json = |arguments: &[&str]| -> Result<Vec<Value>> {
            let text = self.product.done(&self.lab.gateway, arguments)?;
            text.lines()
                .map(|line| Ok(serde_json::from_str(line)?))
                .collect()
        };
        let stats = json(&["stats", "--json"])?;
        let feeds = json(&["feeds", "--json"])?;
        account.feeds = feeds
            .iter()
            .map(|feed| FeedAccount::new(feed, &stats))
            .collect();
        account.inside_hosts = HostAccount::all(&json(&["hosts", "--json"])?);
        Ok(())
    }
}

/// Three frames, one of each kind, for every address.
fn frames(
    tracker: &mut Tracker,
    listed: &[IpAddr],
    ordinary: &[IpAddr],
    frame: impl Fn(usize, IpAddr, &[u8]) -> Vec<u8>,
) -> Vec<Vec<u8>> {
    let marked = |listed: bool| move |&address: &IpAddr| (listed, address);
    let addresses = listed
        .iter()
        .map(marked(true))
        .chain(ordinary.iter().map(marked(false)));
    let mut frames = Vec::new();
    for (index, (listed, address)) in addresses.enumerate() {
        for kind in 0..3 {
            let payload = tracker.mark(listed);
            // The host changes with each address, so that every one of them calls.
            frames.push(frame(3 * index + kind, address, &payload));
        }
    }
    frames
}
