//! What the program shares with user space: maps, and the constants of an interface's own copy.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_NOEXIST},
    btf_maps::{Array, LruHashMap, PerCpuArray, RingBuf},
    helpers::generated::bpf_ktime_get_coarse_ns,
    macros::btf_map,
};
use firewall_common::{
    class::{Actions, ClassId},
    image::{
        Line, Lines, below6, lookup_port, lookup4, lookup6_with,
        ports::{PortEntry, Ports},
        tree6,
    },
    ledger::{Direction, Event, LEDGER_ENTRIES, LedgerCounter, LedgerEntry, LedgerKey, Role},
    marks::{KNOWN, NEW, renews},
    reason::{Count, Reason},
};

use crate::{filter::Rules, marks, packet::Sender, ration};

const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

/// Bytes of the ring buffer: about 4,000 events.
const EVENTS_BYTES: usize = 1 << 18;

// Of one generation; the sizes are set when it is loaded.
#[btf_map]
static IMAGE4: Array<Line, 1, MMAPABLE> = Array::new();
#[btf_map]
static IMAGE6: Array<Line, 1, MMAPABLE> = Array::new();
/// Ports that are listed on their own, sorted.
#[btf_map]
static PORTS: Array<PortEntry, 1, MMAPABLE> = Array::new();
/// Class → [`Actions`].
#[btf_map]
static CLASSES: Array<u64, 1, MMAPABLE> = Array::new();
#[btf_map]
static CLASS_COUNTERS: PerCpuArray<Count, 1> = PerCpuArray::new();

/// Of one interface: [`Reason`], then [`LedgerCounter`] → packets and bytes.
#[btf_map]
static COUNTERS: PerCpuArray<Count, { firewall_common::COUNTERS }> = PerCpuArray::new();

// Of the whole filter. Two ledgers, so that a flood from outside cannot push out who called out.
#[btf_map]
static LEDGER_OUTBOUND: LruHashMap<LedgerKey, LedgerEntry, LEDGER_ENTRIES> = LruHashMap::new();
#[btf_map]
static LEDGER_INBOUND: LruHashMap<LedgerKey, LedgerEntry, LEDGER_ENTRIES> = LruHashMap::new();
#[btf_map]
static EVENTS: RingBuf<(), EVENTS_BYTES> = RingBuf::new();

/// Role of the interface that this copy is attached to. Set before the program is loaded; the map
/// that holds it is frozen by then, so to the verifier it is a constant.
#[unsafe(no_mangle)]
static ROLE: u32 = Role::Unknown as u32;
/// Generation that this copy belongs to, likewise.
#[unsafe(no_mangle)]
static GENERATION: u32 = 0;

/// Entries of [`PORTS`], likewise.
#[unsafe(no_mangle)]
static PORT_COUNT: u32 = 0;

/// Whether packets start with an Ethernet header here, likewise. Only TCX knows others.
#[unsafe(no_mangle)]
static ETHERNET: u32 = 1;

/// Whether only what this machine itself sends is judged, likewise.
#[unsafe(no_mangle)]
static OWN_TRAFFIC: u32 = 0;

/// Whether packets start with an Ethernet header.
#[inline(always)]
pub fn has_ethernet() -> bool {
    constant(&ETHERNET) != 0
}

/// Whether only what this machine itself sends is judged.
#[inline(always)]
pub fn own_traffic_only() -> bool {
    constant(&OWN_TRAFFIC) != 0
}

/// The role of this copy's interface.
#[inline(always)]
pub fn role() -> Role {
    Role::from_raw(constant(&ROLE))
}

/// What the loader put in place of a constant. Not `aya_ebpf::Global`: the name of the union inside
/// makes type information (BTF) that the kernel refuses.
#[inline(always)]
fn constant(value: &'static u32) -> u32 {
    // SAFETY: a reference is valid to read. Volatile, or the compiler would use the value here.
    unsafe { core::ptr::from_ref(value).read_volatile() }
}

struct Image4;
struct Image6;
struct ListedPorts;

