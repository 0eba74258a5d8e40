//! Recording a hit: counts it in the ledger, and reports it if it is the first of its entry.
//!
//! Whoever decides about a packet writes the hit into the scratch of this CPU ([`write`]), and the entry
//! point then calls [`firewall_record`]. Key and entry would take 96 bytes of the stack that a whole chain
//! of calls shares (512), and a global function is handed numbers only.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    btf_maps::{LruHashMap, PerCpuArray},
    helpers::generated::bpf_ktime_get_coarse_ns,
    macros::btf_map,
};
use firewall_common::{
    class::ClassId,
    ledger::{Direction, Event, LEDGER_ENTRIES, LedgerCounter, LedgerEntry, LedgerKey},
    marks::{KNOWN, NEW, renews},
    reason::Reason,
};

use crate::{
    maps::{EVENTS, LEDGER_INBOUND, LEDGER_OUTBOUND, count_ledger, generation},
    marks,
    packet::Sender,
    ration,
};

/// Of one copy of the program: the hit that this CPU is about to record.
#[btf_map]
static HIT: PerCpuArray<Hit, 1> = PerCpuArray::new();

/// A hit, as the ledger is told of it.
#[repr(C)]
pub struct Hit {
    /// Whose entry it is.
    pub key: LedgerKey,
    /// What that entry is if the hit is its first; times and generation are filled in when it is recorded.
    pub entry: LedgerEntry,
}

/// What is known of a hit when it is decided about.
pub struct Seen {
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

/// Writes the hit that [`firewall_record`] is to record. Nothing else runs on this CPU in between: see
/// [`crate::maps::count`].
#[inline(always)]
pub fn write(key: LedgerKey, seen: &Seen) {
    let Some(hit) = HIT.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the slot is this CPU's own. It is written field by field: a whole entry would be filled with
    // zeros a byte at a time, which costs as much as the search for the entry.
    unsafe {
        (*hit).key = key;
        let entry = &raw mut (*hit).entry;
        (*entry).packets = 1;
        (*entry).bytes = seen.bytes;
        (*entry).interface = seen.interface;
        (*entry).class = seen.class;
        (*entry).mac = seen.sender.mac;
        (*entry).vlan = seen.sender.vlan;
        (*entry).reason = seen.reason as u16;
        (*entry).padding = [0; 2];
    }
}

/// The hit that was written last on this CPU.
#[inline(always)]
pub fn written<'a>() -> Option<&'a Hit> {
    HIT.get(0)
}

/// Records the hit that was written last on this CPU.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn firewall_record() -> u32 {
    if let Some(hit) = HIT.get_ptr_mut(0) {
        // SAFETY: the slot is this CPU's own, and nobody else has a reference to it meanwhile.
        record(unsafe { &mut *hit });
    }
    0
}

#[inline(always)]
fn record(hit: &mut Hit) {
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
    hit: &mut Hit,
) {
    let Hit { key, entry: new } = hit;
    let key: &LedgerKey = key;
    // The coarse clock: the exact one costs a tenth of all that a hit costs (docs/performance.md).
    // SAFETY: the helper reads a clock and takes no pointer.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    // In a flood nearly every pair is new, and to look for its entry costs more than all the rest.
    if ration::is_spent(admissions, now) && !marks::is_live(key, now) {
        count_ledger(LedgerCounter::Skipped, new.bytes);
        return;
    }
    new.last_seen = now;
    new.generation = generation();
    if let Some(entry) = ledger.get_ptr_mut(key) {
        update(entry, key, new);
        return;
    }
    if !ration::admit(admissions, now) {
        count_ledger(LedgerCounter::Skipped, new.bytes);
        return;
    }
    // First, so that no hit of the entry finds it unmarked.
    marks::mark(key, now, NEW);
    new.first_seen = now;
    let new: &LedgerEntry = new;
    match ledger.insert(key, new, BPF_NOEXIST.into()) {
        Ok(()) => {
            count_ledger(LedgerCounter::New, new.bytes);
            report(key, new);
        }
        // Another CPU was first with the same entry, and has reported it; or there is no room.
        Err(_) => match ledger.get_ptr_mut(key) {
            Some(entry) => update(entry, key, new),
            None => count_ledger(LedgerCounter::Skipped, new.bytes),
        },
    }
}

#[inline(always)]
fn update(entry: *mut LedgerEntry, key: &LedgerKey, new: &LedgerEntry) {
    // SAFETY: the entry stays memory of this map even if it is evicted meanwhile (LRU slots are
    // preallocated, kernel/bpf/hashtab.c). Sums are added atomically; of the rest the last hit wins,
    // whichever CPU writes it.
    unsafe {
        if renews((*entry).packets, (*entry).last_seen, new.last_seen) {
            marks::mark(key, new.last_seen, KNOWN);
        }
        atomic_add(&raw mut (*entry).packets, 1);
        atomic_add(&raw mut (*entry).bytes, new.bytes);
        (*entry).last_seen = new.last_seen;
        (*entry).generation = new.generation;
        (*entry).interface = new.interface;
        (*entry).class = new.class;
        (*entry).reason = new.reason;
        if new.mac != [0; 6] {
            (*entry).mac = new.mac;
            (*entry).vlan = new.vlan;
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
fn report(key: &LedgerKey, entry: &LedgerEntry) {
    let Some(mut bytes) = EVENTS.reserve_bytes(size_of::<Event>(), 0) else {
        count_ledger(LedgerCounter::EventLost, 0);
        return;
    };
    let event = bytes.as_mut_ptr().cast::<Event>();
    // SAFETY: the kernel reserved `size_of::<Event>()` bytes, 8-byte aligned (kernel/bpf/ringbuf.c); every
    // field is written.
    unsafe {
        (*event).seen = entry.first_seen;
        (*event).key = *key;
        (*event).generation = entry.generation;
        (*event).interface = entry.interface;
        (*event).class = entry.class;
        (*event).reason = entry.reason;
        (*event).padding = [0; 2];
    }
    bytes.submit(0);
}
