//! What stands beside an address in its object: the other end of a range, a length or a mask, a port. And what
//! is said of JSON that is not read.

use serde_json::Value;

use super::{
    json::{are, are_refused, entries, read},
    *,
};

#[test]
fn two_ends_in_one_object_are_a_range() {
    are(&[
        (
            "start and end",
            r#"[{"start":"192.0.2.0","end":"192.0.2.255"},{"end":"198.51.100.127","start":"198.51.100.0"}]"#,
            &["192.0.2.0/24", "198.51.100.0/25"],
        ),
        (
            "startIp and endIp",
            r#"{"ranges":[{"startIp":"192.0.2.0","endIp":"192.0.2.255"}]}"#,
            &["192.0.2.0/24"],
        ),
        (
            "from and to",
            r#"{"ranges":[{"from":"2001:db8::","to":"2001:db8::ffff"}]}"#,
            &["2001:db8::/112"],
        ),
        (
            "start_ip and end_ip",
            r#"{"ranges":[{"start_ip":"192.0.2.0","end_ip":"192.0.2.255","country":"US"}]}"#,
            &["192.0.2.0/24"],
        ),
        (
            "first and last",
            r#"{"ranges":[{"first":"192.0.2.0","last":"192.0.2.255"}]}"#,
            &["192.0.2.0/24"],
        ),
        (
            "ip_from and ip_to",
            r#"[{"ip_from":"192.0.2.0","ip_to":"192.0.2.255"}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "the same by ends and as a prefix",
            r#"[{"start":"192.0.2.0","end":"192.0.2.255","cidr":"192.0.2.0/24"}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "an address in a range",
            r#"[{"ip":"192.0.2.7","start":"192.0.2.0","end":"192.0.2.255"}]"#,
            &["192.0.2.7"],
        ),
        (
            "two ends far apart are two hosts",
            r#"[{"from":"10.0.0.5","to":"192.0.2.1"}]"#,
            &["10.0.0.5", "192.0.2.1"],
        ),
    ]);
    let ends = r#"{"start":"192.0.2.0","end":"192.0.2.255"},"#.repeat(5);
    let list =
        format!(r#"[{ends}{{"start":"192.0.2.9","end":"192.0.2.1"}},{{"start":"192.0.2.9"}}]"#);
    let parsed = read(Some(Format::Json), &list).unwrap();
    assert_eq!((parsed.entries, parsed.rejected_count), (5, 2));
}

#[test]
fn a_length_or_a_mask_beside_a_network_is_its_own() {
    are(&[
        (
            "prefixlen",
            r#"[{"network":"192.0.2.0","prefixlen":24}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "cidr",
            r#"[{"ip":"192.0.2.0","cidr":24}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "a text with a slash",
            r#"[{"ip":"192.0.2.0","cidr":"/24"}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "netmask",
            r#"[{"netmask":"255.255.255.0","network":"192.0.2.0"}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "len",
            r#"[{"addr":"192.0.2.0","len":24}]"#,
            &["192.0.2.0/24"],
        ),
        (
            "prefix_length, both families",
            r#"[{"address":"192.0.2.0","prefix_length":24},{"address":"2001:db8::","prefix_length":32}]"#,
            &["192.0.2.0/24", "2001:db8::/32"],
        ),
        (
            "v4prefix and length",
            r#"{"cidr0_cidrs":[{"v4prefix":"192.0.2.0","length":24}]}"#,
            &["192.0.2.0/24"],
        ),
        (
            "a host, and the length of the network that it is in",
            r#"[{"ip":"192.0.2.1","prefixlen":24}]"#,
            &["192.0.2.1"],
        ),
        (
            "hosts, one of which is the first of its network",
            r#"[{"ip":"192.0.2.0","prefixlen":24},{"ip":"192.0.2.1","prefixlen":24}]"#,
            &["192.0.2.0", "192.0.2.1"],
        ),
        (
            "the length of a packet",
            r#"[{"ip":"192.0.2.0","len":24},{"ip":"198.51.100.0","len":1500}]"#,
            &["192.0.2.0", "198.51.100.0"],
        ),
    ]);
}

#[test]
fn a_port_beside_an_address_is_its_own_unless_it_was_attacked() {
    are(&[
        (
            "of the one attacked",
            r#"[{"src_ip":"192.0.2.1","dst_port":22}]"#,
            &["192.0.2.1"],
        ),
        (
            "of the one that answers",
            r#"[{"dst_ip":"192.0.2.1","dst_port":443}]"#,
            &["192.0.2.1 port 443"],
        ),
        (
            "of something deeper",
            r#"[{"ip":"192.0.2.1","port":443,"http":{"port":8080}}]"#,
            &["192.0.2.1 port 443"],
        ),
        (
            "before a deeper one",
            r#"[{"port":443,"http":{"port":8080},"ip":"192.0.2.1"}]"#,
            &["192.0.2.1 port 443"],
        ),
    ]);
}

#[test]
fn a_refusal_names_the_path_and_what_is_wrong_there() {
    are_refused(&[
        (
            r#"{"entries":["192.0.2.1","192.0.2.2","a word"]}"#,
            "`entries[]`: 2 of 3 texts are addresses, 'a word' is not; if that is the list, name it with `json_path`",
        ),
        (
            r#"{"a":[{"b":"192.0.2.1"},{"b":"x"},{"b":"\u001b[2J"}]}"#,
            "`a[].b`: 1 of 3 texts are addresses, 'x' is not",
        ),
        (
            r#"{"asn":64496}"#,
            "no path inside of an array has addresses, nor has any outside",
        ),
    ]);
}

#[test]
fn what_is_whole_and_not_to_be_read_is_not_called_cut_off() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let table = [
        (deep.as_str(), "nested more than 127 levels deep"),
        (
            r#"[{"a":1e999,"ip":"192.0.2.1"}]"#,
            "a number that is too large",
        ),
        (r#"[{"ip":"192.0.2.1""#, "damaged or cut off"),
    ];
    for (list, reason) in table {
        let refused = read(Some(Format::Json), list).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
        let is_damaged = reason.contains("cut off");
        assert_eq!(
            refused.contains("fetches it again"),
            is_damaged,
            "{refused}"
        );
    }
}

#[test]
fn a_mask_applies_at_a_named_path_too_and_a_range_does_not() {
    let named = |path: &str, list: &str| {
        let options = Options {
            json_path: vec![path.to_owned()],
            ..Options::default()
        };
        let how = How { options, at: None };
        entries(&parse(Format::Json, &how, list.as_bytes()).unwrap())
    };
    let list = r#"{"net":{"network":"192.0.2.0","prefixlen":24}}"#;
    assert_eq!(named("net.network", list), ["192.0.2.0/24"]);
    let list = r#"[{"start":"192.0.2.0","end":"192.0.2.255"}]"#;
    assert_eq!(named("[].start", list), ["192.0.2.0"]);
}

/// Documents of any shape, with keys and texts that mean something.
fn document() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 20] = [
        "",
        "ip",
        "a",
        "a.b",
        "[]",
        "x{}",
        "*",
        "7",
        "192.0.2.0/24",
        "2001:db8::1",
        "start",
        "end",
        "prefixlen",
        "network",
        "port",
        "url",
        "indicator",
        "reporter",
        "errors",
        "ips",
    ];
    const TEXTS: [&str; 14] = [
        "",
        "192.0.2.1",
        "192.0.2.0",
        "192.0.2.0/24",
        "2001:db8::",
        "2001:db8::1-2001:db8::f",
        "192.0.2.1:443",
        "evil.example",
        "http://192.0.2.1/",
        "255.255.255.0",
        "24",
        "word",
        "fe80::1%eth0",
        "\u{1b}",
    ];
    let text = prop::sample::select(&TEXTS[..]).prop_map(Value::from);
    let leaf = prop_oneof![text, (0..140_u64).prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let key = prop::sample::select(&KEYS[..]).prop_map(str::to_owned);
        let members = prop::collection::vec((key, inner.clone()), 0..6);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        let array = prop::collection::vec(inner, 0..5).prop_map(Value::from);
        prop_oneof![2 => object, 1 => array]
    })
}

proptest! {
    #[test]
    fn documents_of_any_shape_are_read_or_refused(one in document(), other in document()) {
        for text in [one.to_string(), format!("{one}\n{other}\n"), format!("{one:#}")] {
            exercise(Some(Format::Json), text.as_bytes());
            exercise(None, text.as_bytes());
        }
    }
}