impl Ports for ListedPorts {
    #[inline(always)]
    fn entry(&self, index: u32) -> Option<&PortEntry> {
        PORTS.get(index)
    }

    #[inline(always)]
    fn count(&self) -> u32 {
        constant(&PORT_COUNT)
    }
}

impl Lines for Image4 {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        IMAGE4.get(index)
    }
}

impl Lines for Image6 {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        IMAGE6.get(index)
    }
}

/// The generation's ruleset.
pub struct Generation;

impl Rules for Generation {
    #[inline(always)]
    fn class4(&self, address: u32) -> ClassId {
        lookup4(&Image4, address)
    }

    #[inline(always)]
    fn class6(&self, high: u64, low: u64) -> ClassId {
        lookup6_with(&Image6, high, |descriptor| {
            firewall_below6(high, low, descriptor) as ClassId
        })
    }

    #[inline(always)]
    fn port_class(&self, high: u64, low: u64, service: u64) -> ClassId {
        firewall_port_class(high, low, service) as ClassId
    }

    #[inline(always)]
    fn actions(&self, class: ClassId) -> Actions {
        match CLASSES.get(class.into()) {
            Some(raw) => Actions::from_raw(*raw),
            None => Actions::NONE,
        }
    }
}

/// [`lookup_port`] in the kernel's own map, verified once for both addresses.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_port_class(high: u64, low: u64, service: u64) -> u32 {
    lookup_port(&ListedPorts, high, low, service).into()
}

/// [`below6`] in the kernel's own maps. A global function has a stack frame of its own (512 bytes are
/// all there is) and is verified once, whoever calls it.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_below6(high: u64, low: u64, descriptor: u32) -> u32 {
    below6(&Image6, high, low, descriptor, |value, key| {
        firewall_tree6(value, key)
    })
    .into()
}

/// [`tree6`] in the kernel's own maps, verified once instead of once for each level of trees.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_tree6(value: u32, key: u32) -> u32 {
    tree6(&Image6, value, key)
}

/// Counts a packet under its reason.
#[inline(always)]
pub fn count(reason: Reason, bytes: u64) {
    add(COUNTERS.get_ptr_mut(reason as u32), bytes);
}

/// Counts something about the ledger.
#[inline(always)]
fn count_ledger(counter: LedgerCounter, bytes: u64) {
    add(
        COUNTERS.get_ptr_mut(Reason::ALL.len() as u32 + counter as u32),
        bytes,
    );
}

/// Counts a hit under its class.
#[inline(always)]
pub fn count_class(class: ClassId, bytes: u64) {
    add(CLASS_COUNTERS.get_ptr_mut(class.into()), bytes);
}

#[inline(always)]
fn add(counter: Option<*mut Count>, bytes: u64) {
    let Some(counter) = counter else { return };
    // SAFETY: the slot is this CPU's own and a program is not preempted by another on it
    // (kernel: bpf_prog_run_xdp runs under local_bh_disable), so nobody else writes it meanwhile.
    unsafe {
        (*counter).packets += 1;
        (*counter).bytes += bytes;
    }
}

/// What the ledger is told about a hit.
pub struct Hit {
    /// Whose entry it is.
    pub key: LedgerKey,
    /// The class that matched.
    pub class: ClassId,
    /// What came of it.
    pub reason: Reason,
    /// Interface index.
    pub interface: u32,
    /// Length of the packet.
    pub bytes: u64,
    /// Ethernet header of the packet, if the inside host sent it; else zeros.
    pub sender: Sender,
}

/// Counts a hit in the ledger, and reports it if it is the first of its entry.
#[inline(always)]
pub fn record(hit: &Hit) {
    if hit.key.direction == Direction::Outbound as u8 {
        record_in(&LEDGER_OUTBOUND, 0, hit);
    } else {
        record_in(&LEDGER_INBOUND, 1, hit);
    }
}

