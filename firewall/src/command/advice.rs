//! What `run` and `status` say about a setup that works, but not as well as it could.

use firewall_common::ledger::Role;

use crate::{
    dataplane::{Placed, device as base_device, is_own},
    image::MAX_CLASSES,
    network::{Device, LinkLayer, Network},
    record::Record,
};

/// One sentence for each thing that the operator can do something about.
pub fn advice(record: &Record, network: &Network, placed: &[Placed]) -> Vec<String> {
    let callers = telling_callers_apart(record, network, placed);
    callers
        .into_iter()
        .chain(uncovered(record, network, placed))
        .collect()
}

/// That some sources cannot be told apart, if so.
pub fn shared(record: &Record) -> Option<String> {
    (record.folded > 0).then(|| {
        format!(
            "there are more than {MAX_CLASSES} combinations of sources; the rarest {} are counted and \
             shown together as 'many'. They drop and monitor as they should; to tell them apart, \
             switch off feeds that repeat others",
            record.folded
        )
    })
}

/// That the filter is slow, if the kernel interprets it. A program is compiled when it is loaded, and the next
/// change of a list loads it anew.
pub fn slow(is_interpreted: bool) -> Option<String> {
    is_interpreted.then(|| {
        "the kernel interprets the filter instead of compiling it, and each packet costs several times \
         more: 'sysctl -w net.core.bpf_jit_enable=1' compiles it from the next change of a list on"
            .to_owned()
    })
}

/// Inside hosts are named by the side that a packet enters from.
fn telling_callers_apart(record: &Record, network: &Network, placed: &[Placed]) -> Option<String> {
    let received = record.interfaces.iter().filter(|it| !is_own(&it.name));
    let unknown = received.clone().filter(|it| it.role == Role::Unknown);
    let names: Vec<&str> = unknown.map(|it| now(&it.name, network, placed)).collect();
    let carries = |name: &&str| {
        let device = network.device(name);
        device.is_some_and(|device| network.carries_default_route(device))
    };
    match (names.as_slice(), received.count()) {
        ([], _) => None,
        (_, 1) => Some(
            "with one interface only, callers behind NAT cannot be named from here; attach to the \
             inside interfaces as well ('interfaces' in the configuration)"
                .to_owned(),
        ),
        ([first, ..], _) if names.iter().all(carries) => Some(format!(
            "{} are ports of a bridge that carries a default route, so callers cannot be told apart; name \
             the one that looks to the internet, such as outside = [\"{first}\"], in the configuration",
            names.join(" and ")
        )),
        _ => Some(
            "no attached interface carries a default route, so callers cannot be told apart; name \
             those that look to the internet with 'outside' in the configuration"
                .to_owned(),
        ),
    }
}

/// What the device of an attachment is called now.
fn now<'a>(attachment: &'a str, network: &'a Network, placed: &[Placed]) -> &'a str {
    let mut placed = placed.iter();
    let placed = placed.find(|it| it.link.interface == attachment);
    let device = placed.and_then(|it| it.device(network));
    device.map_or(base_device(attachment), |device| &device.name)
}

/// Default routes over devices that are not Ethernet ports, so that nobody chose them.
fn uncovered(record: &Record, network: &Network, placed: &[Placed]) -> Vec<String> {
    let attached = |role: Option<Role>| -> Vec<&str> {
        let interfaces = record.interfaces.iter();
        interfaces
            .filter(|it| role.is_none_or(|role| it.role == role))
            .map(|it| now(&it.name, network, placed))
            .collect()
    };
    let (all, outside) = (attached(None), attached(Some(Role::Outside)));
    let carriers = carriers(network);
    let are_among = |names: &[&str]| {
        !carriers.is_empty() && carriers.iter().all(|carrier| names.contains(carrier))
    };
    let devices = network.devices.iter();
    devices
        .filter(|device| {
            network.default_route_devices.contains(&device.index)
                && device.link_layer != LinkLayer::Ethernet
                && !all.contains(&device.name.as_str())
        })
        .filter_map(|Device { name, kind, .. }| {
            let is_ppp = kind == "ppp";
            if is_ppp && are_among(&outside) {
                return None;
            }
            Some(match is_ppp && are_among(&all) {
                true => format!(
                    "the default route goes over {name}, which {carriers} carries: its traffic is judged \
                     there; name {carriers} in 'outside', so that callers can be told apart",
                    carriers = carriers.join(" and ")
                ),
                false => format!(
                    "the default route goes over {name}, which has no Ethernet header: name the Ethernet \
                     port that carries {name}{} in 'interfaces' and 'outside', or {name} itself (Linux \
                     6.6), or its traffic is not judged",
                    match carriers.as_slice() {
                        [carrier] if is_ppp => format!(", which is {carrier},"),
                        _ => String::new(),
                    }
                ),
            })
        })
        .collect()
}

