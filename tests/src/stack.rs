//! Devices on top of the wires of a lab: VLANs, macvlan, bonds, tunnels.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::{
    lab::{Devices, Lab, SECOND_WIRE, WIRES},
    namespace::{Namespace, command},
};

/// The two kinds of VLAN tag: what `ip` calls them, and what is in a frame.
pub const CUSTOMER: (&str, u16) = ("802.1Q", 0x8100);
/// Around the other one.
pub const SERVICE: (&str, u16) = ("802.1ad", 0x88a8);

/// Id of the VLAN inside and outside.
pub const IDS: [u16; 2] = [10, 20];
/// Of what is around it where there are two tags.
pub const AROUND: u16 = 7;

const ONE_TAG: Devices = Devices {
    inside: "in0-10",
    towards_inside: "eth1-10",
    towards_outside: "eth0-20",
    outside: "out0-20",
};
const TWO_TAGS: Devices = Devices {
    inside: "in0-7-10",
    towards_inside: "eth1-7-10",
    towards_outside: "eth0-7-20",
    outside: "out0-7-20",
};

/// Puts a VLAN device on one that is there; both names say of which id.
fn vlan(namespace: &Namespace, below: &str, (protocol, _): (&str, u16), id: u16) -> Result<()> {
    let name = format!("{below}-{id}");
    let id = id.to_string();
    let add = ["link", "add", "link", below, "name", &name, "type", "vlan"];
    namespace.ip(&[&add[..], &["proto", protocol, "id", &id]].concat())?;
    namespace.ip(&["link", "set", &name, "up"]).map(drop)
}

