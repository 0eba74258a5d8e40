//! Tunnels to the outside, named: what goes in and what comes out is judged at the tunnel.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use tests::{
    lab::{Devices, HOSTS, Lab},
    namespace::Namespace,
    probe::{NOBODY, Way},
    skip_unless,
    stack::{ip_in_ip, vxlan, wireguard},
};

use super::{super::scene::Scene, LISTED, OTHER};

/// The tunnel that `stack` makes, judged at its end of this name in this mode.
fn judged(stack: impl FnOnce(&Lab) -> anyhow::Result<Devices>, name: &str, mode: &str) {
    let mut scene = Scene::over(Lab::for_test_over(stack).unwrap(), "");
    let mut judged = ["eth1 native".to_owned(), format!("{name} {mode}")];
    judged.sort_unstable();
    let judged = judged.each_ref().map(|it| &it[..]);
    scene.judged_at(&format!("interfaces = ['eth1', '{name}']\n"), &judged);
}

#[test]
fn what_goes_over_ip_in_ip_is_judged() {
    skip_unless!("what_goes_over_ip_in_ip_is_judged", Netns, Tcx);
    judged(ip_in_ip, "sit1", "tcx");
}

#[test]
fn what_goes_over_vxlan_is_judged() {
    skip_unless!("what_goes_over_vxlan_is_judged", Netns);
    judged(vxlan, "vx0", "generic");
}

const PORT: u16 = 7000;

/// Whether a datagram of one socket arrives at another one: WireGuard has no addresses that a frame could be
/// sent to. What is sent after it, and nothing lists, has to arrive.
fn crosses(lab: &Lab, way: Way, remote: &str) -> bool {
    let remote: IpAddr = remote.parse().unwrap();
    let v4 = remote.is_ipv4();
    let of_family =
        |(four, six): (&str, &str)| -> IpAddr { if v4 { four } else { six }.parse().unwrap() };
    let (host, nobody) = (of_family(HOSTS[0]), of_family(NOBODY));
    let any = of_family(("0.0.0.0", "::"));
    let (from, to) = match way {
        Way::Out => (&lab.inside, &lab.outside),
        Way::In => (&lab.outside, &lab.inside),
    };
    let socket = |namespace: &Namespace, address| {
        namespace
            .enter(|| UdpSocket::bind(address))
            .unwrap()
            .unwrap()
    };
    let receiver = socket(to, (any, PORT));
    let patience = Some(Duration::from_secs(20));
    receiver.set_read_timeout(patience).unwrap();
    for (other, text) in [(remote, b"probe"), (nobody, b"after")] {
        let (source, destination) = match way {
            Way::Out => (host, other),
            Way::In => (other, host),
        };
        let sender = socket(from, (source, 0));
        sender.send_to(text, (destination, PORT)).unwrap();
    }
    let mut text = [0; 64];
    let length = receiver.recv(&mut text).unwrap();
    text[..length] == *b"probe"
}

/// The same both ways, which must say the same.
fn is_cut_off(lab: &Lab, remote: &str) -> bool {
    let [out, back] = [Way::Out, Way::In].map(|way| crosses(lab, way, remote));
    assert_eq!(out, back, "{remote}: one way only");
    !out
}

#[test]
fn what_goes_over_wireguard_is_judged() {
    skip_unless!("what_goes_over_wireguard_is_judged", Netns, Tcx, Wireguard);
    let scene = Scene::new("interfaces = ['eth1', 'wg0']\n");
    let lab = &scene.lab;
    wireguard(lab).unwrap();
    for family in ["ipv4", "ipv6"] {
        let any_source = format!("net.{family}.ip_nonlocal_bind");
        lab.outside.sysctl(&any_source, "1").unwrap();
    }
    let _run = scene.start();
    assert_eq!(scene.modes(), ["eth1 native", "wg0 tcx"]);
    scene.list();
    assert!(LISTED.iter().all(|it| is_cut_off(lab, it)));
    assert!(!OTHER.iter().any(|it| is_cut_off(lab, it)));
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    scene.done(&["unload"]);
    assert!(!LISTED.iter().any(|it| is_cut_off(lab, it)));
}