#[inline(always)]
fn record_in(
    ledger: &LruHashMap<LedgerKey, LedgerEntry, LEDGER_ENTRIES>,
    admissions: u32,
    hit: &Hit,
) {
    // The coarse clock: the exact one costs a tenth of all that a hit costs (docs/performance.md).
    // SAFETY: the helper reads a clock and takes no pointer.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let generation = constant(&GENERATION);
    let key = &hit.key;
    // In a flood nearly every pair is new, and to look for its entry costs more than all the rest.
    if ration::is_spent(admissions, now) && !marks::is_live(key, now) {
        count_ledger(LedgerCounter::Skipped, hit.bytes);
        return;
    }
    if let Some(entry) = ledger.get_ptr_mut(key) {
        update(entry, now, generation, hit);
        return;
    }
    if !ration::admit(admissions, now) {
        count_ledger(LedgerCounter::Skipped, hit.bytes);
        return;
    }
    // First, so that no hit of the entry finds it unmarked.
    marks::mark(key, now, NEW);
    let entry = LedgerEntry {
        packets: 1,
        bytes: hit.bytes,
        first_seen: now,
        last_seen: now,
        generation,
        interface: hit.interface,
        class: hit.class,
        mac: hit.sender.mac,
        vlan: hit.sender.vlan,
        reason: hit.reason as u16,
        padding: [0; 2],
    };
    match ledger.insert(key, entry, BPF_NOEXIST.into()) {
        Ok(()) => {
            count_ledger(LedgerCounter::New, hit.bytes);
            report(&Event {
                seen: now,
                key: hit.key,
                generation,
                interface: hit.interface,
                class: hit.class,
                reason: hit.reason as u16,
                padding: [0; 2],
            });
        }
        // Another CPU was first with the same entry, and has reported it; or there is no room.
        Err(_) => match ledger.get_ptr_mut(key) {
            Some(entry) => update(entry, now, generation, hit),
            None => count_ledger(LedgerCounter::Skipped, hit.bytes),
        },
    }
}

#[inline(always)]
fn update(entry: *mut LedgerEntry, now: u64, generation: u32, hit: &Hit) {
    // SAFETY: the entry stays memory of this map even if it is evicted meanwhile (LRU slots are
    // preallocated, kernel/bpf/hashtab.c). Sums are added atomically; of the rest the last hit wins,
    // whichever CPU writes it.
    unsafe {
        if renews((*entry).packets, (*entry).last_seen, now) {
            marks::mark(&hit.key, now, KNOWN);
        }
        atomic_add(&raw mut (*entry).packets, 1);
        atomic_add(&raw mut (*entry).bytes, hit.bytes);
        (*entry).last_seen = now;
        (*entry).generation = generation;
        (*entry).interface = hit.interface;
        (*entry).class = hit.class;
        (*entry).reason = hit.reason as u16;
        if hit.sender.mac != [0; 6] {
            (*entry).mac = hit.sender.mac;
            (*entry).vlan = hit.sender.vlan;
        }
    }
}

/// Adds without losing what another CPU adds at the same time.
///
/// # Safety
/// `sum` must be valid and aligned.
#[inline(always)]
unsafe fn atomic_add(sum: *mut u64, amount: u64) {
    // The BPF target has no compare-and-swap before v3, so core offers no `AtomicU64::fetch_add`
    // for it; the plain atomic add (BPF_ATOMIC | BPF_ADD) is there since the first eBPF.
    #[cfg(target_arch = "bpf")]
    // SAFETY: promised by the caller.
    unsafe {
        use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};
        atomic_xadd::<u64, u64, { Relaxed }>(sum, amount);
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: promised by the caller.
    unsafe {
        use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
        AtomicU64::from_ptr(sum).fetch_add(amount, Relaxed);
    }
}

/// Puts an event into the ring buffer. When that is full the event is lost, never waited for: the
/// ledger has the entry.
#[inline(always)]
fn report(event: &Event) {
    let Some(mut bytes) = EVENTS.reserve_bytes(size_of::<Event>(), 0) else {
        count_ledger(LedgerCounter::EventLost, 0);
        return;
    };
    // SAFETY: the kernel reserved `size_of::<Event>()` bytes, 8-byte aligned (kernel/bpf/ringbuf.c).
    unsafe { bytes.as_mut_ptr().cast::<Event>().write(*event) };
    bytes.submit(0);
}
