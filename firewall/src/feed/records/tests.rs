use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::feed::format::{self, Format, How};

const CONTENT: Digest = [7; 32];

fn records(text: &str) -> Records {
    let mut parsed = format::parse(Format::Plain, &How::default(), text.as_bytes()).unwrap();
    Records::take(&mut parsed)
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    Records::decode(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_in_order() {
    let mut list =
        records("203.0.113.9\n2001:db8::/32\n192.0.2.7:443/tcp\n192.0.2.7:53\n192.0.2.0/24\n");
    list.date(None, &[], time(1000));
    let (header, read) = Records::decode(&list.encode(&CONTENT)).unwrap();
    assert_eq!((header.content, &read), (CONTENT, &list));
    let lines: Vec<u32> = read.v4.iter().map(|it| it.line).collect();
    assert_eq!(lines, [5, 4, 3, 1]);
    assert!(read.v4.iter().all(|it| it.since == 1000));
    assert_eq!(Header::read(&list.encode(&CONTENT)[..]).unwrap(), header);
}

#[test]
fn what_was_listed_before_keeps_its_time() {
    let mut first = records("192.0.2.1\n192.0.2.2\n198.51.100.0/24\n");
    first.date(None, &[], time(1000));
    let mut second = records("198.51.100.0/25\n192.0.2.2\n192.0.2.3\n2001:db8::1\n");
    second.date(Some(&first), &[], time(2000));
    let since: Vec<u32> = second.v4.iter().map(|it| it.since).collect();
    assert_eq!((since, second.v6[0].since), (vec![1000, 2000, 1000], 2000));
}

/// Since when the last of these is listed at 3000: the first at 1000, the second as well at 2000.
fn since(listed: [&str; 3], held_back: &[&str]) -> u32 {
    let [first, second, third] = listed.map(|it| it.replace(' ', "\n"));
    let mut before = records(&first);
    before.date(None, &[], time(1000));
    let mut both = records(&format!("{first}\n{second}\n"));
    both.date(Some(&before), &[], time(2000));
    let mut after = records(&third);
    let held_back: Vec<IpNet> = held_back.iter().map(|it| it.parse().unwrap()).collect();
    after.date(Some(&both), &held_back, time(3000));
    let v4 = after.v4.iter().map(|it| it.since);
    v4.chain(after.v6.iter().map(|it| it.since)).max().unwrap()
}

#[test]
fn what_lies_in_what_was_listed_before_is_as_old_as_the_newest_of_it() {
    let halves = "198.51.100.0/24 198.51.101.0/24";
    let whole = "198.51.100.0/23";
    let table = [
        ([halves, "", whole], 1000),
        ([whole, "", halves], 1000),
        (["198.51.100.0/24", "198.51.101.0/24", whole], 2000),
        (["198.51.100.0/24", "", whole], 3000),
        (["198.51.101.0/24", "", whole], 3000),
        (["198.51.100.0/24", whole, "198.51.100.0/25"], 1000),
        ([halves, "198.51.0.0/16", whole], 1000),
        (["198.51.100.0/24", "198.51.0.0/16", whole], 2000),
        (["0.0.0.0/1 128.0.0.0/1", "", "0.0.0.0/0"], 1000),
        (
            ["2001:db8::/33 2001:db8:8000::/33", "", "2001:db8::/32"],
            1000,
        ),
        (["192.0.2.7:53", "", "192.0.2.7"], 3000),
        (["192.0.2.7:53", "", "192.0.2.7:443"], 3000),
        (["192.0.2.7", "", "192.0.2.7:53"], 1000),
        (["192.0.2.0/24", "", "192.0.2.7:53"], 1000),
    ];
    for (listed, expected) in table {
        assert_eq!(since(listed, &[]), expected, "{listed:?}");
    }
    assert_eq!(since([halves, "", whole], &["198.51.101.0/24"]), 3000);
    assert_eq!(since([whole, "", halves], &[whole]), 3000);
    assert_eq!(
        since([whole, "", whole], &[whole]),
        1000,
        "it is held back itself"
    );
}

#[test]
fn what_a_clock_that_was_ahead_has_dated_is_older_than_what_is_new() {
    let mut ahead = records("198.51.100.0/24\n198.51.101.0/24\n");
    ahead.date(None, &[], time(5000));
    let mut now = records("198.51.100.0/24\n198.51.100.0/25\n203.0.113.0/24\n");
    now.date(Some(&ahead), &[], time(3000));
    let since: Vec<u32> = now.v4.iter().map(|it| it.since).collect();
    assert_eq!(since, [2999, 2999, 3000]);
}

#[test]
fn the_digest_of_the_entries_is_the_same_on_other_lines_and_at_other_times() {
    let digest = |text: &str, second| {
        let mut list = records(text);
        list.date(None, &[], time(second));
        Header::read(&list.encode(&CONTENT)[..]).unwrap().entries
    };
    let one = digest("192.0.2.1\n192.0.2.2\n", 1);
    assert_eq!(one, digest("# another day\n192.0.2.2\n192.0.2.1\n", 2));
    assert_ne!(one, digest("192.0.2.1\n192.0.2.3\n", 1));
    assert_ne!(one, digest("192.0.2.1\n192.0.2.2:53\n", 1));
}

/// With digests that fit, so that it is the record itself that is found out.
fn encoded(v4: Vec<Indicator<u32>>) -> Vec<u8> {
    Records { v4, v6: Vec::new() }.encode(&CONTENT)
}

#[test]
fn records_that_no_parser_makes_are_refused() {
    let host = Indicator {
        address: 0xc000_0201,
        line: 1,
        since: 0,
        length: 32,
        port: None,
    };
    let port = Some(Port {
        number: 53,
        protocol: None,
    });
    let no_number = Some(Port {
        number: 0,
        protocol: Some(Protocol::Tcp),
    });
    let table = [
        (vec![Indicator { length: 24, ..host }], "is no prefix"),
        (vec![Indicator { length: 33, ..host }], "is no prefix"),
        (
            vec![Indicator {
                port,
                length: 24,
                address: 0xc000_0200,
                ..host
            }],
            "more than one address",
        ),
        (
            vec![Indicator {
                port: no_number,
                ..host
            }],
            "no port",
        ),
        (vec![host, Indicator { address: 1, ..host }], "not in order"),
        (vec![Indicator { line: 2, ..host }, host], "not in order"),
    ];
    for (v4, why) in table {
        let refused = refusal(&encoded(v4));
        assert!(refused.contains(why), "{refused} instead of {why}");
    }
    assert!(Records::decode(&encoded(vec![host, host])).is_ok());
}

#[test]
fn each_flipped_bit_and_each_cut_is_found() {
    let whole = records("192.0.2.1\n192.0.2.2\n2001:db8::1\n").encode(&CONTENT);
    for byte in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1;
        assert!(Records::decode(&flipped).is_err(), "byte {byte}");
        assert!(Records::decode(&whole[..byte]).is_err(), "cut at {byte}");
    }
    assert!(Records::decode(&[&whole[..], b"x"].concat()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_records(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Records::decode(&bytes);
        bytes.splice(0..0, MAGIC);
        let _ = Records::decode(&bytes);
    }

    #[test]
    fn dates_are_those_of_a_map(
        old in prop::collection::btree_set(0..200_u32, 0..50),
        new in prop::collection::vec(0..200_u32, 0..50),
    ) {
        let text = |hosts: &[u32]| hosts.iter().map(|host| format!("192.0.2.{host}\n")).collect::<String>();
        let mut before = records(&text(&old.iter().copied().collect::<Vec<_>>()));
        before.date(None, &[], time(1));
        let mut after = records(&text(&new));
        after.date(Some(&before), &[], time(2));
        for it in &after.v4 {
            prop_assert_eq!(it.since == 1, old.contains(&(it.address & 0xff)));
        }
    }

    /// Against a look at each address.
    #[test]
    fn covered_is_what_every_address_of_it_is(
        old in prop::collection::vec((0xc000_0200..0xc000_0210_u32, 28..=32_u8, 1..9_i64, 0..4_u8), 0..12),
        new in prop::collection::vec((0xc000_0200..0xc000_0210_u32, 28..=32_u8), 1..12),
    ) {
        let net = |host: u32, length| format!("{}/{length}", Ipv4Addr::from(host.first(length)));
        let mut before = Records::default();
        let mut held_back: Vec<IpNet> = Vec::new();
        for &(host, length, since, held) in &old {
            let mut more = records(&net(host, length));
            more.date(None, &[], time(since));
            before.v4.extend(more.v4);
            held_back.extend((held == 0).then(|| net(host, length).parse::<IpNet>().unwrap()));
        }
        before.v4.sort_by_key(order);
        let text: Vec<String> = new.iter().map(|&(host, length)| net(host, length)).collect();
        let mut after = records(&text.join("\n"));
        after.date(Some(&before), &held_back, time(9));
        for it in &after.v4 {
            let known = before.v4.iter().find(|old| old.net() == it.net());
            let since = |address: u32| {
                let covers = |old: &&Indicator<u32>| {
                    address.first(old.length) == old.address
                        && !held_back.contains(&old.net().unwrap())
                };
                before.v4.iter().filter(covers).map(|it| it.since).min()
            };
            let all = it.address..=it.address.last(it.length);
            let newest = all.map(since).collect::<Option<Vec<u32>>>().and_then(|all| all.into_iter().max());
            let expected = known.map_or(newest.unwrap_or(9), |it| it.since);
            prop_assert_eq!(it.since, expected, "{:?} after {:?}", it, before.v4);
        }
    }
}

/// The seed of the fuzzer: three records of IPv4 and two of IPv6.
fn seed() -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/records/five");
    std::fs::read(folder).unwrap()
}

#[test]
fn the_seed_of_the_fuzzer_is_taken_for_records() {
    let seed = seed();
    let (entries, places) = seed[2..].split_at(3 * 8 + 2 * 20);
    let (_, records) = Records::decode(&file(&CONTENT, [3, 2], entries, places)).unwrap();
    let lines = records.v4.iter().map(|it| it.line);
    assert!(lines.chain(records.v6.iter().map(|it| it.line)).eq(1..=5));
}

proptest! {
    #[test]
    fn who_fits_the_digests_makes_records_or_is_refused(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        length in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = seed();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        exercise(&bytes);
        exercise(&bytes[..length.index(bytes.len())]);
    }
}
