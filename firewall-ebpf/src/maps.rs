//! What the program shares with user space: maps, and the constants of an interface's own copy.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, LruHashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use firewall_common::{
    class::{Actions, ClassId},
    image::{
        Line, Lines, below6, lookup_port, lookup4, lookup6_with,
        ports::{PortEntry, Ports},
        tree6,
    },
    ledger::{LEDGER_ENTRIES, LedgerCounter, LedgerEntry, LedgerKey, Role},
    reason::{Count, Reason},
};

use crate::filter::Rules;

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
pub(crate) static LEDGER_OUTBOUND: LruHashMap<LedgerKey, LedgerEntry, LEDGER_ENTRIES> =
    LruHashMap::new();
#[btf_map]
pub(crate) static LEDGER_INBOUND: LruHashMap<LedgerKey, LedgerEntry, LEDGER_ENTRIES> =
    LruHashMap::new();
#[btf_map]
pub(crate) static EVENTS: RingBuf<(), EVENTS_BYTES> = RingBuf::new();

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

/// The generation that this copy belongs to.
#[inline(always)]
pub(crate) fn generation() -> u32 {
    constant(&GENERATION)
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
pub(crate) fn count_ledger(counter: LedgerCounter, bytes: u64) {
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
