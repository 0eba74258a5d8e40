//! What `run` and `status` say about a setup that works, but not as well as it could.

use firewall_common::ledger::Role;

use crate::{
    dataplane::is_own,
    image::MAX_CLASSES,
    network::{LinkLayer, Network},
    record::{Record, RecordedInterface},
};

/// One sentence for each thing that the operator can do something about.
pub fn advice(record: &Record, network: &Network) -> Vec<String> {
    let callers = telling_callers_apart(record).map(str::to_owned);
    callers
        .into_iter()
        .chain(uncovered(record, network))
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

/// Inside hosts are named by the side that a packet enters from.
fn telling_callers_apart(record: &Record) -> Option<&'static str> {
    let unknown = |role| role == Role::Unknown;
    if !record
        .interfaces
        .iter()
        .any(|interface| unknown(interface.role))
    {
        return None;
    }
    let own = |interface: &&RecordedInterface| is_own(&interface.name);
    let devices = record.interfaces.len() - record.interfaces.iter().filter(own).count();
    Some(match devices {
        1 => {
            "with one interface only, callers behind NAT cannot be named from here; attach to the \
             inside interfaces as well ('interfaces' in the configuration)"
        }
        _ => {
            "no attached interface carries a default route, so callers cannot be told apart; name \
             those that look to the internet with 'outside' in the configuration"
        }
    })
}

/// Default routes over devices that are not Ethernet ports, so that nobody chose them.
fn uncovered(record: &Record, network: &Network) -> impl Iterator<Item = String> {
    network
        .devices
        .iter()
        .filter(|device| {
            network.default_route_devices.contains(&device.index)
                && device.link_layer != LinkLayer::Ethernet
                && record.interface(&device.name).is_none()
        })
        .map(|device| {
            format!(
                "the default route goes over {0}, which has no Ethernet header: name the Ethernet \
                 port that carries {0} in 'interfaces' and 'outside', or {0} itself (Linux 6.6), or \
                 its traffic is not judged",
                device.name
            )
        })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{dataplane::Hook, network::Device};

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
    fn inside_and_outside_told_apart_need_no_advice() {
        let record = record(&[Role::Inside, Role::Outside]);
        assert!(advice(&record, &Network::default()).is_empty());
    }

    #[test]
    fn one_interface_or_no_outside_is_said_with_the_key_to_set() {
        let one = advice(&record(&[Role::Unknown]), &Network::default());
        assert!(one[0].contains("one interface only") && one[0].contains("'interfaces'"));
        let two = advice(
            &record(&[Role::Unknown, Role::Unknown]),
            &Network::default(),
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
        let said = advice(&record(&[Role::Inside, Role::Outside]), &network);
        assert!(
            said[0].contains("ppp0") && said[0].contains("Ethernet port"),
            "{said:?}"
        );
        let mut covered = record(&[Role::Inside, Role::Outside]);
        covered.interfaces[1].name = "ppp0".into();
        assert!(advice(&covered, &network).is_empty());
    }

    #[test]
    fn own_traffic_makes_no_second_interface() {
        let mut record = record(&[Role::Unknown, Role::Unknown]);
        record.interfaces[1].name = "eth0:own".into();
        let said = advice(&record, &Network::default());
        assert!(said[0].contains("one interface only"), "{said:?}");
    }
}
