//! The ration of new ledger entries, of each CPU and ledger.

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map};
use firewall_common::ledger::ADMITTED;

/// Of one copy of the program: ledger entries that this CPU admitted within a second. One for the
/// outbound ledger, one for the other.
#[btf_map]
static ADMISSIONS: PerCpuArray<Admissions, 2> = PerCpuArray::new();

/// Entries admitted within a second.
#[repr(C)]
struct Admissions {
    /// Since boot.
    second: u64,
    entries: u64,
}

/// The second of `now`: 2^30 ns is second enough, and a shift is cheaper than a division.
#[inline(always)]
fn second(now: u64) -> u64 {
    now >> 30
}

/// Whether this CPU has made all entries that it may within this second.
#[inline(always)]
pub fn is_spent(admissions: u32, now: u64) -> bool {
    match ADMISSIONS.get(admissions) {
        Some(admissions) => admissions.second == second(now) && admissions.entries >= ADMITTED,
        None => false,
    }
}

/// Whether this CPU may make one more entry within this second.
#[inline(always)]
pub fn admit(admissions: u32, now: u64) -> bool {
    let Some(admissions) = ADMISSIONS.get_ptr_mut(admissions) else {
        return false;
    };
    let second = second(now);
    // SAFETY: the slot is this CPU's own and a program is not preempted by another on it, as with the
    // counters in `maps`.
    unsafe {
        if (*admissions).second != second {
            (*admissions).second = second;
            (*admissions).entries = 0;
        }
        (*admissions).entries += 1;
        (*admissions).entries <= ADMITTED
    }
}