/// The physical ports under PPPoE sessions. Which session is which device, the kernel does not say.
fn carriers(network: &Network) -> Vec<&str> {
    let names = network.pppoe_carriers.iter();
    let mut ports: Vec<&str> = names
        .filter_map(|name| network.device(name))
        .map(|device| network.physical(device).name.as_str())
        .collect();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{dataplane::Hook, record::RecordedInterface};

    fn record(roles: &[Role]) -> Record {
        let interface = |(index, &role)| RecordedInterface {
            name: format!("eth{index}"),
            role,
            hook: Hook::Xdp,
        };
        Record {
            number: 1,
            inputs: String::new(),
            created: Timestamp::UNIX_EPOCH,
            namespace: 0,
            interfaces: roles.iter().enumerate().map(interface).collect(),
            entries: 0,
            folded: 0,
            classes: Vec::new(),
        }
    }

    #[test]
    fn a_kernel_that_interprets_is_said_with_what_to_type() {
        assert_eq!(slow(false), None);
        assert!(slow(true).is_some_and(|it| it.contains("bpf_jit_enable=1")));
    }

    #[test]
    fn inside_and_outside_told_apart_need_no_advice() {
        let record = record(&[Role::Inside, Role::Outside]);
        assert!(advice(&record, &Network::default(), &[]).is_empty());
    }

    #[test]
    fn one_interface_or_no_outside_is_said_with_the_key_to_set() {
        let one = advice(&record(&[Role::Unknown]), &Network::default(), &[]);
        assert!(one[0].contains("one interface only") && one[0].contains("'interfaces'"));
        let two = advice(
            &record(&[Role::Unknown, Role::Unknown]),
            &Network::default(),
            &[],
        );
        assert!(two[0].contains("'outside'"));
    }

    #[test]
    fn a_default_route_over_ppp_is_said_to_be_uncovered() {
        let ppp = Device {
            index: 7,
            name: "ppp0".into(),
            ..Device::default()
        };
        let network = Network {
            devices: vec![ppp],
            default_route_devices: vec![7],
            ..Network::default()
        };
        let said = advice(&record(&[Role::Inside, Role::Outside]), &network, &[]);
        assert!(
            said[0].contains("ppp0") && said[0].contains("Ethernet port"),
            "{said:?}"
        );
        let mut covered = record(&[Role::Inside, Role::Outside]);
        covered.interfaces[1].name = "ppp0".into();
        assert!(advice(&covered, &network, &[]).is_empty());
    }

    #[test]
    fn pppoe_that_is_judged_where_it_is_carried_is_no_uncovered_route() {
        let device = |index, name: &str, kind: &str| Device {
            index,
            name: name.into(),
            kind: kind.into(),
            link_layer: LinkLayer::Ethernet,
            ..Device::default()
        };
        let ppp = Device {
            link_layer: LinkLayer::Ip,
            ..device(7, "ppp0", "ppp")
        };
        let vlan = Device {
            lower: Some(2),
            ..device(3, "eth1.7", "vlan")
        };
        let judged = "its traffic is judged there; name eth1 in 'outside'";
        for (carriers, roles, expected) in [
            (&["eth1"][..], [Role::Inside, Role::Outside], None),
            (&["eth1.7"], [Role::Inside, Role::Outside], None),
            (&["eth1"], [Role::Unknown, Role::Unknown], Some(judged)),
            (
                &["eth9"],
                [Role::Inside, Role::Outside],
                Some("carries ppp0 in 'interfaces'"),
            ),
            (
                &[],
                [Role::Inside, Role::Outside],
                Some("carries ppp0 in 'interfaces'"),
            ),
            (
                &["eth2"],
                [Role::Inside, Role::Outside],
                Some("carries ppp0, which is eth2, in"),
            ),
        ] {
            let network = Network {
                devices: vec![
                    device(1, "eth0", ""),
                    device(2, "eth1", ""),
                    vlan.clone(),
                    device(4, "eth2", ""),
                    ppp.clone(),
                ],
                default_route_devices: vec![7],
                pppoe_carriers: carriers.iter().map(|&it| it.to_owned()).collect(),
                ..Network::default()
            };
            let said = advice(&record(&roles), &network, &[]);
            let of_ppp = said.iter().find(|it| it.contains("ppp0"));
            assert_eq!(
                of_ppp.is_some(),
                expected.is_some(),
                "{carriers:?} {said:?}"
            );
            if let (Some(said), Some(expected)) = (of_ppp, expected) {
                assert!(said.contains(expected), "{said}");
            }
        }
    }

    #[test]
    fn ports_of_one_bridge_with_the_default_route_are_told_apart_by_the_key_only() {
        let port = |index, name: &str| Device {
            index,
            name: name.into(),
            controller: Some(9),
            ..Device::default()
        };
        let bridge = Device {
            index: 9,
            name: "br0".into(),
            kind: "bridge".into(),
            ..Device::default()
        };
        let network = Network {
            devices: vec![port(1, "eth0"), port(2, "eth1"), bridge],
            default_route_devices: vec![9],
            ..Network::default()
        };
        let said = advice(&record(&[Role::Unknown, Role::Unknown]), &network, &[]);
        assert!(
            said[0].starts_with("eth0 and eth1 are ports of a bridge")
                && said[0].contains("outside = [\"eth0\"]"),
            "{said:?}"
        );
    }

    #[test]
    fn own_traffic_makes_no_second_interface() {
        let mut record = record(&[Role::Unknown, Role::Unknown]);
        record.interfaces[1].name = "eth0:own".into();
        let said = advice(&record, &Network::default(), &[]);
        assert!(said[0].contains("one interface only"), "{said:?}");
    }
}
