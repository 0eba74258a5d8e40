//! Which attachments the configuration asks for on this network. Pure.

use anyhow::Result;
use firewall_common::ledger::Role;

use crate::{
    config::Config,
    dataplane::{Attach, Hook, Interface},
    network::{LinkLayer, Network},
};

/// What a configured interface that is not there means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Somebody may have mistyped it.
    IsAnError,
    /// It went away, and may come back.
    IsLeftOut,
}

/// The attachments to the devices of these names: one for what each receives, and one for what this
/// machine sends over those that do not look inside, if that is asked for.
pub fn interfaces(
    network: &Network,
    names: &[String],
    config: &Config,
    missing: Missing,
) -> Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    for name in names {
        let device = match network.attachable(name) {
            Ok(device) => device,
            Err(error) if missing == Missing::IsAnError => return Err(error),
            Err(_) => continue,
        };
        let role = network.role(name, names, &config.outside);
        let ethernet = device.link_layer == LinkLayer::Ethernet;
        let mut hooks = vec![Hook::receiving(ethernet)];
        if config.own_traffic && role != Role::Inside {
            hooks.push(Hook::Egress { ethernet });
        }
        interfaces.extend(hooks.into_iter().map(|hook| Interface {
            name: hook.attachment(name),
            role,
            hook,
            attach: Some(Attach {
                index: device.index,
                mode: config.attach,
            }),
        }));
    }
    Ok(interfaces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Device;

    fn network() -> Network {
        let device = |index, name: &str, link_layer| Device {
            index,
            name: name.to_owned(),
            link_layer,
            ..Device::default()
        };
        Network {
            devices: vec![
                device(1, "lan0", LinkLayer::Ethernet),
                device(2, "wan0", LinkLayer::Ethernet),
                device(3, "wg0", LinkLayer::Ip),
                device(4, "lo", LinkLayer::Other),
            ],
            default_route_devices: vec![2],
            ..Network::default()
        }
    }

    fn attachments(names: &[&str], own_traffic: bool) -> Vec<(String, Role, Hook)> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let config = Config {
            own_traffic,
            ..Config::default()
        };
        interfaces(&network(), &names, &config, Missing::IsAnError)
            .unwrap()
            .into_iter()
            .map(|interface| (interface.name, interface.role, interface.hook))
            .collect()
    }

    #[test]
    fn a_port_gets_xdp_and_a_tunnel_gets_tcx() {
        assert_eq!(
            attachments(&["lan0", "wan0", "wg0"], false),
            [
                ("lan0".to_owned(), Role::Inside, Hook::Xdp),
                ("wan0".to_owned(), Role::Outside, Hook::Xdp),
                ("wg0".to_owned(), Role::Inside, Hook::Ingress),
            ]
        );
    }

    #[test]
    fn own_traffic_is_judged_where_it_leaves_to_the_outside_and_nowhere_else() {
        let own = ("wan0:own".to_owned(), Role::Outside);
        let found = attachments(&["lan0", "wan0"], true);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2], (own.0, own.1, Hook::Egress { ethernet: true }));
    }

    #[test]
    fn with_one_port_own_traffic_leaves_by_it() {
        let found = attachments(&["wg0"], true);
        let own = (
            "wg0:own".to_owned(),
            Role::Unknown,
            Hook::Egress { ethernet: false },
        );
        assert_eq!(found[1], own);
    }

    #[test]
    fn a_device_of_another_kind_is_refused_and_one_that_is_gone_is_left_out() {
        let names = ["lo".to_owned(), "wan0".to_owned()];
        let config = Config::default();
        let Err(error) = interfaces(&network(), &names, &config, Missing::IsAnError) else {
            panic!("loopback was taken");
        };
        assert!(error.to_string().contains("lo"), "{error}");
        let left = interfaces(&network(), &names, &config, Missing::IsLeftOut).unwrap();
        assert_eq!(left.len(), 1);
    }
}
