//! Lists in the way of providers that no sample is of: as which format they are found, and what they say.

use super::*;
use crate::address::Prefix;

type List = (
    &'static str,
    &'static str,
    Format,
    [usize; 3],
    &'static [&'static str],
);

/// What it is; the list; its format; entries, IPv6 entries, entries with a port; and the prefixes.
const LISTS: &[List] = &[
    (
        "addresses, and who says so in a URL",
        "192.0.2.1,used by murofet,2026-05-01,http://feeds.example/manual/murofet.txt\n\
         192.0.2.2,used by murofet,2026-05-01,http://feeds.example/manual/murofet.txt\n",
        Format::Csv,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "addresses and names below each other",
        "192.0.2.1\n192.0.2.2\nevil.example\n192.0.2.3\n",
        Format::Csv,
        [3, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"],
    ),
    (
        "commands of nft",
        "#!/usr/sbin/nft -f\nflush set inet filter bad\nadd element inet filter bad { 192.0.2.1, 192.0.2.2 }\n",
        Format::Nft,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "decisions as cscli lists them",
        "id,source,ip,reason,action\n1,crowdsec,Ip:192.0.2.1,ssh-bf,ban\n2,cscli,Range:198.51.100.0/24,manual,ban\n",
        Format::Csv,
        [2, 0, 0],
        &["192.0.2.1/32", "198.51.100.0/24"],
    ),
    (
        "masks by name",
        "network,netmask\n192.0.2.0,255.255.255.0\n198.51.100.0,255.255.254.0\n",
        Format::Csv,
        [2, 0, 0],
        &["192.0.2.0/24", "198.51.100.0/23"],
    ),
    (
        "lengths by name",
        "network;cidr;country\n192.0.2.0;24;NL\n2001:db8::;32;DE\n",
        Format::Csv,
        [2, 1, 0],
        &["192.0.2.0/24", "2001:db8::/32"],
    ),
    (
        "masks without a header are no ends of ranges",
        "NL,192.0.2.0,255.255.255.0\nDE,198.51.100.0,255.255.255.128\n",
        Format::Csv,
        [2, 0, 0],
        &["192.0.2.0/24", "198.51.100.0/25"],
    ),
    (
        "masks of routers have the other bits",
        "deny ip 192.0.2.0 0.0.0.255 any\n",
        Format::Csv,
        [1, 0, 0],
        &["192.0.2.0/24"],
    ),
    (
        "the network beside an address is none of it",
        "ip,cidr\n192.0.2.1,192.0.2.0/24\n",
        Format::Csv,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "the network beside an address in JSON",
        r#"[{"ip":"192.0.2.1","cidr":"192.0.2.0/24"},{"ip":"2001:db8::1","cidr":"2001:db8::/32"}]"#,
        Format::Json,
        [2, 1, 0],
        &["192.0.2.1/32", "2001:db8::1/128"],
    ),
    (
        "a network in three ways",
        r#"{"items":[{"network":"192.0.2.0","mask_len":24,"cidr":"192.0.2.0/24","mask":"255.255.255.0"}]}"#,
        Format::Json,
        [1, 0, 0],
        &["192.0.2.0/24"],
    ),
    (
        "both families of a host",
        r#"[{"ipv4":"192.0.2.1","ipv6":"2001:db8::1"}]"#,
        Format::Json,
        [2, 1, 0],
        &["192.0.2.1/32", "2001:db8::1/128"],
    ),
    (
        "keys that say nothing",
        r#"[{"a":"192.0.2.1","b":"192.0.2.2"}]"#,
        Format::Json,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "URLs in JSON",
        r#"{"1":[{"url":"http://192.0.2.1:8080/i","threat":"x"}],"2":[{"url":"http://evil.example/"}]}"#,
        Format::Json,
        [1, 0, 1],
        &["192.0.2.1/32"],
    ),
    (
        "attributes that MISP exports as a table",
        "uuid,type,value,to_ids\n1,ip-dst,192.0.2.1,1\n2,ip-dst,192.0.2.2,0\n",
        Format::Csv,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "pairs that MISP exports as a table",
        "uuid,type,value,to_ids\n1,ip-dst|port,192.0.2.1|443,1\n2,domain|ip,evil.example|192.0.2.2,1\n\
         3,domain,evil.example,1\n",
        Format::Csv,
        [2, 0, 1],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "columns that the Feodo Tracker has as well",
        "time,src_ip,dst_ip,dst_port\n1,10.0.0.5,192.0.2.1,443\n2,10.0.0.6,192.0.2.2,80\n",
        Format::Csv,
        [2, 0, 2],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "a word to spreadsheets",
        "sep=;\r\nIP;Country\r\n192.0.2.1;NL\r\n192.0.2.2;DE\r\n",
        Format::Csv,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "addresses written wrongly among some that are right",
        "192.0.2.1\n192.0.2.02\n192.0.2.3\n192.0.2.4/33\n192.0.2.5192.0.2.6\n2001:db8::1%eth0\n\
         192.0.2.7-192.0.2.6\n2001:db8::2\n",
        Format::Plain,
        [3, 1, 0],
        &["192.0.2.1/32", "192.0.2.3/32", "2001:db8::2/128"],
    ),
    (
        "a word of somebody among few addresses",
        "192.0.2.1\n192.0.2.2\nto do\n192.0.2.3\n192.0.2.4\n",
        Format::Plain,
        [4, 0, 0],
        &[
            "192.0.2.1/32",
            "192.0.2.2/32",
            "192.0.2.3/32",
            "192.0.2.4/32",
        ],
    ),
    (
        "a column with addresses written wrongly",
        "ip,port\n192.0.2.1,80\n192.0.2.02,80\n192.0.2.3,http\n",
        Format::Csv,
        [1, 0, 1],
        &["192.0.2.1/32"],
    ),
    (
        "patterns that say more than a filter can do",
        r#"{"type":"bundle","objects":[
            {"type":"indicator","id":"indicator--1","pattern":"[ipv4-addr:value = '192.0.2.1']"},
            {"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = '192.0.2.2' AND file:name = 'a']"}
        ]}"#,
        Format::Stix,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "decisions of a Local API",
        r#"{"deleted":null,"new":[{"scope":"Ip","value":"192.0.2.1","type":"ban","duration":"1h"}]}"#,
        Format::Crowdsec,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "keys of a map that are counted",
        "table ip t {\n map m {\n  type ipv4_addr : verdict\n  elements = { 192.0.2.9 counter packets 0 bytes 0 : accept, \
         192.0.2.8 comment \"x\" : drop }\n }\n set s {\n  elements = { 192.0.2.1 comment \"a : b\" }\n }\n}\n",
        Format::Nft,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "members that are limited, and notes between them",
        "include \"other.nft\"\ntable ip t {\n set s {\n  elements = {\n   192.0.2.1 # first\n   , 192.0.2.2 limit rate \
         over 3/minute burst 5 packets expires 5s, 192.0.2.3 ct count over 10 }\n }\n}\n",
        Format::Nft,
        [3, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"],
    ),
    (
        "what a command takes out",
        r#"{"nftables":[{"add":{"element":{"name":"s","elem":["192.0.2.1"]}}},
            {"delete":{"element":{"name":"s","elem":["192.0.2.2"]}}}]}"#,
        Format::NftJson,
        [1, 0, 0],
        &["192.0.2.1/32"],
    ),
    (
        "an exception is one of its own set, and of what is wider",
        "create a hash:net\ncreate b hash:net\nadd a 192.0.2.0/31\nadd b 192.0.2.0/30\nadd b 192.0.2.0/31 nomatch\n\
         add b 192.0.2.0\n",
        Format::Ipset,
        [3, 0, 0],
        &["192.0.2.0/31", "192.0.2.0/32", "192.0.2.2/31"],
    ),
    (
        "sets of other things than addresses",
        "create s hash:ip family inet\nadd s 192.0.2.1\ncreate p bitmap:port range 0-100\nadd p 80\ncreate all list:set\n\
         add all s\ncreate six hash:ip family inet6 netmask 64\nadd six 2001:db8::7\n",
        Format::Ipset,
        [2, 1, 0],
        &["192.0.2.1/32", "2001:db8::/64"],
    ),
    (
        "a host is what its own buffer holds",
        "alert ip 192.0.2.1 any -> any any (msg:\"x\"; sid:1;)\n\
         alert http any any -> any any (http.host; content:\"a.example\"; http.uri; content:\"192.0.2.2\"; sid:2;)\n\
         alert http any any -> any any (http.host; content:\"192.0.2.3\"; sid:3;)\n\
         alert http any any -> any any (content:\"192.0.2.4\"; http_host; sid:4;)\n",
        Format::Suricata,
        [3, 0, 0],
        &["192.0.2.1/32", "192.0.2.3/32", "192.0.2.4/32"],
    ),
    (
        "rules over several lines",
        "alert ip any any -> \\\n  [192.0.2.1, \\\n 192.0.2.2] any (msg:\"x\"; sid:1;)\nalert ip 192.0.2.3 any -> any any (sid:2;)\n",
        Format::Suricata,
        [3, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"],
    ),
    (
        "indicators that are none of anything bad",
        r#"{"type":"bundle","objects":[
            {"type":"indicator","id":"indicator--1","pattern":"[ipv4-addr:value = '192.0.2.1']","confidence":85.0},
            {"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = '192.0.2.2']","indicator_types":["benign"]},
            {"type":"indicator","id":"indicator--3","pattern":"[ipv4-addr:value = '192.0.2.3']","labels":["benign"]},
            {"type":"indicator","id":null,"pattern":"[ipv4-addr:value = '192.0.2.4']","description":["a","b"],"confidence":"85"}
        ]}"#,
        Format::Stix,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.4/32"],
    ),
    (
        "attributes with numbers for texts, and room around a port",
        r#"{"Event":{"Attribute":[
            {"type":"ip-dst","value":"192.0.2.1","to_ids":true,"first_seen":1700000000,"comment":7},
            {"type":"ip-dst|port","value":"192.0.2.2 | 443","to_ids":true}
        ]}}"#,
        Format::Misp,
        [2, 0, 1],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "a connection of MISP, and an event that it mentions",
        r#"{"Event":{"Object":[{"name":"network-connection","Attribute":[
            {"type":"ip-src","object_relation":"ip-src","value":"192.0.2.1","to_ids":true},
            {"type":"ip-dst","object_relation":"ip-dst","value":"192.0.2.2","to_ids":true},
            {"type":"port","object_relation":"dst-port","value":"443","to_ids":true}
        ]}],"RelatedEvent":[{"Event":{"Attribute":[{"type":"ip-dst","value":"192.0.2.3","to_ids":true}]}}]}}"#,
        Format::Misp,
        [2, 0, 1],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "bundles in an array, and a confidence below all",
        r#"[{"type":"bundle","id":"bundle--1","objects":[
            {"type":"indicator","id":"indicator--1","pattern":"[ipv4-addr:value = '192.0.2.1']","confidence":-1}
        ]},{"type":"bundle","id":"bundle--2","objects":[
            {"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = '192.0.2.2']"}
        ]}]"#,
        Format::Stix,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
    (
        "a list with a version that is no warninglist",
        r#"{"version":1,"description":"x","list":[{"ip":"192.0.2.1"},{"ip":"192.0.2.2"}]}"#,
        Format::Json,
        [2, 0, 0],
        &["192.0.2.1/32", "192.0.2.2/32"],
    ),
];

#[test]
fn lists_that_no_sample_is_of() {
    for (what, list, format, counts, prefixes) in LISTS {
        let found = detect_and_parse(&How::default(), list.as_bytes());
        let (found, parsed) = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found, *format, "{what}");
        let counted = [parsed.entries, parsed.v6_entries, parsed.with_port];
        assert_eq!(counted, *counts, "{what}: {:?}", parsed.rejected);
        let v4 = parsed.v4.iter().map(|it| Prefix::V4(it.address, it.length));
        let v6 = parsed.v6.iter().map(|it| Prefix::V6(it.address, it.length));
        let found: Vec<String> = v4
            .chain(v6)
            .map(|it| it.net().unwrap().to_string())
            .collect();
        assert_eq!(found, *prefixes, "{what}");
    }
}
