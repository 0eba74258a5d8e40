//! Netlink: devices, addresses, default routes, and word of changes.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context, Result, anyhow};
use futures_util::{StreamExt, TryStreamExt};
use ipnet::IpNet;
use netlink_packet_route::{
    address::{AddressAttribute, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};
use rtnetlink::{Handle, MulticastGroup, RouteMessageBuilder, new_connection};
use tokio::sync::mpsc;

use super::{Device, LinkLayer, Network, Xdp, pppoe};

/// Kinds of device that stand on the one that `IFLA_LINK` names; for others (veth, tunnels) it
/// names a peer.
const STACKED: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "macsec"];

/// Reads the network of the namespace that the calling thread is in.
pub fn network() -> Result<Network> {
    blocking(read)
        .context("cannot ask the kernel for interfaces, addresses and routes over netlink")
}

/// Reads the devices alone.
pub fn devices() -> Result<Vec<Device>> {
    blocking(read_devices).context("cannot ask the kernel for interfaces over netlink")
}

/// The library is asynchronous; a thread of its own serves callers within and without a runtime, and
/// inherits the namespace.
fn blocking<T: Send, F: Future<Output = Result<T>>>(read: fn() -> F) -> Result<T> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .build()?;
                runtime.block_on(read())
            })
            .join()
            .map_err(|_| anyhow!("reading the network failed unexpectedly; please report this"))?
    })
}

async fn read_devices() -> Result<Vec<Device>> {
    let (connection, handle, _) = new_connection()?;
    let task = tokio::spawn(connection);
    let devices = all_devices(&handle).await;
    task.abort();
    devices
}

async fn read() -> Result<Network> {
    let (connection, handle, _) = new_connection()?;
    let task = tokio::spawn(connection);
    let mut network = Network {
        devices: all_devices(&handle).await?,
        pppoe_carriers: pppoe::carriers(),
        ..Network::default()
    };
    add_addresses(&handle, &mut network.devices).await?;
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    let mut gateways = BTreeSet::new();
    let mut outgoing = BTreeSet::new();
    for request in [v4, v6] {
        let mut routes = handle.route().get(request).execute();
        while let Some(route) = routes.try_next().await? {
            add_default_route(&route, &mut gateways, &mut outgoing);
        }
    }
    network.gateways = gateways.into_iter().collect();
    network.default_route_devices = outgoing.into_iter().collect();
    task.abort();
    Ok(network)
}

async fn all_devices(handle: &Handle) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        devices.push(device(&link));
    }
    Ok(devices)
}

fn device(message: &LinkMessage) -> Device {
    let header = &message.header;
    let mut device = Device {
        index: header.index,
        link_layer: link_layer(header.link_layer_type),
        up: header.flags.contains(LinkFlags::Up),
        ..Device::default()
    };
    let mut beneath = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Link(index) => beneath = Some(*index),
            LinkAttribute::Controller(index) => device.controller = Some(*index),
            LinkAttribute::LinkInfo(infos) => device.kind = kind(infos),
            LinkAttribute::Xdp(attributes) => device.xdp = xdp(attributes),
            LinkAttribute::Stats64(counters) => device.received = counters.rx_packets,
            _ => {}
        }
    }
    device.lower = beneath.filter(|_| STACKED.contains(&device.kind.as_str()));
    device
}

/// `ARPHRD_*` (include/uapi/linux/if_arp.h): devices of these types have no header of their own where
/// TCX sees their packets.
fn link_layer(kind: LinkLayerType) -> LinkLayer {
    match kind {
        LinkLayerType::Ether => LinkLayer::Ethernet,
        LinkLayerType::None
        | LinkLayerType::Ppp
        | LinkLayerType::Rawip
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6
        | LinkLayerType::Sit
        | LinkLayerType::Ipgre
        | LinkLayerType::Ip6gre => LinkLayer::Ip,
        _ => LinkLayer::Other,
    }
}

fn kind(infos: &[LinkInfo]) -> String {
    infos
        .iter()
        .find_map(|info| match info {
            LinkInfo::Kind(kind) => Some(kind.to_string().to_lowercase()),
            _ => None,
        })
        .unwrap_or_default()
}

fn xdp(attributes: &[LinkXdp]) -> Option<Xdp> {
    let program = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) => Some(*id),
        _ => None,
    })?;
    let native = attributes
        .iter()
        .any(|attribute| matches!(attribute, LinkXdp::Attached(XdpAttached::Driver)));
    Some(Xdp { program, native })
}

async fn add_addresses(handle: &Handle, devices: &mut [Device]) -> Result<()> {
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await? {
        if let Some(device) = devices
            .iter_mut()
            .find(|device| device.index == message.header.index)
        {
            device.addresses.extend(address(&message));
        }
    }
    Ok(())
}

/// `IFA_LOCAL` is ours; on point-to-point devices `IFA_ADDRESS` is the peer, and the prefix is the
/// peer's (`inet_fill_ifaddr`, net/ipv4/devinet.c). Both are connected.
fn address(message: &AddressMessage) -> Vec<IpNet> {
    let length = message.header.prefix_len;
    message
        .attributes
        .iter()
        .filter_map(|attribute| match attribute {
            AddressAttribute::Local(ip) | AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
        .filter_map(|ip| IpNet::new(ip, length).ok())
        .collect()
}

fn add_default_route(
    route: &RouteMessage,
    gateways: &mut BTreeSet<IpAddr>,
    outgoing: &mut BTreeSet<u32>,
) {
    if route.header.destination_prefix_length != 0 || route.header.kind != RouteType::Unicast {
        return;
    }
    add_next_hop(&route.attributes, gateways, outgoing);
    for attribute in &route.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            for hop in hops {
                outgoing.insert(hop.interface_index);
                add_next_hop(&hop.attributes, gateways, outgoing);
            }
        }
    }
}

fn add_next_hop(
    attributes: &[RouteAttribute],
    gateways: &mut BTreeSet<IpAddr>,
    outgoing: &mut BTreeSet<u32>,
) {
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(RouteAddress::Inet(ip))
            | RouteAttribute::Via(RouteVia::Inet(ip)) => {
                gateways.insert((*ip).into());
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(ip))
            | RouteAttribute::Via(RouteVia::Inet6(ip)) => {
                gateways.insert((*ip).into());
            }
            RouteAttribute::Oif(index) => {
                outgoing.insert(*index);
            }
            _ => {}
        }
    }
}

/// Sends a word whenever a device, an address or a route changed. Words that nobody has taken yet
/// are not repeated.
pub fn watch() -> Result<mpsc::Receiver<()>> {
    let groups = [
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
        MulticastGroup::Ipv4Route,
        MulticastGroup::Ipv6Route,
    ];
    let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&groups)
        .context("cannot watch the network over netlink")?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(connection);
    tokio::spawn(async move {
        while messages.next().await.is_some() {
            // Full means that a word waits already.
            let _ = sender.try_send(());
        }
    });
    Ok(receiver)
}
