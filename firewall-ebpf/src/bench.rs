//! The programs that `cargo xtask bench` compares. Each walks on through a table of addresses before
//! it judges, so that one test run sees many packets.
//!
//! `walkN` is the baseline: the next pair is written into the packet and parsed. The others do the
//! same and then one thing more. Parser, decision, counters and ledger are those of the product.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod bpf {
    use aya_ebpf::{
        bindings::{
            BPF_F_MMAPABLE,
            xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS},
            xdp_md,
        },
        btf_maps::{Array, LpmTrie, lpm_trie::Key},
        helpers::generated::bpf_redirect,
        macros::{btf_map, xdp},
        programs::XdpContext,
    };
    use firewall_common::{class::NONE, reason::Reason};
    use firewall_ebpf::{
        context::PacketContext,
        filter::Rules,
        maps::{self, Generation},
        packet::{Addresses, Halves, Version},
        program::{ListedPacket, action, decide_packet, judge, reason},
    };

    const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

    /// Source and destination as they are in an IPv4 header; sized when loaded.
    #[btf_map]
    static PAIRS4: Array<[u64; 1], 1, MMAPABLE> = Array::new();
    /// The same of an IPv6 header.
    #[btf_map]
    static PAIRS6: Array<[u64; 4], 1, MMAPABLE> = Array::new();
    /// How far the walk is.
    #[btf_map]
    static WALK: Array<Walk, 1> = Array::new();
    #[btf_map]
    static LPM4: LpmTrie<[u8; 4], u32, 1> = LpmTrie::new();
    #[btf_map]
    static LPM6: LpmTrie<[u8; 16], u32, 1> = LpmTrie::new();

    /// What user space sets before each run.
    #[repr(C)]
    struct Walk {
        /// Number of the next pair.
        next: u32,
        /// Pairs in use − 1; they are a power of two.
        mask: u32,
        /// Interface that `generate4` sends to.
        interface: u32,
        /// Sum of the IPv4 header's 16-bit words without addresses and checksum.
        sum: u32,
    }

    /// Offset of the addresses behind an Ethernet header: IPv4 (RFC 791 §3.1), IPv6 (RFC 8200 §3).
    const ADDRESSES4: usize = 14 + 12;
    const ADDRESSES6: usize = 14 + 8;
    /// Offset of the IPv4 header's checksum.
    const CHECKSUM4: usize = 14 + 10;

    /// Number of the next pair.
    #[inline(always)]
    fn next() -> Option<u32> {
        let walk = WALK.get_ptr_mut(0)?;
        // SAFETY: a value of the map; a test run has one CPU.
        unsafe {
            let next = (*walk).next;
            (*walk).next = next.wrapping_add(1);
            Some(next & (*walk).mask)
        }
    }

    /// Writes words into the packet. Their place is even and no more.
    #[inline(always)]
    fn write<const N: usize>(context: &XdpContext, offset: usize, words: &[u64; N]) -> Option<()> {
        let start = context.data() + offset;
        if start + N * 8 > context.data_end() {
            return None;
        }
        for (index, word) in words.iter().enumerate() {
            for part in 0..4 {
                let place = (start + index * 8 + part * 2) as *mut u16;
                // SAFETY: lies before data_end, which is checked above, at an even address.
                unsafe { place.write((word >> (part * 16)) as u16) };
            }
        }
        Some(())
    }

    #[inline(always)]
    fn walk4(context: &XdpContext) -> Option<()> {
        write(context, ADDRESSES4, PAIRS4.get(next()?)?)
    }

    #[inline(always)]
    fn walk6(context: &XdpContext) -> Option<()> {
        write(context, ADDRESSES6, PAIRS6.get(next()?)?)
    }

    /// Parses. What it answers depends on every bit of both addresses, or some would not be read.
    #[inline(always)]
    fn parse_only(context: &XdpContext) -> u32 {
        match context.ctx.addresses() {
            Ok(it) if it.source == it.destination => XDP_DROP,
            Ok(_) => XDP_PASS,
            Err(_) => XDP_ABORTED,
        }
    }

    /// Parses and decides by what `rules` answers.
    #[inline(always)]
    fn parse_and(context: &XdpContext, reason: impl FnOnce(&Addresses) -> Reason) -> u32 {
        match context.ctx.addresses() {
            Ok(addresses) => action(reason(&addresses)),
            Err(_) => XDP_ABORTED,
        }
    }

    /// The product without counting anything.
    #[inline(always)]
    fn lookup(context: &XdpContext) -> u32 {
        action(reason(context.ctx, 0, |it| {
            bench_decide(it.context, it.network, it.classes)
        }))
    }

    /// The product without its ledger.
    #[inline(always)]
    fn counters(context: &XdpContext) -> u32 {
        let bytes = context.ctx.bytes();
        let reason = reason(context.ctx, bytes, |it| {
            bench_count(it.context, it.network, it.classes, it.bytes)
        });
        maps::count(reason, bytes);
        action(reason)
    }

    /// All of the product.
    #[inline(always)]
    fn ledger(context: &XdpContext) -> u32 {
        action(judge(context.ctx))
    }

    /// What follows a listed address is a global function, as in the product.
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn bench_decide(context: *mut xdp_md, network: u32, classes: u64) -> u32 {
        let listed = ListedPacket {
            context,
            network,
            classes,
            bytes: 0,
        };
        decide_packet(listed, |_, _, _| {})
    }

    /// The same with the counter of the class.
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn bench_count(
        context: *mut xdp_md,
        network: u32,
        classes: u64,
        bytes: u64,
    ) -> u32 {
        let listed = ListedPacket {
            context,
            network,
            classes,
            bytes,
        };
        decide_packet(listed, |_, _, decision| {
            if decision.class != NONE {
                maps::count_class(decision.class, bytes);
            }
        })
    }

    /// What a bench must notice: it forgets the destination.
    #[inline(always)]
    fn wrong(context: &XdpContext) -> u32 {
        parse_and(context, |it| {
            let class = match it.version {
                Version::V4 => Generation.class4(it.source.1 as u32),
                Version::V6 => Generation.class6(it.source.0, it.source.1),
            };
            listed(class != NONE)
        })
    }

    /// A filter around the kernel's trie, as one would write it: the first hit ends it.
    #[inline(always)]
    fn lpm4(context: &XdpContext) -> u32 {
        parse_and(context, |it| {
            listed(in_trie4(it.source) || in_trie4(it.destination))
        })
    }

    #[inline(always)]
    fn lpm6(context: &XdpContext) -> u32 {
        parse_and(context, |it| {
            listed(in_trie6(it.source) || in_trie6(it.destination))
        })
    }

    #[inline(always)]
    fn in_trie4(address: Halves) -> bool {
        let key = Key::new(32, (address.1 as u32).to_be_bytes());
        LPM4.get(&key).is_some()
    }

    #[inline(always)]
    fn in_trie6((high, low): Halves) -> bool {
        let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = low.to_be_bytes();
        let key = Key::new(128, [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]);
        LPM6.get(&key).is_some()
    }

    #[inline(always)]
    fn listed(is_listed: bool) -> Reason {
        if is_listed {
            Reason::Blocked
        } else {
            Reason::NoMatch
        }
    }

    /// Makes the frame one with the next pair and a right checksum, and sends it to the interface.
    #[inline(always)]
    fn generate(context: &XdpContext) -> Option<u32> {
        let pair = PAIRS4.get(next()?)?;
        write(context, ADDRESSES4, pair)?;
        let walk = WALK.get(0)?;
        let mut sum = u64::from(walk.sum);
        // RFC 1071 §2 (B): the sum is the same in either byte order.
        for part in 0..4 {
            sum += (pair[0] >> (part * 16)) & 0xffff;
        }
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        let place = context.data() + CHECKSUM4;
        if place + 2 > context.data_end() {
            return None;
        }
        // SAFETY: lies before data_end, at an even address.
        unsafe { (place as *mut u16).write(!(sum as u16)) };
        // SAFETY: the helper takes no pointer.
        Some(unsafe { bpf_redirect(walk.interface, 0) } as u32)
    }

    macro_rules! programs {
        ($($name:ident: $context:ident => $answer:expr;)*) => { $(
            #[xdp(frags)]
            pub fn $name($context: XdpContext) -> u32 {
                let $context = &$context;
                $answer
            }
        )* };
    }

    /// A walking program: the next pair, then `judge`.
    #[inline(always)]
    fn after(walked: Option<()>, judge: impl FnOnce() -> u32) -> u32 {
        match walked {
            Some(()) => judge(),
            None => XDP_ABORTED,
        }
    }

    programs! {
        bench_empty: _context => XDP_PASS;
        bench_drop: _context => XDP_DROP;
        bench_parse: context => parse_only(context);
        bench_lpm: context => lpm4(context);
        bench_generate: context => generate(context).unwrap_or(XDP_ABORTED);
        walk_4: context => after(walk4(context), || parse_only(context));
        lookup_4: context => after(walk4(context), || lookup(context));
        counters_4: context => after(walk4(context), || counters(context));
        ledger_4: context => after(walk4(context), || ledger(context));
        lpm_4: context => after(walk4(context), || lpm4(context));
        wrong_4: context => after(walk4(context), || wrong(context));
        walk_6: context => after(walk6(context), || parse_only(context));
        lookup_6: context => after(walk6(context), || lookup(context));
        counters_6: context => after(walk6(context), || counters(context));
        ledger_6: context => after(walk6(context), || ledger(context));
        lpm_6: context => after(walk6(context), || lpm6(context));
        wrong_6: context => after(walk6(context), || wrong(context));
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo) -> ! {
        loop {}
    }

    /// Some helpers are for GPL-compatible programs only.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
