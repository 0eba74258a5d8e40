//! Each entry is valid configuration, and a list as its provider writes it is read by it.

use std::collections::BTreeSet;

use super::*;
use crate::feed::format::{self, How};

/// Name of an entry, a list in the manner of its provider, and how many entries that has.
const SAMPLES: &[(&str, &str, usize)] = &[
    (
        "feodo",
        "# abuse.ch Feodo Tracker Botnet C2 IP Blocklist (CSV) #\r\n\
         \"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\r\n\
         \"2026-01-01 00:00:00\",\"203.0.113.7\",\"443\",\"online\",\"2026-01-02\",\"Emotet\"\r\n\
         # END 1 entries",
        1,
    ),
    (
        "spamhaus-drop",
        "{\"cidr\":\"203.0.113.0/24\",\"sblid\":\"SBL1\",\"rir\":null}\n\
         {\"type\":\"metadata\",\"timestamp\":1,\"size\":52,\"records\":1,\"copyright\":\"c\",\"terms\":\"t\"}\n",
        1,
    ),
    (
        "spamhaus-drop-v6",
        "{\"cidr\":\"2001:db8::/32\",\"sblid\":\"SBL1\",\"rir\":\"x\"}\n\
         {\"type\":\"metadata\",\"timestamp\":1,\"size\":50,\"records\":1,\"copyright\":\"c\",\"terms\":\"t\"}\n",
        1,
    ),
    (
        "threatfox",
        "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\
         \"malware_alias\",\"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"is_compromised\",\
         \"reference\",\"tags\",\"anonymous\",\"reporter\"\n\
         \"2026-01-01 00:00:00\", \"1\", \"203.0.113.7:5555\", \"ip:port\", \"botnet_cc\", \"win.x\", \"\", \
         \"X\", \"\", \"75\", \"False\", \"None\", \"\", \"0\", \"abuse_ch\"\n\
         \"2026-01-01 00:00:00\", \"2\", \"203.0.113.8:5555\", \"ip:port\", \"botnet_cc\", \"win.x\", \"\", \
         \"X\", \"\", \"50\", \"False\", \"None\", \"\", \"0\", \"abuse_ch\"\n\
         # Number of entries: 2\n",
        1,
    ),
    (
        "urlhaus",
        "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
         \"1\",\"2026-01-01 00:00:00\",\"http://203.0.113.7:8080/bin.sh\",\"online\",\"\",\"malware_download\",\
         \"None\",\"https://urlhaus.abuse.ch/url/1/\",\"x\"\n",
        1,
    ),
    (
        "c2intel",
        "#ip,ioc\n203.0.113.7,Possible Cobaltstrike C2 IP\n198.51.100.7,Possible C2\n",
        2,
    ),
    ("romainmarcoux-out", "203.0.113.7\n198.51.100.7\n", 2),
    ("romainmarcoux-in", "203.0.113.7\n198.51.100.7\n", 2),
    ("et-compromised", "101.0.113.7\n2.51.100.7\n", 2),
    (
        "et-block",
        "# Feodo\n203.0.113.7\n#Spamhaus DROP Nets\n198.51.100.0/24\n#Dshield Top Attackers\n192.0.2.0/24\n",
        3,
    ),
    (
        "ipsum",
        "# IPsum Threat Intelligence Feed\n#\n203.0.113.7\t10\n198.51.100.7\t3\n192.0.2.7\t2\n",
        2,
    ),
    (
        "dshield",
        "#    (c) $year DShield.org\n\
         203.0.113.0\t203.0.113.255\t24\t117\t-\t-\t-\n\
         198.51.100.0\t198.51.100.255\t24\t116\tEXAMPLE AS\tUS\tabuse@example.org\n",
        2,
    ),
    ("cins", "203.0.113.7\n198.51.100.7\n", 2),
    ("blocklist-de", "203.0.113.7\n2001:db8::7\n", 2),
    ("data-shield", "203.0.113.7\r\n198.51.100.7\r\n", 2),
    (
        "firehol-level1",
        "#\n# firehol_level1\n#\n# ipv4 hash:net ipset\n#\n# Entries         : 2 subnets, 257 unique IPs\n#\n\
         203.0.113.0/24\n198.51.100.7\n",
        2,
    ),
    (
        "firehol-level2",
        "#\n# firehol_level2\n#\n# ipv4 hash:net ipset\n#\n# Entries         : 1 subnets, 256 unique IPs\n#\n\
         203.0.113.0/24\n",
        1,
    ),
    (
        "fullbogons-v4",
        "# last updated 1710089701 (Sun Mar 10 16:55:01 2024 GMT)\n0.0.0.0/8\n203.0.113.0/24\n",
        2,
    ),
    (
        "fullbogons-v6",
        "# last updated 1710089701 (Sun Mar 10 16:55:01 2024 GMT)\n8000::/1\n2001:db8::/32\n",
        2,
    ),
    ("tor-exits", "203.0.113.7\n198.51.100.7\n", 2),
    (
        "crowdsec",
        "{\"decisions\":\"crowdsec\"}\n\
         {\"scope\":\"ip\",\"value\":\"203.0.113.7\",\"until\":\"2030-01-01T00:00:00Z\",\
         \"origin\":\"cscli\",\"scenario\":\"ssh\"}\n",
        1,
    ),
];

/// What each protect list looks like.
const WARNINGLIST: &str = "{\"name\": \"x\", \"type\": \"cidr\", \"version\": 1, \"description\": \"x\", \
    \"list\": [\"203.0.113.0/24\", \"2001:db8::/32\"], \"matching_attributes\": [\"ip-dst\"]}\n";

