//! Marks: what says, in a flood of pairs that nobody ever saw, which few may have a ledger entry.
//!
//! Looking a key of 40 bytes up in a hash table of megabytes costs several reads of memory; a mark is
//! a byte in a table that stays in the processor's own cache. Keys share marks, so a live mark says no
//! more than that a look is worth it. A mark that is not live says that the key's entry had no hit for
//! minutes, if there is one at all.
//!
//! A mark is the number of the span of time in which it ends, modulo 256, a span being 2^31 ns
//! (2.1 s); 0 is none. A mark that is out of date by almost 256 spans, 9 minutes, seems to be live
//! once more for 2 of them; all that this costs is looks.

use crate::ledger::LedgerKey;

/// Marks there are.
pub const MARKS: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 17;

/// Nanoseconds of a span, as a shift.
const SPAN_SHIFT: u32 = 31;

/// Spans that the mark of a new entry lives beyond the present one. Most entries of a flood are never
/// hit again, and their marks must not fill the table.
pub const NEW: u8 = 1;

/// Spans that the mark of an entry lives which was hit again: two minutes.
pub const KNOWN: u8 = 56;

/// Nanoseconds, as a shift, after which a hit gives its entry a new mark: 17 s, so that a mark ends
/// no sooner than 100 s after the last hit, and few packets write one.
const RENEWAL_SHIFT: u32 = 34;

/// Which mark is that of `key`.
#[inline(always)]
pub fn slot(key: &LedgerKey) -> u32 {
    let rest = u64::from(key.direction) | u64::from(key.protocol) << 8 | u64::from(key.port) << 16;
    // What differs is in the last octets; in host order they are lowest, and the upper bits of a
    // product depend on all bits below. Odd factors without a pattern: square roots of primes.
    let sum = (u64::from_be(key.inside[0]).wrapping_mul(0x6a09_e667_f3bc_c909))
        .wrapping_add(u64::from_be(key.inside[1]).wrapping_mul(0xbb67_ae85_84ca_a73b))
        .wrapping_add(u64::from_be(key.remote[0]).wrapping_mul(0x3c6e_f372_fe94_f82b))
        .wrapping_add(u64::from_be(key.remote[1]).wrapping_mul(0xa54f_f53a_5f1d_36f1))
        .wrapping_add(rest.wrapping_mul(0x510e_527f_ade6_82d1));
    let folded = (sum ^ sum >> 32).wrapping_mul(0x9b05_688c_2b3e_6c1f);
    (folded >> (64 - SLOT_BITS)) as u32
}

/// Whether `mark` is live at `now`, in nanoseconds since boot.
#[inline(always)]
pub const fn is_live(mark: u8, now: u64) -> bool {
    mark != 0 && left(mark, now) <= KNOWN + 1
}

/// What becomes of `mark` where an entry at `now` wants to be marked for so many spans: it is never
/// made to end sooner, since other keys share it.
#[inline(always)]
pub const fn renewed(mark: u8, now: u64, spans: u8) -> u8 {
    if is_live(mark, now) && left(mark, now) >= spans {
        return mark;
    }
    match span(now).wrapping_add(spans) {
        // 0 is none; a span more harms nobody.
        0 => 1,
        mark => mark,
    }
}

/// Whether the hit at `now` of an entry that has `packets` and was last hit at `last_seen` renews the
/// mark.
#[inline(always)]
pub const fn renews(packets: u64, last_seen: u64, now: u64) -> bool {
    packets == 1 || last_seen >> RENEWAL_SHIFT != now >> RENEWAL_SHIFT
}

const fn span(now: u64) -> u8 {
    (now >> SPAN_SHIFT) as u8
}

/// Spans until `mark` ends.
const fn left(mark: u8, now: u64) -> u8 {
    mark.wrapping_sub(span(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::octets;

    const SECOND: u64 = 1_000_000_000;

    fn key(inside: u32, remote: u32, port: u16) -> LedgerKey {
        let mapped = |address: u32| octets((0, 0xffff_0000_0000 | u64::from(address)));
        LedgerKey {
            inside: mapped(inside),
            remote: mapped(remote),
            direction: 0,
            protocol: 6,
            port,
            padding: 0,
        }
    }

    /// Whenever it is made: all 256 numbers of spans come by.
    #[test]
    fn a_mark_lives_as_long_as_it_should_and_ends() {
        for now in (0..600).map(|second| second * SECOND) {
            assert!(!is_live(0, now), "no mark is live");
            for (spans, least, most) in [(NEW, 2, 7), (KNOWN, 120, 125)] {
                let mark = renewed(0, now, spans);
                assert!(is_live(mark, now + least * SECOND), "{now} {spans}");
                assert!(!is_live(mark, now + most * SECOND), "{now} {spans}");
            }
        }
    }

    #[test]
    fn a_mark_is_made_longer_and_never_shorter() {
        for now in (0..600).map(|second| second * SECOND) {
            let (new, known) = (renewed(0, now, NEW), renewed(0, now, KNOWN));
            assert_eq!(renewed(known, now, NEW), known);
            assert_eq!(renewed(new, now, KNOWN), known);
            // One that has ended is none.
            let later = now + 200 * SECOND;
            assert_eq!(renewed(known, later, NEW), renewed(0, later, NEW));
        }
    }

    /// A new entry is hit again at once, then at equal distances.
    #[test]
    fn hits_within_a_hundred_seconds_keep_a_mark_alive() {
        for pause in [
            SECOND / 1_000,
            SECOND,
            16 * SECOND,
            18 * SECOND,
            99 * SECOND,
        ] {
            let (mut last_seen, mut now) = (7 * SECOND, 7 * SECOND);
            let mut mark = renewed(0, now, NEW);
            for packets in 1..40 {
                assert!(is_live(mark, now), "at hit {packets}, every {pause} ns");
                if renews(packets, last_seen, now) {
                    mark = renewed(mark, now, KNOWN);
                }
                (last_seen, now) = (now, now + pause);
            }
        }
    }

    /// As full as if at random: 65,536 keys in 131,072 slots leave 39 % of these taken.
    #[test]
    fn keys_that_resemble_each_other_spread_over_the_slots() {
        let count = 1 << 16;
        type Make = fn(u32) -> LedgerKey;
        let shapes: [(&str, Make); 5] = [
            ("inside", |n| key(0x0a00_0000 + n, 0xcb00_7107, 443)),
            ("inside /24s", |n| {
                key(0x0a00_0007 + (n << 8), 0xcb00_7107, 443)
            }),
            ("remote", |n| key(0x0a00_0001, 0x0100_0000 + n * 251, 443)),
            ("port", |n| key(0x0a00_0001, 0xcb00_7107, n as u16)),
            ("both", |n| {
                key(0x0a00_0000 + (n & 0xff), 0xcb00_7100 + (n >> 8), 80)
            }),
        ];
        for (what, make) in shapes {
            let mut taken = vec![false; MARKS];
            (0..count).for_each(|n| taken[slot(&make(n)) as usize] = true);
            let taken = taken.iter().filter(|is_taken| **is_taken).count();
            assert!((45_000..).contains(&taken), "{what}: {taken} of {count}");
        }
    }
}