/// Where the wires end: namespace, device, id of the VLAN.
fn ends(lab: &Lab) -> [(&Namespace, &'static str, u16); 4] {
    [
        (&lab.inside, WIRES.inside, IDS[0]),
        (&lab.gateway, WIRES.towards_inside, IDS[0]),
        (&lab.gateway, WIRES.towards_outside, IDS[1]),
        (&lab.outside, WIRES.outside, IDS[1]),
    ]
}

/// A VLAN on each wire.
pub fn one_tag(lab: &Lab) -> Result<Devices> {
    for (namespace, wire, id) in ends(lab) {
        vlan(namespace, wire, CUSTOMER, id)?;
    }
    Ok(ONE_TAG)
}

/// A VLAN in a VLAN on each wire.
pub fn two_tags(lab: &Lab) -> Result<Devices> {
    for (namespace, wire, id) in ends(lab) {
        vlan(namespace, wire, SERVICE, AROUND)?;
        vlan(namespace, &format!("{wire}-{AROUND}"), CUSTOMER, id)?;
    }
    Ok(TWO_TAGS)
}

/// A macvlan on each port of the gateway.
pub fn macvlan(lab: &Lab) -> Result<Devices> {
    for (port, name) in [
        (WIRES.towards_inside, "mac1"),
        (WIRES.towards_outside, "mac0"),
    ] {
        let add = ["link", "add", "link", port, "name", name, "type", "macvlan"];
        lab.gateway.ip(&[&add[..], &["mode", "bridge"]].concat())?;
        lab.gateway.ip(&["link", "set", name, "up"])?;
    }
    Ok(Devices {
        towards_inside: "mac1",
        towards_outside: "mac0",
        ..WIRES
    })
}

/// Two wires to the inside hosts, joined at both ends so that one of them carries everything.
pub fn bond(lab: &Lab) -> Result<Devices> {
    let [inside, gateway] = SECOND_WIRE;
    lab.inside.connect(inside, &lab.gateway, gateway)?;
    let ends = [
        (&lab.inside, "bond1", [WIRES.inside, inside]),
        (&lab.gateway, "bond0", [WIRES.towards_inside, gateway]),
    ];
    for (namespace, bond, wires) in ends {
        let add = ["link", "add", bond, "type", "bond", "mode", "active-backup"];
        namespace.ip(&[&add[..], &["miimon", "50"]].concat())?;
        for wire in wires {
            namespace.ip(&["link", "set", wire, "down"])?;
            namespace.ip(&["link", "set", wire, "master", bond])?;
        }
        namespace.ip(&["link", "set", bond, "up"])?;
    }
    Ok(Devices {
        inside: "bond1",
        towards_inside: "bond0",
        ..WIRES
    })
}

/// What the wire to the outside carries is a tunnel, which `add` makes: `namespace` has this end of the wire,
/// with the first address, and the other one has the second.
fn tunnel(
    lab: &Lab,
    name: &'static str,
    add: impl Fn(&Namespace, [&str; 2]) -> Result<()>,
) -> Result<Devices> {
    const WIRE: [&str; 2] = ["10.77.8.1", "10.77.8.2"];
    let [first, second] = WIRE;
    let ends = [
        (&lab.gateway, WIRES.towards_outside, [first, second]),
        (&lab.outside, WIRES.outside, [second, first]),
    ];
    for (namespace, wire, [own, other]) in ends {
        namespace.ip(&["addr", "add", &format!("{own}/30"), "dev", wire])?;
        add(namespace, [own, other])?;
        namespace.ip(&["link", "set", name, "up"])?;
    }
    Ok(Devices {
        towards_outside: name,
        outside: name,
        ..WIRES
    })
}

/// IP in IP to the outside, both families.
pub fn ip_in_ip(lab: &Lab) -> Result<Devices> {
    tunnel(lab, "sit1", |namespace, [own, other]| {
        let add = ["link", "add", "sit1", "type", "sit", "mode", "any"];
        let ends = ["local", own, "remote", other];
        namespace.ip(&[&add[..], &ends].concat()).map(drop)
    })
}

/// VXLAN to the outside.
pub fn vxlan(lab: &Lab) -> Result<Devices> {
    tunnel(lab, "vx0", |namespace, [own, other]| {
        let add = ["link", "add", "vx0", "type", "vxlan", "id", "7"];
        let ends = ["local", own, "remote", other, "dstport", "4789"];
        namespace.ip(&[&add[..], &ends].concat()).map(drop)
    })
}

/// WireGuard to the outside in a lab that is there: what goes between inside and outside goes over it.
pub fn wireguard(lab: &Lab) -> Result<()> {
    const PORT: &str = "51820";
    let folder = tempfile::tempdir()?;
    let private = |end: &str| folder.path().join(end).display().to_string();
    let public = |end: &str| -> Result<String> {
        let file = private(end);
        let script = format!("umask 077 && wg genkey > {file} && wg pubkey < {file}");
        Ok(command("sh", &["-c", &script])?.trim().to_owned())
    };
    let [gateway, outside] = ["10.77.2.1", "10.77.2.2"];
    let (of_gateway, of_outside) = (public(gateway)?, public(outside)?);
    let routes = [
        (&lab.gateway, ["default", "default"]),
        (&lab.outside, ["10.77.1.0/24", "fd77:1::/64"]),
    ];
    let ends = [
        (gateway, outside, of_outside),
        (outside, gateway, of_gateway),
    ];
    for ((namespace, [v4, v6]), (own, other, key)) in routes.into_iter().zip(ends) {
        namespace.ip(&["link", "add", "wg0", "type", "wireguard"])?;
        let (private, endpoint) = (private(own), format!("{other}:{PORT}"));
        let set = ["set", "wg0", "private-key", &private, "listen-port", PORT];
        let peer = ["peer", &key, "allowed-ips", "0.0.0.0/0,::/0"];
        let all = [&set[..], &peer, &["endpoint", &endpoint]].concat();
        namespace.enter(|| command("wg", &all))??;
        namespace.ip(&["link", "set", "wg0", "up"])?;
        for (family, network) in [("-4", v4), ("-6", v6)] {
            namespace.ip(&[family, "route", "replace", network, "dev", "wg0"])?;
        }
    }
    Ok(())
}

/// Waits until the kernel says that a device works.
pub fn wait_until_up(namespace: &Namespace, device: &str) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let start = Instant::now();
    while !namespace
        .ip(&["link", "show", "dev", device])?
        .contains("LOWER_UP")
    {
        ensure!(start.elapsed() < PATIENCE, "{device} never came up");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
