//! What an address asks for, however it is written.

use ureq::http::Uri;

use crate::feed::key::PLACEHOLDER;

/// The parts of an address that tell one list of a provider from another.
#[derive(Debug)]
pub struct Place {
    host: String,
    /// Where it is not that of the scheme: most providers answer to both of them.
    port: Option<u16>,
    path: String,
    query: Option<String>,
}

impl Place {
    /// The place at `url`; `None` if that is no address of a server.
    pub fn of(url: &str) -> Option<Self> {
        let address: Uri = url.parse().ok()?;
        let usual = match address.scheme_str()? {
            "https" => 443,
            _ => 80,
        };
        let host = address.host()?;
        Some(Self {
            // A dot at the end says that the name is whole (RFC 1034 §3.1).
            host: host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
            port: address.port_u16().filter(|port| *port != usual),
            path: address.path().to_owned(),
            query: address.query().map(str::to_owned),
        })
    }

    /// Whether `other` asks for what is here: with a key in its path or without, and with whatever
    /// query where there is none here.
    pub fn is_at(&self, other: &Self) -> bool {
        let is_path = match self.path.split_once(PLACEHOLDER) {
            Some((before, after)) => other
                .path
                .strip_prefix(before)
                .is_some_and(|rest| rest.ends_with(after)),
            None => self.path == other.path,
        };
        let is_query = self.query.is_none() || self.query == other.query;
        self.host == other.host && self.port == other.port && is_path && is_query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_at(own: &str, other: &str) -> bool {
        let [own, other] = [own, other].map(|it| Place::of(it).unwrap());
        own.is_at(&other)
    }

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let own = "https://www.example.org/drop/v4.json";
        for (other, is_same) in [
            ("https://www.example.org/drop/v4.json", true),
            ("http://www.example.org/drop/v4.json", true),
            ("https://WWW.Example.ORG/drop/v4.json", true),
            ("https://www.example.org./drop/v4.json", true),
            ("https://www.example.org:443/drop/v4.json", true),
            ("http://www.example.org:80/drop/v4.json", true),
            ("https://me:secret@www.example.org/drop/v4.json", true),
            ("https://www.example.org/drop/v4.json?x=1", true),
            ("https://www.example.org/drop/v4.json#x", true),
            ("https://www.example.org:8443/drop/v4.json", false),
            ("https://www.example.org/drop/V4.json", false),
            ("https://www.example.org/drop/v6.json", false),
            ("https://example.org/drop/v4.json", false),
        ] {
            assert_eq!(is_at(own, other), is_same, "{other}");
        }
        let own = "https://example.org/lists?format=txt";
        assert!(is_at(own, "https://EXAMPLE.org/lists?format=txt"));
        assert!(!is_at(own, "https://example.org/lists?format=csv"));
        assert!(!is_at(own, "https://example.org/lists"));
    }

    #[test]
    fn a_key_in_the_path_is_any() {
        let own = "https://example.org/v2/{key}/recent.csv";
        assert!(is_at(own, "https://Example.org/v2/abc/recent.csv?y"));
        assert!(is_at(own, own));
        assert!(!is_at(own, "https://example.org/v2/abc/full.csv"));
        // The same slash is not both ends.
        assert!(!is_at(own, "https://example.org/v2/recent.csv"));
    }
}