/// The samples, and one for each protect list.
fn samples() -> Vec<(String, &'static str, usize)> {
    let entries = entries().unwrap().into_iter();
    let lists = entries.filter(|entry| entry.protect);
    let lists = lists.map(|entry| (entry.name.to_string(), WARNINGLIST, 2));
    let feeds = SAMPLES.iter();
    let feeds = feeds.map(|&(name, text, count)| (name.to_owned(), text, count));
    feeds.chain(lists).collect()
}

const KEY: &str = "/etc/firewall/a key";

fn configured(entry: &Entry) -> (String, config::Feed) {
    let key = entry.key.as_ref().map(|_| Path::new(KEY));
    entry.configuration(None, key).unwrap()
}

#[test]
fn each_entry_reads_the_list_of_its_provider() {
    let usable = entries()
        .unwrap()
        .into_iter()
        .filter(|it| it.feed.is_some());
    let names: BTreeSet<String> = usable.map(|it| it.name.to_string()).collect();
    let sampled: BTreeSet<String> = samples().into_iter().map(|it| it.0).collect();
    assert_eq!(names, sampled, "each has a sample");
    for (name, text, count) in samples() {
        let entry = find(&name).unwrap();
        let (_, feed) = configured(&entry);
        let how = How {
            options: feed.options,
            at: None,
        };
        let server = feed.server.map(crate::feed::server::Server::format);
        let format = server.or(feed.format).unwrap();
        let parsed = format::parse(format, &how, text.as_bytes());
        let parsed = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (parsed.entries, parsed.rejected_count),
            (count, 0),
            "{name}"
        );
    }
}

#[test]
fn each_entry_is_a_feed_in_the_mode_that_is_asked_for() {
    for entry in entries().unwrap() {
        let Some(keys) = &entry.feed else {
            continue;
        };
        let (text, feed) = configured(&entry);
        let mode = if entry.protect {
            Mode::Protect
        } else {
            Mode::Monitor
        };
        assert_eq!((&feed.name, feed.mode), (&entry.name, mode));
        assert_eq!(feed.direction, keys.direction());
        assert_eq!(feed.key.is_some(), entry.key.is_some(), "{text}");
        // What is on this machine must be asked for as such.
        assert_eq!(feed.internal, keys.url.contains("//127."), "{text}");
        let texts = [&entry.title, &entry.lists, &entry.licence];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", entry.name);
        // Each provider but the one on this machine has said, or shown, what it wants.
        assert_eq!(feed.minimum_interval, entry.minimum_interval.unsigned_abs());
        assert_eq!(feed.minimum_interval.is_zero(), feed.internal, "{text}");
        assert!(feed.interval >= feed.minimum_interval, "{text}");
    }
}

#[test]
fn what_cannot_be_used_says_why_and_what_can() {
    for entry in entries().unwrap().iter().filter(|it| it.feed.is_none()) {
        let error = entry.configuration(None, None).unwrap_err().to_string();
        let instead = find(entry.instead.as_ref().unwrap().as_str()).unwrap();
        assert!(instead.feed.is_some(), "{}", entry.name);
        assert!(error.contains(entry.unusable.as_ref().unwrap()), "{error}");
        assert!(
            error.ends_with(&format!("feeds enable {}'", instead.name)),
            "{error}"
        );
    }
}

#[test]
fn names_are_told_apart_and_guessed() {
    let all = entries().unwrap();
    let names: BTreeSet<&str> = all.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), all.len());
    let urls: BTreeSet<&str> = all
        .iter()
        .flat_map(|it| &it.feed)
        .map(|it| it.url.as_str())
        .collect();
    assert_eq!(urls.len(), samples().len());
    let error = find("feodoo").unwrap_err().to_string();
    assert!(error.ends_with("did you mean 'feodo'?"), "{error}");
    let error = find("xyzzy").unwrap_err().to_string();
    assert!(error.ends_with("lists them"), "{error}");
}

#[test]
fn a_protect_list_has_no_mode() {
    let list = find("public-dns-v4").unwrap();
    let (text, _) = list.configuration(None, None).unwrap();
    assert!(
        text.starts_with("[[protect]]\n") && !text.contains("mode"),
        "{text}"
    );
    let error = list.configuration(Some(Mode::Enforce), None).unwrap_err();
    assert!(error.to_string().contains("leave --mode out"), "{error}");
}

#[test]
fn what_is_wrong_when_it_is_old_leaves() {
    for (name, expires) in [("fullbogons-v4", true), ("feodo", false)] {
        let (text, feed) = configured(&find(name).unwrap());
        assert_eq!(feed.when_old == config::WhenOld::Expire, expires, "{text}");
        assert!(feed.max_age.is_some(), "{text}");
    }
}

#[test]
fn a_key_is_asked_for_where_one_is_needed_and_nowhere_else() {
    let needs = |name: &str, key: Option<&str>| {
        let entry = find(name).unwrap();
        let result = entry.configuration(Some(Mode::Enforce), key.map(Path::new));
        result
            .map(|(text, _)| text)
            .map_err(|error| error.to_string())
    };
    let error = needs("threatfox", None).unwrap_err();
    assert!(
        error.contains("sent in the address") && error.contains("auth.abuse.ch"),
        "{error}"
    );
    assert!(
        needs("crowdsec", None)
            .unwrap_err()
            .contains("sent in a header")
    );
    assert!(
        needs("feodo", Some(KEY))
            .unwrap_err()
            .contains("takes no key")
    );
    let text = needs("threatfox", Some(KEY)).unwrap();
    assert!(
        text.contains("key_file = \"/etc/firewall/a key\"\n"),
        "{text}"
    );
    assert!(text.contains("mode = \"enforce\"\n"), "{text}");
}
