//! How many addresses a feed covers, all its entries together.

use crate::{address::Address, feed::format::Indicator};

use super::Guarded;

/// IPv4 addresses that a feed may cover unless its configuration says otherwise: as many as four of
/// the widest entries, 64 Mi. Spamhaus DROP covers 15 million.
pub const MAX_COVERAGE: u64 = 4 << 24;

/// For IPv6 an IPv4 address stands for a /43: four of the widest entries are as much there as here.
const IPV6_FOR_IPV4: u32 = 128 - 43;

/// How many addresses the indicators cover, each counted once.
pub fn coverage<A: Address + Into<u128>>(indicators: &[Indicator<A>]) -> u128 {
    let range = |it: &Indicator<A>| (it.address, it.address.last(it.length));
    let mut ranges: Vec<(A, A)> = indicators.iter().map(range).collect();
    ranges.sort_unstable();
    let (mut count, mut reached) = (0_u128, None::<A>);
    for (first, last) in ranges {
        let after = match reached {
            Some(reached) if reached >= first => reached.next(),
            _ => Some(first),
        };
        if let Some(first) = after.filter(|&first| first <= last) {
            count = count.saturating_add(size(first, last));
            reached = Some(last);
        }
    }
    count
}

/// Why the feed is not put in force without a question, if it covers more than `limit` IPv4
/// addresses, or as much of IPv6; for people. All of IPv4 is no limit, for neither.
pub fn objection(guarded: &Guarded, limit: u64) -> Option<String> {
    if limit >= 1 << 32 {
        return None;
    }
    let limit_v6 = u128::from(limit) << IPV6_FOR_IPV4;
    let v4 = over(&guarded.v4, limit.into())
        .map(|count| format!("it covers {count} IPv4 addresses, and {limit} is the limit"));
    v4.or_else(|| {
        let share = over(&guarded.v6, limit_v6)? >> IPV6_FOR_IPV4;
        Some(format!(
            "it covers as much of IPv6 as {share} networks of /43, and {limit} is the limit"
        ))
    })
}

/// The coverage, if it is more than `limit`. Nearly all feeds cover so little that nothing has to be
/// sorted to know that it is not.
fn over<A: Address + Into<u128>>(indicators: &[Indicator<A>], limit: u128) -> Option<u128> {
    let sizes = indicators
        .iter()
        .map(|it| size(it.address, it.address.last(it.length)));
    let at_most = sizes.fold(0, u128::saturating_add);
    let covered = (at_most > limit).then(|| coverage(indicators))?;
    (covered > limit).then_some(covered)
}

fn size<A: Address + Into<u128>>(first: A, last: A) -> u128 {
    let difference: u128 = last.minus(first).into();
    difference.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::feed::{
        format::{self, Format, How},
        guard::{self, gates::Shortest},
    };

    fn guarded(text: &str) -> Guarded {
        let parsed = format::parse(Format::Plain, &How::default(), text.as_bytes()).unwrap();
        guard::check(&parsed, &[], Shortest::default()).unwrap()
    }

    #[test]
    fn such_a_list_covers_so_many_addresses() {
        let table = [
            ("192.0.2.1", 1),
            ("192.0.2.1\n192.0.2.1:443\n192.0.2.1", 1),
            ("192.0.2.0/24\n192.0.2.128/25\n192.0.2.0/30", 256),
            ("192.0.2.128/25\n192.0.2.0/24\n198.51.100.0/24", 512),
            ("255.255.255.0/24\n255.255.255.255", 256),
            ("8.0.0.0/8\n9.0.0.0/8", 2 << 24),
        ];
        for (text, expected) in table {
            assert_eq!(coverage(&guarded(text).v4), expected, "{text}");
        }
        assert_eq!(coverage(&guarded("2001:db8::/64\n2001:db8::1").v6), 1 << 64);
    }

    #[test]
    fn such_a_list_is_too_wide_or_not() {
        let four = "8.0.0.0/8\n9.0.0.0/8\n12.0.0.0/8\n13.0.0.0/8\n";
        let four_v6 = "2001::/19\n2001:2000::/19\n2001:4000::/19\n2001:6000::/19\n";
        let table = [
            (four.to_owned(), None),
            (four.repeat(3), None),
            (
                format!("{four}14.0.0.0"),
                Some("it covers 67108865 IPv4 addresses, and 67108864 is the limit"),
            ),
            (four_v6.to_owned(), None),
            (
                format!("{four_v6}2a00::/32"),
                Some("as much of IPv6 as 67110912 networks of /43, and 67108864 is the limit"),
            ),
        ];
        for (text, expected) in table {
            let objection = objection(&guarded(&text), MAX_COVERAGE);
            let fits = match (&objection, expected) {
                (Some(objection), Some(expected)) => objection.contains(expected),
                (objection, expected) => objection.is_none() && expected.is_none(),
            };
            assert!(fits, "{text}: {objection:?}");
        }
        assert_eq!(objection(&guarded("8.0.0.0/8"), 1 << 24), None);
        let more_v6 = format!("{four_v6}2a00::/32");
        assert!(objection(&guarded(&more_v6), MAX_COVERAGE).is_some());
        assert_eq!(objection(&guarded(&more_v6), 1 << 32), None);
        assert!(objection(&guarded("8.0.0.0/8"), (1 << 24) - 1).is_some());
    }

    proptest! {
        #[test]
        fn like_counting_each_address(
            entries in prop::collection::vec((0..1024_u32, 22..=32_u8), 0..20), limit in 0..1024_u128,
        ) {
            let base = 0xcb00_7000_u32;
            let indicators: Vec<Indicator<u32>> = entries
                .iter()
                .map(|&(offset, length)| Indicator { address: (base + offset).first(length), line: 1, since: 0, length, port: None })
                .collect();
            let mut all = BTreeSet::new();
            for it in &indicators {
                all.extend(it.address..=it.address.last(it.length));
            }
            let expected = all.len() as u128;
            prop_assert_eq!(coverage(&indicators), expected);
            prop_assert_eq!(over(&indicators, limit), (expected > limit).then_some(expected));
        }
    }
}
