//! Tables in the way of providers: which column has the indicators, what makes a prefix or a range of
//! them, and what is no table at all.

use super::*;
use crate::address::Prefix;

/// The prefixes of a list as text, in its order, IPv4 first.
fn prefixes(parsed: &Parsed) -> Vec<String> {
    let v4 = parsed.v4.iter().map(|it| Prefix::V4(it.address, it.length));
    let v6 = parsed.v6.iter().map(|it| Prefix::V6(it.address, it.length));
    let net = |it: Prefix| it.net().unwrap().to_string();
    let short = |it: String| match it.strip_suffix("/32").filter(|it| !it.contains(':')) {
        Some(address) => address.to_owned(),
        None => it.trim_end_matches("/128").to_owned(),
    };
    v4.chain(v6).map(net).map(short).collect()
}

/// What is wrong with tables if they are read in any other way; the list; its entries; rejected and skipped.
const TABLES: &[(&str, &str, &[&str], [usize; 2])] = &[
    (
        "the name of a column decides before the number of its addresses",
        "indicator,type,sensor_ip\nevil.example,domain,2001:db8::5\n192.0.2.1,ip,2001:db8::5\n",
        &["192.0.2.1"],
        [0, 1],
    ),
    (
        "the source of an indicator is who reports it",
        "ioc,type,source_ip\nevil.example,domain,2001:db8::5\n192.0.2.1,ip,2001:db8::5\n",
        &["192.0.2.1"],
        [0, 1],
    ),
    (
        "a reporter is no indicator",
        "ioc,ioc_type,reporter_ip\n192.0.2.1,ip,2001:db8::5\nevil.example,domain,2001:db8::6\n",
        &["192.0.2.1"],
        [0, 1],
    ),
    (
        "a resolver is no indicator",
        "domain,ip,resolver\na.example,192.0.2.1,198.51.100.8\nb.example,,198.51.100.8\n",
        &["192.0.2.1"],
        [0, 0],
    ),
    (
        "a source is the indicator where there is no other",
        "time,src_ip,port_of_us\n1,192.0.2.1,22\n2,192.0.2.2,22\n",
        &["192.0.2.1", "192.0.2.2"],
        [0, 0],
    ),
    (
        "the address is meant, and not its network, where a row lacks it",
        "ip,network\n192.0.2.1,192.0.2.0/24\n192.0.2.9,192.0.2.0/24\n,198.51.100.0/24\n",
        &["192.0.2.1", "192.0.2.9"],
        [0, 0],
    ),
    (
        "addresses in the text of a comment",
        "192.0.2.1 scanned, 2001:db8::9\n192.0.2.2 scanned, 2001:db8::8\n",
        &["192.0.2.1", "192.0.2.2"],
        [0, 0],
    ),
    (
        "a header names its column, wherever else addresses begin a row",
        "comment,ip\n198.51.100.9 said so,192.0.2.1\n198.51.100.8 said so,192.0.2.2\n",
        &["192.0.2.1", "192.0.2.2"],
        [0, 0],
    ),
    (
        "no in the words of spreadsheets",
        "value,to_ids\n192.0.2.1,TRUE\n192.0.2.2,FALSE\n192.0.2.3,no\n192.0.2.4,N\n192.0.2.5,0\n",
        &["192.0.2.1"],
        [0, 4],
    ),
    (
        "decisions that block nobody",
        "id,source,ip,reason,action,simulated\n1,x,Ip:192.0.2.1,a,ban,false\n2,x,Ip:192.0.2.2,a,captcha,false\n\
         3,x,Ip:192.0.2.3,a,ban,true\n4,x,Country:CN,a,ban,false\n5,x,As:64496,a,ban,false\n",
        &["192.0.2.1"],
        [0, 4],
    ),
    (
        "what is let through",
        "ip,action\n192.0.2.1,block\n192.0.2.2,allow\n",
        &["192.0.2.1"],
        [0, 1],
    ),
    (
        "a quote within a field opens nothing",
        "ip,comment\n192.0.2.1,disk 3.5\" bad\n192.0.2.2,ok\n192.0.2.3,tv 42\" x\n",
        &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        [0, 0],
    ),
    (
        "open quotes in every row",
        "ip,ua\n192.0.2.1,\"Moz\n192.0.2.2,\"Moz\n192.0.2.3,\"Moz\n",
        &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        [0, 0],
    ),
    (
        "what stands in quotes is no row, however it looks",
        "ip,comment\n192.0.2.1,\"see\n198.51.100.1,x\n\"\n192.0.2.2,ok\n",
        &["192.0.2.1", "192.0.2.2"],
        [0, 0],
    ),
    (
        "a column for each family",
        "name,ipv4,ipv6\na,192.0.2.1,\nb,192.0.2.2,2001:db8::2\nc,,2001:db8::3\n",
        &["192.0.2.1", "192.0.2.2", "2001:db8::2", "2001:db8::3"],
        [0, 0],
    ),
    (
        "a first row that is written wrongly is no header",
        "192.0.2.256,x\n192.0.2.1,y\n192.0.2.2,z\n192.0.2.3,z\n192.0.2.4,z\n",
        &["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
        [1, 0],
    ),
    (
        "one blank mask",
        "network,netmask\n192.0.2.7,255.255.255.0\n198.51.100.7,\n",
        &["192.0.2.0/24", "198.51.100.7"],
        [0, 0],
    ),
    (
        "one mask of nothing",
        "network,netmask\n192.0.2.7,255.255.255.0\n198.51.100.7,0\n192.0.2.8,255.255.255.255\n\
         192.0.2.9,255.255.255.255\n192.0.2.10,255.255.255.255\n",
        &["192.0.2.0/24", "192.0.2.8", "192.0.2.9", "192.0.2.10"],
        [1, 0],
    ),
    (
        "a prefix with the mask that it has",
        "network,netmask\n192.0.2.7,255.255.255.0\n198.51.100.0/24,255.255.255.0\n",
        &["192.0.2.0/24", "198.51.100.0/24"],
        [0, 0],
    ),
    (
        "one range of one address",
        "start_ip,end_ip\n192.0.2.0,192.0.2.3\n203.0.113.7,\n",
        &["192.0.2.0/30", "203.0.113.7"],
        [0, 0],
    ),
    (
        "the same without a header",
        "192.0.2.0,192.0.2.3\n203.0.113.7,\n",
        &["192.0.2.0/30", "203.0.113.7"],
        [0, 0],
    ),
    (
        "from one network to another goes traffic, and no range",
        "192.0.2.7,203.0.113.9\n198.51.100.7,203.0.113.10\n",
        &["192.0.2.7", "198.51.100.7"],
        [0, 0],
    ),
    (
        "a length with its slash",
        "ip,cidr\n192.0.2.7,/24\n",
        &["192.0.2.0/24"],
        [0, 0],
    ),
    (
        "a length by another name",
        "network,length\n192.0.2.7,24\n",
        &["192.0.2.0/24"],
        [0, 0],
    ),
    (
        "lists of F5 devices, which have exceptions",
        "192.0.2.7,24,bl,ssh-bf\n198.51.100.1,32,bl,ssh-bf\n203.0.113.1,32,wl,us\n",
        &["192.0.2.0/24", "198.51.100.1"],
        [0, 1],
    ),
    (
        "numbers behind networks are lengths",
        "192.0.2.0 24\n198.51.100.0 24\n203.0.113.128\t25\n",
        &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.128/25"],
        [0, 0],
    ),
    (
        "numbers behind hosts are counts",
        "192.0.2.7\t24\n198.51.100.0\t24\n203.0.113.0\t24\n",
        &["192.0.2.7", "198.51.100.0", "203.0.113.0"],
        [0, 0],
    ),
    (
        "a single number behind a network may be either",
        "192.0.2.0 24\n",
        &["192.0.2.0"],
        [0, 0],
    ),
    (
        "the same behind a wide network, as it is by accident",
        "192.0.0.0 10\n",
        &["192.0.0.0"],
        [0, 0],
    ),
    (
        "cells that say nothing",
        "domain,ip\na.example,192.0.2.1\nb.example,\nc.example,N/A\nd.example,-\ne.example,null\n",
        &["192.0.2.1"],
        [0, 0],
    ),
    (
        "indicators of every kind",
        "type,value\nip,192.0.2.1\ncve,CVE-2021-44228\nfilepath,C:\\x.exe\nmutex,Global\\abc\n\
         registry,HKLM\\x\nemail-subject,Invoice 5\nip,192.0.2.256\nip,192.0.2.2\nip,192.0.2.3\n",
        &["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        [1, 5],
    ),
    (
        "a word behind an address",
        "ip\n192.0.2.1#x\n192.0.2.2#y\n",
        &["192.0.2.1", "192.0.2.2"],
        [0, 0],
    ),
    (
        "lines of a configuration",
        "deny from 192.0.2.1\ndeny from 198.51.100.0/24\n",
        &["192.0.2.1", "198.51.100.0/24"],
        [0, 0],
    ),
    (
        "one line of a configuration",
        "access-list 1 deny ip host 192.0.2.1 any\n",
        &["192.0.2.1"],
        [0, 0],
    ),
];

#[test]
fn tables_say_what_providers_mean() {
    for (what, list, expected, counts) in TABLES {
        let found = detect_and_parse(&How::default(), list.as_bytes());
        let (_, parsed) = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            prefixes(&parsed),
            *expected,
            "{what}: {:?}",
            parsed.rejected
        );
        let skipped = parsed.skipped.values().sum();
        assert_eq!([parsed.rejected_count, skipped], *counts, "{what}");
    }
}

/// What servers say in place of a list.
const MESSAGES: &[&str] = &[
    "Your IP 192.0.2.9 has been rate limited, try again later.\n",
    "Access denied for 192.0.2.9\n",
    "error code: 1015\nYour IP: 192.0.2.9\n",
    "Your IP address\nis 192.0.2.9 and blocked\n",
    "192.0.2.9 is not allowed to access this list\n",
    "Forbidden: 192.0.2.9\n",
    "ERROR: 192.0.2.9\n",
    "error,client 192.0.2.9\n",
    "Forbidden, 192.0.2.9\n",
    "curl: (7) Failed to connect to 192.0.2.9 port 443: Connection refused\n",
    "Blocked by policy. Source: 192.0.2.9 Destination: 198.51.100.4\n",
    "2026-01-01T00:00:00Z 192.0.2.9 forbidden\n",
    "Sorry, 192.0.2.9 is blocked.\nYour address 192.0.2.9 made 500 requests\n",
    "network error\n192.0.2.9 unreachable\n",
    "gateway: 192.0.2.1\ndns: 198.51.100.8\n",
    "nameserver 192.0.2.1\nnameserver 198.51.100.8\n",
];

#[test]
fn a_message_of_a_server_is_no_list() {
    for message in MESSAGES {
        let found = detect_and_parse(&How::default(), message.as_bytes());
        let refused = found.expect_err(message).to_string();
        assert!(
            refused.contains("a message of the server"),
            "{message}: {refused}"
        );
        let named = parse(Format::Csv, &How::default(), message.as_bytes());
        let refused = named.expect_err(message).to_string();
        assert!(
            refused.contains("a message of the server"),
            "{message}: {refused}"
        );
    }
}

#[test]
fn lists_that_cannot_be_used_say_why() {
    let rows = "0.0.0.0 a.example\n".repeat(20);
    let boxed = "################\n# abuse.ch Feodo Tracker Botnet C2 IP Blocklist (TXT) #\n################\n";
    let table = [
        (
            format!(
                "0.0.0.0 0.0.0.0\n127.0.0.1\tlocalhost\n255.255.255.255\tbroadcasthost\nfe80::1%lo0 localhost\n{rows}"
            ),
            "domain names",
        ),
        (
            format!("{rows}0.0.0.0 203.0.113.1\n0.0.0.0 203.0.113.2\n"),
            "22 domain names",
        ),
        (
            "127.0.0.1 203.0.113.1\n127.0.0.1 203.0.113.2\n".to_owned(),
            "2 domain names",
        ),
        (
            "agent_version,host\n1.2.3.4,evil.example\n1.2.3.5,bad.example\n".to_owned(),
            "only 'agentversion' (agentversion, host)",
        ),
        (
            "domain,sensor_ip\nevil.example,192.0.2.1\n".to_owned(),
            "only 'sensorip'",
        ),
        ("ip,count\n".to_owned(), "a header and no rows"),
        (format!("{boxed}192.0.2.1\n192.0.2.2\n"), "cut off"),
        (
            "; Spamhaus DROPv6 List 2026\n2001:db8::/32 ; SBL1\n".to_owned(),
            "cut off",
        ),
        (
            "# abuse.ch SSLBL\n# Firstseen,DstIP,DstPort\n".to_owned(),
            "or has ended",
        ),
        (",".repeat(5_000_000), "longer than"),
        ("a\t1".repeat(1_000_000), "longer than"),
    ];
    for (list, reason) in table {
        let refused = detect(list.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}
