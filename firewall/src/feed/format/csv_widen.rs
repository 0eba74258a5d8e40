//! Columns of a table that make more of an address than itself: the end of a range, the length or mask
//! of a prefix. Most rows decide whether a column is one; a row in which it is blank is its address alone.

use std::net::IpAddr;

use super::{
    cell,
    columns::{are_ends, is_mask},
    csv_layout::each_of_sample,
    is_tolerable,
    item::{Item, item, masked},
    rows::Fields,
    tabular::{Header, Table},
    text,
};
use crate::address::Prefix;

/// The column with the rest of an entry that begins in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Widening {
    /// The last address of a range.
    Last(usize),
    /// The length of a prefix, or its mask.
    Mask(usize),
    /// The length of a prefix in feeds of F5, in whose next column stands `bl` or `wl`.
    F5(usize),
}

impl Widening {
    /// The column that widens what is in `address`.
    pub fn of(table: Table<'_>, header: Option<&Header>, address: usize) -> Option<Self> {
        let next = address + 1;
        match header {
            Some(header) => {
                let masks = header.beside(address, |name, other| is_mask(other, name));
                let lasts = header.beside(address, are_ends);
                let mask = |&column: &usize| are_masks(table, address, column);
                let last = |&column: &usize| most_are_ranges(table, address, column);
                let mask = masks.into_iter().find(mask).map(Self::Mask);
                mask.or_else(|| lasts.into_iter().find(last).map(Self::Last))
            }
            None if is_f5(table, address) => Some(Self::F5(next)),
            None if are_dotted_masks(table, address) || are_lengths(table, address) => {
                Some(Self::Mask(next))
            }
            None => rows_ascend(table, address).then_some(Self::Last(next)),
        }
    }

    /// What the row has in place of the `item` that begins it.
    ///
    /// # Errors
    /// The other column has something that makes nothing of it.
    pub fn widened(self, item: Item, fields: &Fields<'_>) -> Result<Item, &'static str> {
        let (Self::Last(column) | Self::Mask(column) | Self::F5(column)) = self;
        let Some(other) = fields.get(column).filter(|it| !cell::is_blank(it)) else {
            return Ok(item);
        };
        match self {
            Self::Last(_) => range(item, other).ok_or("no range of two addresses in the row"),
            Self::Mask(_) | Self::F5(_) => {
                with_mask(item, other).ok_or("no mask of an address in the row")
            }
        }
    }
}

fn range(first: Item, last: &[u8]) -> Option<Item> {
    let first: IpAddr = match first {
        Item::Prefix(Prefix::V4(address, 32)) => IpAddr::V4(address.into()),
        Item::Prefix(Prefix::V6(address, 128)) => IpAddr::V6(address.into()),
        _ => return None,
    };
    text::address(last).map(|last| Item::Range(first, last))
}

/// An address with its mask; a prefix whose mask says the same.
fn with_mask(item: Item, mask: &[u8]) -> Option<Item> {
    let host = match item {
        Item::Prefix(Prefix::V4(address, _)) => Item::Prefix(Prefix::V4(address, 32)),
        Item::Prefix(Prefix::V6(address, _)) => Item::Prefix(Prefix::V6(address, 128)),
        other => other,
    };
    masked(host, mask).filter(|&with| item == host || item == with)
}

/// The pairs of cells in two columns of the sample, neither of which is blank, and whose first is an entry.
fn each_pair(
    table: Table<'_>,
    first: usize,
    second: usize,
    mut look: impl FnMut(Item, &[u8], &Fields<'_>),
) {
    each_of_sample(table, |fields| {
        let (Some(begin), Some(other)) = (fields.get(first), fields.get(second)) else {
            return;
        };
        if let Ok(item) = item(begin)
            && !cell::is_blank(other)
        {
            look(item, other, fields);
        }
    });
}

/// Whether the column has masks of the addresses in most rows.
fn are_masks(table: Table<'_>, address: usize, column: usize) -> bool {
    let (mut fit, mut all) = (0, 0);
    each_pair(table, address, column, |item, mask, _| {
        fit += usize::from(with_mask(item, mask).is_some());
        all += 1;
    });
    2 * fit > all
}

/// Whether masks of four numbers stand behind the addresses.
fn are_dotted_masks(table: Table<'_>, address: usize) -> bool {
    let (mut fit, mut all) = (0, 0);
    each_pair(table, address, address + 1, |item, mask, _| {
        let is_mask = mask.contains(&b'.') && masked(item, mask).is_some();
        fit += usize::from(is_mask);
        all += 1;
    });
    fit > 0 && is_tolerable(all - fit, all)
}

/// Whether numbers behind the addresses are lengths of prefixes, and no counts: no prefix has a bit of a
/// host, and so many bits could be set that this is no accident. A list of hosts has such bits.
pub(super) fn are_lengths(table: Table<'_>, address: usize) -> bool {
    /// As many as two `/24` have.
    const CERTAIN: u32 = 16;
    let (mut clear, mut prefixes, mut fits) = (0, 0, true);
    each_pair(table, address, address + 1, |item, length, _| {
        match (item, masked(item, length)) {
            (Item::Prefix(Prefix::V4(address, 32)), Some(Item::Prefix(Prefix::V4(_, length)))) => {
                let free = 32 - u32::from(length);
                fits &= address.trailing_zeros() >= free;
                clear += free;
                prefixes += usize::from(free > 0);
            }
            (Item::Prefix(Prefix::V6(address, 128)), Some(Item::Prefix(Prefix::V6(_, length)))) => {
                let free = 128 - u32::from(length);
                fits &= address.trailing_zeros() >= free;
                clear += free;
                prefixes += usize::from(free > 0);
            }
            _ => fits = false,
        }
    });
    fits && prefixes > 1 && clear >= CERTAIN
}

/// Whether the rows are address, length, `bl` or `wl`, and category, as F5 devices read them.
fn is_f5(table: Table<'_>, address: usize) -> bool {
    let (mut fits, mut any) = (true, false);
    each_pair(table, address, address + 1, |item, length, fields| {
        let list = fields.get(address + 2);
        fits &= list.is_some_and(|it| cell::is_one_of(it, &["bl", "wl"]));
        fits &= masked(item, length).is_some();
        any = true;
    });
    fits && any
}

/// Whether the column has last addresses of ranges in most rows in which it has anything.
fn most_are_ranges(table: Table<'_>, first: usize, column: usize) -> bool {
    let (mut fit, mut all) = (0, 0);
    each_pair(table, first, column, |item, last, _| {
        fit += usize::from(range(item, last).is_some());
        all += 1;
    });
    2 * fit > all
}

/// Without names two columns of addresses beside each other are ranges if they ascend, and most of them
/// within one network: otherwise it is traffic from the one to the other.
fn rows_ascend(table: Table<'_>, first: usize) -> bool {
    let (mut fit, mut near, mut wide, mut all) = (0, 0, false, 0);
    each_pair(table, first, first + 1, |item, last, _| {
        all += 1;
        if let Some(Item::Range(first, last)) = range(item, last)
            && first.is_ipv4() == last.is_ipv4()
            && first <= last
        {
            fit += 1;
            near += usize::from(are_near(first, last));
            wide |= first < last;
        }
    });
    wide && is_tolerable(all - fit, all) && 2 * near > all
}

fn are_near(first: IpAddr, last: IpAddr) -> bool {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => first.octets()[0] == last.octets()[0],
        (IpAddr::V6(first), IpAddr::V6(last)) => first.segments()[0] == last.segments()[0],
        _ => false,
    }
}
