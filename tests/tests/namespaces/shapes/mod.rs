//! Device shapes of routers, in guests: listed addresses are cut off on each, other traffic passes, and what
//! `status` says is so.

use serde_json::Value;
use tests::{frame::udp, probe::Way};

use super::scene::{Scene, eventually};

mod cards;
mod changing;
mod stacked;
mod tunnels;

/// An MTU above what fits a page.
const LARGE: &str = "9000";

/// What [`Scene::list`] blocks, and what nothing lists.
const LISTED: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const OTHER: [&str; 2] = ["198.51.100.9", "2001:db8:600d::9"];

impl Scene {
    /// Starts, has the listed addresses cut off at exactly these interfaces (`eth0 native`), with nothing to
    /// look at in `status`, and takes everything away again.
    fn judged_at(&mut self, configuration: &str, interfaces: &[&str]) {
        self.product.configure(configuration).unwrap();
        let _run = self.start();
        self.list();
        self.assert_judged_at(interfaces);
        self.take_away();
    }

    /// Blocks the addresses that [`Self::assert_cut_off`] is about.
    fn list(&self) {
        self.done(&["block", LISTED[0], LISTED[1]]);
    }

    /// Listed addresses are cut off, at exactly these interfaces, and there is nothing to look at.
    fn assert_judged_at(&mut self, interfaces: &[&str]) {
        eventually("it is attached as it should be", || {
            self.modes() == interfaces
        });
        self.assert_cut_off(&interfaces.join(", "));
        let said = self.run(&["status"]);
        assert_eq!(said.code, 0, "{}", said.stdout);
    }

    /// Packets to and from listed addresses are dropped, and others are not; in both families.
    fn assert_cut_off(&mut self, how: &str) {
        self.probe.settle().unwrap();
        for address in LISTED {
            assert!(self.drops(address), "{address}, {how}");
        }
        for address in OTHER {
            assert!(!self.drops(address), "{address}, {how}");
        }
    }

    /// Unloads, and sees that nothing is dropped any more.
    fn take_away(&mut self) {
        self.done(&["unload"]);
        self.run(&["unblock", LISTED[0], LISTED[1]]);
        self.probe.settle().unwrap();
        for address in LISTED {
            assert!(!self.drops(address), "{address}, unloaded");
        }
    }

    /// Where it is attached and in which mode (`eth0 native`), by name.
    fn modes(&self) -> Vec<String> {
        let status = self.status();
        let rows = status["interfaces"].as_array().unwrap().iter();
        let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let mut modes: Vec<String> = rows
            .map(|row| format!("{} {}", word(&row["name"]), word(&row["mode"])))
            .collect();
        modes.sort_unstable();
        modes
    }
    /// Sets the MTU of both wires.
    fn set_mtu(&self, mtu: &str) {
        let lab = &self.lab;
        for (namespace, device) in [
            (&lab.inside, "in0"),
            (&lab.gateway, "eth1"),
            (&lab.gateway, "eth0"),
            (&lab.outside, "out0"),
        ] {
            namespace.ip(&["link", "set", device, "mtu", mtu]).unwrap();
        }
    }

    /// Whether a packet of 8,900 bytes arrives.
    fn passes_large(&mut self, to: &str) -> bool {
        let mut payload = b"large".repeat(1760);
        payload[..8].copy_from_slice(b"beginnin");
        let packet = udp("10.77.1.11".parse().unwrap(), to.parse().unwrap(), &payload);
        let frame = self.probe.to_gateway(Way::Out).ip(&packet);
        self.probe
            .delivers(Way::Out, &[frame], b"beginnin")
            .unwrap()
    }

    /// Large packets are judged like others.
    fn assert_large_judged(&mut self) {
        assert!(self.passes_large(OTHER[0]));
        assert!(!self.passes_large(LISTED[0]));
    }
}
