//! The seeds of the fuzzer, small lists written by hand in every format: what each says is written down
//! here, and nothing that is made of them makes a parser panic or lose count.

use std::{fs, path::Path, path::PathBuf};

use proptest::{prelude::*, sample::Index};

use super::*;

type Seed = (&'static str, [usize; 4], &'static [(Skipped, usize)]);

/// Name of the seed; entries, IPv6 entries, entries with a port, rejected; and what is skipped.
const SEEDS: &[Seed] = &[
    ("plain", [10, 2, 2, 3], &[]),
    ("netset", [3, 0, 0, 0], &[]),
    ("spamhaus-text", [2, 0, 0, 0], &[]),
    ("spamhaus-json", [2, 1, 0, 0], &[]),
    ("spamhaus-asndrop", [0, 0, 0, 0], &[(Skipped::Asn, 1)]),
    ("feodo-text", [2, 0, 0, 0], &[]),
    ("feodo-csv", [2, 0, 2, 0], &[]),
    ("feodo-json", [2, 1, 2, 1], &[]),
    ("crowdsec", [3, 1, 0, 1], &[]),
    ("sslbl-csv", [2, 0, 2, 0], &[]),
    ("sslbl-csv-header", [2, 0, 2, 0], &[]),
    (
        "threatfox-csv",
        [2, 1, 2, 0],
        &[
            (Skipped::Name, 1),
            (Skipped::Url, 1),
            (Skipped::Other, 1),
            (Skipped::Compromised, 1),
        ],
    ),
    ("threatfox-json", [1, 0, 1, 0], &[(Skipped::Name, 1)]),
    (
        "threatfox-json-export",
        [1, 0, 1, 0],
        &[(Skipped::Compromised, 1)],
    ),
    ("urlhaus-csv", [2, 1, 2, 0], &[(Skipped::Url, 1)]),
    ("urls", [2, 0, 2, 1], &[(Skipped::Url, 1)]),
    ("dshield", [2, 0, 0, 1], &[]),
    ("ipsum", [3, 0, 0, 0], &[]),
    ("sections", [3, 0, 3, 1], &[]),
    ("tor-exits", [2, 1, 0, 0], &[]),
    ("csv", [4, 1, 0, 1], &[(Skipped::Name, 1)]),
    ("csv-semicolon", [2, 0, 0, 0], &[]),
    (
        "csv-types",
        [2, 0, 0, 0],
        &[(Skipped::Name, 1), (Skipped::Other, 1)],
    ),
    ("csv-ports", [3, 1, 2, 0], &[]),
    ("csv-ranges", [2, 1, 0, 0], &[]),
    ("csv-space", [3, 0, 0, 0], &[]),
    ("json", [3, 1, 0, 0], &[]),
    ("json-google", [2, 1, 0, 0], &[]),
    ("json-azure", [2, 1, 0, 0], &[]),
    ("json-github", [3, 1, 0, 0], &[]),
    ("json-cloudflare", [2, 1, 0, 0], &[]),
    ("json-lines", [3, 1, 0, 1], &[]),
    ("json-keys", [3, 1, 0, 0], &[]),
    ("hosts", [1, 0, 0, 0], &[(Skipped::Name, 7)]),
    ("nft", [6, 1, 1, 0], &[(Skipped::Other, 3)]),
    ("nft-json", [5, 1, 1, 0], &[(Skipped::Other, 2)]),
    ("ipset", [6, 1, 2, 1], &[(Skipped::Exception, 1)]),
    (
        "misp",
        [5, 1, 2, 1],
        &[
            (Skipped::NotForDetection, 1),
            (Skipped::Revoked, 1),
            (Skipped::Name, 1),
            (Skipped::Other, 1),
        ],
    ),
    ("misp-warninglist", [2, 1, 0, 0], &[(Skipped::Name, 1)]),
    (
        "stix",
        [2, 1, 1, 1],
        &[
            (Skipped::Name, 1),
            (Skipped::Revoked, 1),
            (Skipped::Expired, 1),
            (Skipped::Other, 1),
        ],
    ),
    ("stix-alone", [2, 0, 0, 0], &[]),
    (
        "suricata",
        [7, 1, 3, 2],
        &[(Skipped::Name, 1), (Skipped::Exception, 1)],
    ),
    ("p2p", [3, 1, 0, 1], &[]),
    ("p2p-dat", [1, 0, 0, 0], &[(Skipped::Exception, 1)]),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/feed")
}

/// The format that the first line of a seed names, and the list after it.
pub(super) fn seed(name: &str) -> (Format, Vec<u8>) {
    let bytes = fs::read(folder().join(name)).unwrap();
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    let format = str::from_utf8(&bytes[..end]).unwrap().parse().unwrap();
    (format, bytes[end + 1..].to_vec())
}

fn how() -> How {
    How {
        at: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        ..How::default()
    }
}

#[test]
fn every_seed_says_what_is_written_down() {
    for (name, counts, skipped) in SEEDS {
        let (format, content) = seed(name);
        let parsed =
            parse(format, &how(), &content).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = [
            parsed.entries,
            parsed.v6_entries,
            parsed.with_port,
            parsed.rejected_count,
        ];
        assert_eq!(found, *counts, "{name}: {:?}", parsed.rejected);
        let expected = skipped.iter().copied().collect();
        assert_eq!(parsed.skipped, expected, "{name}");
    }
}

