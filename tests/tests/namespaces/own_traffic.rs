//! What XDP does not see: what the gateway itself sends, and devices without an Ethernet header.

use std::{
    io::{Read, Write},
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use tests::{frame::udp, lab::Lab, probe::NOBODY, refusing::Refused, skip_unless};

use super::scene::{BOTH, Scene};

const BAD: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
const OWN: &str = "own_traffic = true\n";
const PORT: u16 = 7000;
/// Where packets enter the gateway that no Ethernet device carries.
const TUNNEL: &str = "tun0";
const TUNNEL_HOST: &str = "10.77.9.2";
/// Reached through it.
const BEHIND_TUNNEL: &str = "198.51.100.0/24";

/// Receives at the outside, whatever address it was sent to.
fn outside(lab: &Lab) -> UdpSocket {
    let socket = lab.outside.enter(|| UdpSocket::bind(("::", PORT))).unwrap();
    let socket = socket.unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// Whether what comes before the marker is there: one flow of one sender stays in order.
fn arrives(outside: &UdpSocket) -> bool {
    let mut arrived = false;
    loop {
        let mut buffer = [0; 64];
        let length = outside.recv(&mut buffer).unwrap();
        match &buffer[..length] {
            b"marker" => return arrived,
            _ => arrived = true,
        }
    }
}

/// Whether the gateway's own packet to `remote` arrives.
fn gateway_reaches(scene: &Scene, outside: &UdpSocket, remote: &str) -> bool {
    let remote: IpAddr = remote.parse().unwrap();
    let (any, nobody) = match remote.is_ipv4() {
        true => ("0.0.0.0", NOBODY.0),
        false => ("::", NOBODY.1),
    };
    let socket = scene.lab.gateway.enter(|| UdpSocket::bind((any, 0)));
    let socket = socket.unwrap().unwrap();
    // The kernel may say that the packet was dropped, or not; what arrives counts.
    let _ = socket.send_to(b"probe", (remote, PORT));
    socket.send_to(b"marker", (nobody, PORT)).unwrap();
    arrives(outside)
}

#[test]
fn what_the_gateway_itself_sends_is_judged_where_it_leaves_if_that_is_asked_for() {
    skip_unless!(
        "what_the_gateway_itself_sends_is_judged_where_it_leaves_if_that_is_asked_for",
        Netns,
        Tcx
    );
    let scene = Scene::new(BOTH);
    let outside = outside(&scene.lab);
    let run = scene.start();
    for bad in BAD {
        scene.done(&["block", bad]);
        assert!(gateway_reaches(&scene, &outside, bad), "not asked for");
    }
    assert_eq!(run.stop().unwrap(), 0);
    scene.product.configure(&format!("{OWN}{BOTH}")).unwrap();
    let run = scene.start();
    for bad in BAD {
        assert!(!gateway_reaches(&scene, &outside, bad), "{bad}");
        // A short command moves this attachment like the others.
        scene.done(&["unblock", bad]);
        assert!(gateway_reaches(&scene, &outside, bad), "unblocked {bad}");
        scene.done(&["block", bad]);
        assert!(!gateway_reaches(&scene, &outside, bad), "{bad} again");
    }
    let hosts = scene.json(&["hosts"]);
    let own = hosts
        .iter()
        .find(|row| row["inside"] == "10.77.2.1")
        .unwrap();
    assert_eq!(own["remote"], BAD[0]);
    assert_eq!(own["direction"], "outbound", "{own}");
    assert_eq!(run.stop().unwrap(), 0);
}

#[test]
fn what_is_forwarded_is_counted_once() {
    skip_unless!("what_is_forwarded_is_counted_once", Netns, Tcx);
    let (_run, mut scene) = Scene::running(&format!("{OWN}{BOTH}"));
    scene.done(&["block", BAD[0]]);
    assert!(scene.drops(BAD[0]));
    assert!(scene.probe.reaches(NOBODY.0).unwrap());
    let forwarded = |row: &&serde_json::Value| {
        row["interface"] == "eth0:own" && row["reason"] == "blocked" && row["packets"] != 0
    };
    let stats = scene.json(&["stats"]);
    assert!(stats.iter().any(|row| row["interface"] == "eth0:own"));
    assert!(stats.iter().find(forwarded).is_none(), "{stats:?}");
}

#[test]
fn own_traffic_is_shown_and_goes_with_its_key() {
    skip_unless!("own_traffic_is_shown_and_goes_with_its_key", Netns, Tcx);
    let scene = Scene::left_in_force(&format!("{OWN}{BOTH}"));
    let status = scene.status();
    assert_eq!(status["enforcing"], true, "{status}");
    let shown = |status: &serde_json::Value| {
        let interfaces = status["interfaces"].as_array().unwrap().iter();
        let of = |it: &serde_json::Value| format!("{} {} {}", it["name"], it["mode"], it["state"]);
        interfaces.map(of).collect::<Vec<_>>().join("\n")
    };
    assert!(
        shown(&status).contains(r#""eth0:own" "tcx" "attached""#),
        "{status}"
    );
    scene.product.configure(BOTH).unwrap();
    scene.done(&["reload"]);
    assert!(!shown(&scene.status()).contains("own"));
    scene.product.configure(&format!("{OWN}{BOTH}")).unwrap();
    let status = scene.status();
    assert_eq!(status["enforcing"], false, "asked for, not attached");
    assert!(
        shown(&status).contains(r#""eth0:own" "tcx" "not attached""#),
        "{status}"
    );
}

/// A tunnel into the gateway; packets written to it are received by the gateway.
fn tunnel(lab: &Lab) -> tun::Device {
    let mut configuration = tun::Configuration::default();
    configuration
        .tun_name(TUNNEL)
        .layer(tun::Layer::L3)
        .address("10.77.9.1")
        .netmask("255.255.255.0")
        .up();
    let tunnel = lab.gateway.enter(|| tun::create(&configuration));
    let tunnel = tunnel.unwrap().unwrap();
    lab.gateway
        .ip(&["addr", "add", "fd77:9::1/64", "dev", TUNNEL, "nodad"])
        .unwrap();
    lab.gateway
        .sysctl(&format!("net.ipv4.conf.{TUNNEL}.rp_filter"), "0")
        .unwrap();
    lab.gateway
        .ip(&["route", "add", BEHIND_TUNNEL, "dev", TUNNEL])
        .unwrap();
    // The outside answers for every address that it has no other route to.
    lab.outside
        .ip(&["route", "add", "10.77.9.0/24", "via", "10.77.2.1"])
        .unwrap();
    tunnel
}

#[test]
fn what_comes_in_by_a_device_without_ethernet_header_is_judged_at_tcx() {
    skip_unless!(
        "what_comes_in_by_a_device_without_ethernet_header_is_judged_at_tcx",
        Netns,
        Tcx
    );
    let scene = Scene::new(&format!("interfaces = ['eth0', '{TUNNEL}']\n"));
    let outside = outside(&scene.lab);
    let mut tunnel = tunnel(&scene.lab);
    let _run = scene.start();
    scene.done(&["block", BAD[0]]);
    let host: IpAddr = TUNNEL_HOST.parse().unwrap();
    let mut send = |to: &str, text: &[u8]| {
        let packet = udp(host, to.parse().unwrap(), text);
        // The lab's packets go to port 53,000 and not to ours.
        let packet = with_destination_port(packet, PORT);
        tunnel.write_all(&packet).unwrap();
    };
    send(BAD[0], b"probe");
    send(NOBODY.0, b"marker");
    assert!(!arrives(&outside));
    scene.done(&["unblock", BAD[0]]);
    send(BAD[0], b"probe");
    send(NOBODY.0, b"marker");
    assert!(arrives(&outside));
    let hosts = scene.json(&["hosts"]);
    let row = hosts
        .iter()
        .find(|row| row["inside"] == TUNNEL_HOST)
        .unwrap();
    assert_eq!(row["remote"], BAD[0]);
    assert!(
        row["mac"].is_null(),
        "no Ethernet header, no address: {row}"
    );
}

/// An IPv4 packet with another destination port; UDP without a checksum.
fn with_destination_port(mut packet: Vec<u8>, port: u16) -> Vec<u8> {
    packet[22..24].copy_from_slice(&port.to_be_bytes());
    packet[26..28].fill(0);
    packet
}

#[test]
fn what_the_gateway_sends_into_a_tunnel_is_judged() {
    skip_unless!("what_the_gateway_sends_into_a_tunnel_is_judged", Netns, Tcx);
    let scene = Scene::new(&format!(
        "{OWN}interfaces = ['eth1', '{TUNNEL}']\noutside = ['{TUNNEL}']\n"
    ));
    let mut tunnel = tunnel(&scene.lab);
    let _run = scene.start();
    scene.done(&["block", "198.51.100.66"]);
    let socket = scene.lab.gateway.enter(|| UdpSocket::bind(("0.0.0.0", 0)));
    let socket = socket.unwrap().unwrap();
    let _ = socket.send_to(b"probe", ("198.51.100.66", PORT));
    socket.send_to(b"marker", ("198.51.100.67", PORT)).unwrap();
    let mut buffer = [0; 2048];
    loop {
        let length = tunnel.read(&mut buffer).unwrap();
        let packet = &buffer[..length];
        assert!(!packet.ends_with(b"probe"), "it left the gateway");
        if packet.ends_with(b"marker") {
            break;
        }
    }
}

#[test]
fn without_tcx_all_else_is_in_force_and_that_is_said() {
    skip_unless!("without_tcx_all_else_is_in_force_and_that_is_said", Netns);
    let refused = [Refused::Tcx];
    let scene = Scene::new(&format!("{OWN}interfaces = ['eth1', 'eth0', '{TUNNEL}']\n"));
    let _tunnel = tunnel(&scene.lab);
    let mut daemon = scene.start_refused(&refused);
    daemon
        .wait_for(&format!("what comes in by {TUNNEL} is not judged"))
        .unwrap();
    assert!(
        daemon
            .said()
            .join("\n")
            .contains("what this machine itself sends is not judged")
    );
    assert_eq!(scene.dataplane().links().unwrap().len(), 2);
    assert!(scene.xdp("eth0").is_some() && scene.xdp("eth1").is_some());
    scene.done(&["block", BAD[0]]);
    let said = scene.run_refused(&refused, &["status"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(
        said.stdout.starts_with("enforcing; 2 troubles:\n"),
        "{}",
        said.stdout
    );
    let brought = "this kernel has no TCX, which Linux has since 6.6 (CONFIG_NET_XGRESS)";
    assert_eq!(said.stdout.matches(brought).count(), 2, "{}", said.stdout);
    // A reload does not promise what no run can do.
    let said = scene.run_refused(&refused, &["reload"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stderr
            .contains("what this machine itself sends is not judged"),
        "{}",
        said.stderr
    );
    // Its look is over without trying in vain.
    daemon.wait_for("configuration read again").unwrap();
    assert!(
        !daemon.said().join("\n").contains("ERROR"),
        "{:?}",
        daemon.said()
    );
}
