//! The table of [`firewall_common::marks`], in the kernel: one for both ledgers, shared by every copy
//! of the program as they are.

use aya_ebpf::{btf_maps::Array, macros::btf_map};
use firewall_common::{
    ledger::LedgerKey,
    marks::{self, MARKS},
};

/// One value, not one for each mark: the kernel gives each value of an array eight bytes at least.
#[btf_map]
static LEDGER_MARKS: Array<[u8; MARKS], 1> = Array::new();

/// Whether `key` may have an entry that was hit lately.
#[inline(always)]
pub fn is_live(key: &LedgerKey, now: u64) -> bool {
    let Some(mark) = mark_of(key) else {
        return true;
    };
    // SAFETY: a byte of the map's value. Another CPU may write it meanwhile; a byte is one value or
    // the other, and either is as good as a mark read a little sooner or later.
    marks::is_live(unsafe { mark.read_volatile() }, now)
}

/// Marks `key` for so many spans. Two CPUs that write one mark at once leave the mark of one of them;
/// should that be the shorter, hits of the other's entry are left out by a flood, and counted as left
/// out, until it renews its mark.
#[inline(always)]
pub fn mark(key: &LedgerKey, now: u64, spans: u8) {
    let Some(mark) = mark_of(key) else { return };
    // SAFETY: as above.
    unsafe {
        let old = mark.read_volatile();
        let new = marks::renewed(old, now, spans);
        // A line that nobody writes stays in the caches of all CPUs.
        if new != old {
            mark.write_volatile(new);
        }
    }
}

#[inline(always)]
fn mark_of(key: &LedgerKey) -> Option<*mut u8> {
    let marks = LEDGER_MARKS.get_ptr_mut(0)?;
    // SAFETY: a slot is less than `MARKS`, the length of the value.
    Some(unsafe { marks.cast::<u8>().add(marks::slot(key) as usize) })
}
