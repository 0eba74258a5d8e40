//! Named cases of what sources can wish besides monitor and drop. To be read as those of `cases`.

use super::cases::{answer, expect, ruleset};
use crate::{
    image::Image,
    ruleset::{Ruleset, Wish},
};

#[test]
fn exempt_beats_allow_and_all_others() {
    expect(
        &[
            "drop a 192.0.2.0/24",
            "exempt mine 192.0.2.8/30",
            "drop b 192.0.2.9/32",
            "allow also 192.0.2.10/32",
            "allow around 192.0.0.0/16",
        ],
        &[
            "192.0.2.7: nothing",
            "192.0.2.8: exempt mine",
            "192.0.2.9: exempt mine",
            "192.0.2.10: exempt mine",
        ],
    );
}

#[test]
fn each_case_takes_the_strongest_wish_of_all_sources() {
    expect(
        &[
            "in scanners 192.0.2.0/24",
            "monitor cc 192.0.2.7/32",
            "drop own 192.0.2.8/32",
        ],
        &[
            "192.0.2.6: in scanners",
            "192.0.2.7: [monitor,monitor,drop,monitor] cc scanners",
            "192.0.2.8: drop own scanners",
        ],
    );
}

#[test]
fn a_port_is_listed_without_its_address() {
    let image = expect(
        &[
            "drop cc 192.0.2.7:4444",
            "drop cc [2001:db8::7]:4444",
            "monitor wide 192.0.2.8/32",
            "drop cc 192.0.2.8:443",
            "drop cc 192.0.2.9:443",
            "allow mine 192.0.2.9/32",
            "drop one 192.0.2.10:443",
            "monitor two 192.0.2.10:443",
        ],
        &[
            "192.0.2.7: nothing",
            "192.0.2.7:4444: drop cc",
            "192.0.2.7:4445: nothing",
            "[2001:db8::7]:4444: drop cc",
            "192.0.2.8: monitor wide",
            "192.0.2.8:443: drop cc wide",
            "192.0.2.9:443: nothing",
            "192.0.2.10:443: drop one two",
        ],
    );
    assert_eq!(image.entries, 7);
}

#[test]
fn from_a_group_drops_what_enough_of_its_sources_name() {
    expect(
        &[
            "drop a@2 192.0.2.0/24",
            "drop a@2 192.0.2.7/32",
            "drop b@2 192.0.2.8/31",
            "in c@2 192.0.2.9/32",
            "in d@2 192.0.2.10/32",
            "drop e@3 192.0.2.11/32",
            "drop alone 192.0.2.12/32",
            "monitor watch 192.0.2.13/32",
            "allow mine 192.0.2.14/32",
            "drop b@2 192.0.2.14/32",
            "in c@2 198.51.100.1/32",
            "in d@2 198.51.100.2/31",
            "in c@2 198.51.100.3/32",
        ],
        &[
            "192.0.2.6: monitor a",
            "192.0.2.7: monitor a",
            "192.0.2.8: drop a b",
            "192.0.2.9: drop a b c",
            "192.0.2.10: drop a d",
            "192.0.2.11: monitor a e",
            "192.0.2.12: drop a alone",
            "192.0.2.13: monitor a watch",
            "192.0.2.14: nothing",
            "198.51.100.1: [pass,pass,monitor,monitor] c",
            "198.51.100.3: in c d",
        ],
    );
}

#[test]
fn sources_of_a_group_agree_on_ports_and_on_whole_addresses() {
    expect(
        &[
            "drop a@2 192.0.2.7:443",
            "drop b@2 192.0.2.7:443",
            "drop b@2 192.0.2.7:444",
            "drop a@2 192.0.2.8/32",
            "drop b@2 192.0.2.8:443",
        ],
        &[
            "192.0.2.7: nothing",
            "192.0.2.7:443: drop a b",
            "192.0.2.7:444: monitor b",
            "192.0.2.8: monitor a",
            "192.0.2.8:443: drop a b",
        ],
    );
}

#[test]
fn what_a_group_does_not_agree_on_is_dropped_where_it_is_blocked_by_hand() {
    let below = ruleset(&["drop a@2 192.0.2.0/24", "drop local 203.0.113.7/32"]);
    let mut above = Ruleset {
        sources: below.sources.clone(),
        ..Ruleset::default()
    };
    let local = above.find("local", Wish::Drop).unwrap();
    let host: ipnet::IpNet = "192.0.2.7/32".parse().unwrap();
    above.push(host.into(), local);
    let image = Image::compile(&below).unwrap().overlay(&above).unwrap();
    let image = image.unwrap();
    let expected = ["192.0.2.6: monitor a", "192.0.2.7: drop a local"];
    for line in expected {
        let (address, said) = line.split_once(": ").unwrap();
        assert_eq!(answer(&image, address), said, "{address}");
    }
}