#[test]
fn seeds_become_these_ipv4_indicators() {
    let table = [
        (
            "ipset",
            "203.0.113.9 192.0.2.0/24 203.0.113.7:443/tcp 203.0.113.7:53/udp 198.51.100.0/25",
        ),
        (
            "nft",
            "192.0.2.10/31 192.0.2.12/30 192.0.2.16/30 192.0.2.20 198.51.100.0/24 203.0.113.9 \
             203.0.113.7:443/tcp 192.0.2.99",
        ),
        (
            "nft-json",
            "192.0.2.10/31 192.0.2.12/30 192.0.2.16/30 192.0.2.20 198.51.100.0/24 203.0.113.9 \
             203.0.113.7:443/tcp",
        ),
        (
            "suricata",
            "192.0.2.1 198.51.100.0/24 192.0.2.2 203.0.113.9:443/tcp 203.0.113.9:8443/tcp 192.0.2.44",
        ),
        ("stix", "192.0.2.1"),
        (
            "misp",
            "192.0.2.5 192.0.2.7:443 192.0.2.8 198.51.100.7:8443",
        ),
        ("urlhaus-csv", "192.0.2.1:57501/tcp"),
        ("urls", "192.0.2.1:80/tcp 198.51.100.7:8443/tcp"),
        ("csv-ports", "192.0.2.1:443/tcp 198.51.100.7"),
        ("csv-types", "192.0.2.1 198.51.100.7"),
        ("threatfox-csv", "192.0.2.1:5555"),
        ("feodo-csv", "192.0.2.1:1194/tcp 192.0.2.1:443/tcp"),
        ("dshield", "192.0.2.0/24 198.51.100.0/24"),
        ("p2p-dat", "192.0.2.0/24"),
        ("hosts", "192.0.2.1"),
    ];
    for (name, expected) in table {
        let (format, content) = seed(name);
        let parsed = parse(format, &how(), &content).unwrap();
        let found: Vec<String> = parsed
            .v4
            .iter()
            .map(|it| it.subject().unwrap().short())
            .collect();
        assert_eq!(found.join(" "), expected, "{name}");
    }
}

#[test]
fn every_format_has_a_seed_and_every_seed_is_written_down() {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    files.sort();
    let mut names: Vec<_> = SEEDS.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    for format in Format::ALL {
        assert!(names.iter().any(|name| seed(name).0 == format), "{format}");
    }
}

/// Lists that are wrong in more places than a provider's would be are taken only when they are named.
#[test]
fn seeds_are_found_by_their_content() {
    for (name, counts, _) in SEEDS {
        let (format, content) = seed(name);
        match detect_and_parse(&how(), &content) {
            Ok((found, parsed)) => {
                // What follows a semicolon is a comment as well.
                let wanted = if *name == "csv-semicolon" {
                    Format::Plain
                } else {
                    format
                };
                assert_eq!((found, parsed.entries), (wanted, counts[0]), "{name}");
            }
            Err(refused) if counts[0] == 0 => assert!(refused.to_string().contains("AS numbers")),
            Err(refused) => {
                assert!(counts[3] > 0, "{name}: {refused}");
            }
        }
    }
}

#[test]
fn lists_that_say_their_end_are_refused_when_cut() {
    let names = [
        "spamhaus-text",
        "spamhaus-json",
        "feodo-text",
        "feodo-csv",
        "feodo-json",
        "threatfox-json",
        "netset",
        "json",
        "nft-json",
        "misp",
        "misp-warninglist",
        "stix",
    ];
    for name in names {
        let (format, content) = seed(name);
        for length in 0..content.trim_ascii_end().len() {
            let cut = parse(format, &how(), &content[..length]);
            let nothing = cut.as_ref().is_ok_and(|parsed| parsed.entries == 0);
            // A netset is known to be cut at its lines only; what is left of the last may be an address.
            let whole = parse(format, &how(), &content).unwrap().entries;
            let same = format == Format::Netset
                && cut
                    .as_ref()
                    .is_ok_and(|it| it.entries + it.rejected_count == whole);
            assert!(
                cut.is_err() || nothing || same,
                "{name} at {length}: {cut:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_are_read_by_every_format(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in Format::ALL {
            exercise(Some(format), &bytes);
        }
        exercise(None, &bytes);
    }

    #[test]
    fn seeds_with_pieces_of_others_are_read(
        one in any::<Index>(), other in any::<Index>(), cuts in any::<[Index; 3]>(), byte in any::<u8>(),
    ) {
        let (format, mut content) = seed(one.get(SEEDS).0);
        let (_, piece) = seed(other.get(SEEDS).0);
        let at = cuts[0].index(content.len());
        let (from, to) = (cuts[1].index(piece.len()), cuts[2].index(piece.len()));
        let piece = piece[from.min(to)..from.max(to)].iter().copied();
        content.splice(at..at, piece.chain([byte]));
        exercise(Some(format), &content);
        exercise(None, &content);
    }
}
