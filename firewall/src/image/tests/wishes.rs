//! Named cases of what sources can wish besides monitor and drop. To be read as those of `cases`.

use super::cases::expect;

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
