//! What a hook hands a program: the packet, and what the kernel knows beside it. XDP and TCX differ here
//! and nowhere else.

#![expect(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "a context comes from the kernel alone, which calls a program with a valid one"
)]

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::generated::{bpf_skb_pull_data, bpf_xdp_get_buff_len},
};
use firewall_common::reason::Reason;

use crate::{
    maps,
    packet::{Addresses, MAX_TAGS, Network, Packet, Sender, Version},
};

/// Bytes in which all headers lie that are read of an ordinary packet up to its addresses: Ethernet
/// and IPv6.
const ADDRESSES: u32 = 14 + 40;

/// The same of a packet with all tags that are walked over, and PPPoE.
const TAGGED_ADDRESSES: u32 = 14 + 4 * MAX_TAGS as u32 + 8 + 40;

/// Bytes in which transport headers lie, behind extension headers too.
const HEADERS: u32 = 256;

/// The context of a program, in C a pointer to it.
pub trait PacketContext: Copy {
    /// The part of the packet that can be read.
    fn packet<'a>(self) -> Packet<'a>;

    /// Length of the packet.
    fn bytes(self) -> u64;

    /// Index of the device.
    fn interface(self) -> u32;

    /// The addresses, or why there are none.
    fn addresses(self) -> Result<Addresses, Reason>;

    /// Makes transport headers readable, where the packet has them.
    fn reach_transport(self);

    /// [`Packet::transport`] of an IPv6 packet, by a global function: extension headers make many
    /// ways.
    fn transport6(self, network: u32) -> u64;

    /// Who sent the frame; zeros without an Ethernet header.
    fn sender(self) -> Sender;
}

impl PacketContext for *mut xdp_md {
    #[inline(always)]
    fn packet<'a>(self) -> Packet<'a> {
        // SAFETY: the context is the one that this program was called with, and the kernel promises
        // data..data_end, the linear part, for its run.
        unsafe { Packet::new((*self).data as usize, (*self).data_end as usize) }
    }

    #[inline(always)]
    fn bytes(self) -> u64 {
        // SAFETY: the context is the one that this program was called with.
        unsafe { bpf_xdp_get_buff_len(self) }
    }

    #[inline(always)]
    fn interface(self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self).ingress_ifindex }
    }

    #[inline(always)]
    fn addresses(self) -> Result<Addresses, Reason> {
        self.packet()
            .addresses_with(|| Network::from_raw(firewall_network(self)))
    }

    /// Drivers put all headers into the first buffer.
    #[inline(always)]
    fn reach_transport(self) {}

    #[inline(always)]
    fn transport6(self, network: u32) -> u64 {
        firewall_transport6(self, network)
    }

    #[inline(always)]
    fn sender(self) -> Sender {
        self.packet().sender()
    }
}

impl PacketContext for *mut __sk_buff {
    #[inline(always)]
    fn packet<'a>(self) -> Packet<'a> {
        // SAFETY: as with XDP; the kernel takes the bounds back at each call that moves the packet.
        unsafe { Packet::new((*self).data as usize, (*self).data_end as usize) }
    }

    /// Of what the device is to cut into several packets, the sum.
    #[inline(always)]
    fn bytes(self) -> u64 {
        // SAFETY: the context is the one that this program was called with.
        unsafe { (*self).len }.into()
    }

    #[inline(always)]
    fn interface(self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self).ifindex }
    }

    #[inline(always)]
    fn addresses(self) -> Result<Addresses, Reason> {
        reach(self, ADDRESSES);
        if maps::has_ethernet() {
            if self.packet().has_tag_or_session() {
                reach(self, TAGGED_ADDRESSES);
            }
            return self
                .packet()
                .addresses_with(|| Network::from_raw(firewall_network_tcx(self)));
        }
        // SAFETY: as above. The kernel's own field says what it takes the packet for.
        let protocol = unsafe { (*self).protocol };
        self.packet().addresses_of(u16::from_be(protocol as u16))
    }

    #[inline(always)]
    fn reach_transport(self) {
        reach(self, HEADERS);
    }

    #[inline(always)]
    fn transport6(self, network: u32) -> u64 {
        firewall_transport6_tcx(self, network)
    }

    /// The kernel takes the outer tag out of the frame before TCX sees it (`skb_vlan_untag`).
    #[inline(always)]
    fn sender(self) -> Sender {
        if !maps::has_ethernet() {
            return Sender::default();
        }
        let mut sender = self.packet().sender();
        // SAFETY: as above.
        unsafe {
            if (*self).vlan_present != 0 {
                sender.vlan = (*self).vlan_tci as u16 & 0x0fff;
            }
        }
        sender
    }
}

/// Whether a packet at TCX is for this copy: on the way out only what this machine sends itself is,
/// what it forwards was judged when it came in.
#[inline(always)]
pub fn is_judged(context: *mut __sk_buff) -> bool {
    // SAFETY: the context is the one that this program was called with. The field is 0 unless the
    // packet came in by a device (`skb_iif`, net/core/dev.c).
    !maps::own_traffic_only() || unsafe { (*context).ingress_ifindex } == 0
}

/// Makes the first `bytes` of a packet readable, or all if it has fewer. What fails leaves the
/// packet as it is: then it is judged by what can be read.
#[inline(always)]
fn reach(context: *mut __sk_buff, bytes: u32) {
    // SAFETY: the context is the one that this program was called with; the helper takes no other
    // pointer. It is called only where something is missing, since it makes a copy of what others
    // read as well (`skb_ensure_writable`, net/core/skbuff.c).
    unsafe {
        let wanted = match (*context).len < bytes {
            true => (*context).len,
            false => bytes,
        };
        if (*context).data_end - (*context).data < wanted {
            bpf_skb_pull_data(context, wanted);
        }
    }
}

/// [`Packet::network`] as a global function, for XDP.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_network(context: *mut xdp_md) -> u64 {
    Network::to_raw(context.packet().network())
}

/// The same for TCX: the verifier wants a context of the program's own kind.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_network_tcx(context: *mut __sk_buff) -> u64 {
    Network::to_raw(context.packet().network())
}

/// Global function of [`PacketContext::transport6`] for XDP.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_transport6(context: *mut xdp_md, network: u32) -> u64 {
    context.packet().transport(Version::V6, network).to_raw()
}

/// The same for TCX.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_transport6_tcx(context: *mut __sk_buff, network: u32) -> u64 {
    context.packet().transport(Version::V6, network).to_raw()
}
