//! Protect lists: addresses that many rely on, such as public resolvers and content networks. What a feed
//! lists of them is held for the operator.

use crate::{address::Address, config::Ports, feed::format::Indicator, subject::Port};

use super::{Action, FINDINGS_KEPT, Finding, Guarded, fence::Fence, finding};

/// The addresses of all protect lists.
pub struct Hold<'a> {
    v4: Fence<'a, u32>,
    v6: Fence<'a, u128>,
}

impl<'a> Hold<'a> {
    /// The protect lists by name.
    pub fn new(lists: &'a [(String, Guarded)]) -> Self {
        let v4 = lists.iter().flat_map(|(name, list)| named(name, &list.v4));
        let v6 = lists.iter().flat_map(|(name, list)| named(name, &list.v6));
        Self {
            v4: Fence::new(0, v4),
            v6: Fence::new(0, v6),
        }
    }
}

fn named<'a, A: Address>(
    name: &'a str,
    list: &'a [Indicator<A>],
) -> impl Iterator<Item = (A, u8, &'a str)> {
    list.iter().map(move |it| (it.address, it.length, name))
}

impl Guarded {
    /// Takes out what lies in addresses of a protect list or covers some. Where ports count, an
    /// indicator with a port stays: it says nothing of what else the address is good for.
    pub fn hold(&mut self, hold: &Hold<'_>, ports: Ports) {
        let v4 = std::mem::take(&mut self.v4);
        self.v4 = self.let_through(v4, &hold.v4, ports);
        let v6 = std::mem::take(&mut self.v6);
        self.v6 = self.let_through(v6, &hold.v6, ports);
    }

    fn let_through<A: Address>(
        &mut self,
        mut indicators: Vec<Indicator<A>>,
        lists: &Fence<'_, A>,
        ports: Ports,
    ) -> Vec<Indicator<A>> {
        let stands = |port: Option<Port>| ports == Ports::Exact && port.is_some();
        indicators.retain(|it| {
            let rule = lists.meets(it).filter(|_| !stands(it.port));
            if let Some(rule) = &rule {
                self.record_held(finding(it, (rule.to_string(), Action::Held)));
            }
            rule.is_none()
        });
        indicators
    }

    fn record_held(&mut self, finding: Option<Finding>) {
        let before: usize = self.held.values().sum();
        let Some(finding) = finding else { return };
        *self.held.entry(finding.rule.clone()).or_default() += 1;
        // Beside what was left out, however much that was.
        if before < FINDINGS_KEPT {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn such_an_entry_is_held_by_such_a_list_or_not() {
        let lists = [
            (
                "dns".to_owned(),
                guarded("8.8.8.8\n1.1.1.0/24\n2001:db8:53::53\n"),
            ),
            ("cdn".to_owned(), guarded("198.51.100.0/24\n1.1.0.0/16\n")),
        ];
        let table = [
            ("203.0.113.7", None),
            ("8.8.8.9", None),
            ("8.8.8.8", Some("dns")),
            ("8.8.8.0/24", Some("dns")),
            ("8.0.0.0/8", Some("dns")),
            ("198.51.100.7", Some("cdn")),
            ("198.51.100.0/24", Some("cdn")),
            ("198.51.0.0/16", Some("cdn")),
            ("198.51.101.0", None),
            // Of two lists the one that has more around it.
            ("1.1.1.1", Some("cdn")),
            ("2001:db8:53::53", Some("dns")),
            ("2001:db8::/32", Some("dns")),
            ("2001:db8:54::", None),
            ("8.8.8.8:53", None),
            ("[2001:db8:53::53]:53", None),
        ];
        for (entry, expected) in table {
            let mut with_ports = guarded(entry);
            with_ports.hold(&Hold::new(&lists), Ports::Exact);
            let found = with_ports.findings.first();
            assert_eq!(found.map(|it| it.rule.as_str()), expected, "{entry}");
            assert!(found.is_none_or(|it| it.action == Action::Held && it.line == 1));
            let kept = with_ports.v4.len() + with_ports.v6.len();
            assert_eq!(kept, usize::from(expected.is_none()), "{entry}");
        }
        // Where all of the address is meant, its port is no excuse.
        let mut whole = guarded("8.8.8.8:53");
        whole.hold(&Hold::new(&lists), Ports::Address);
        assert_eq!((whole.v4.len(), whole.held["dns"]), (0, 1));
    }

    #[test]
    fn what_is_held_is_counted_by_list_beside_what_is_left_out() {
        let lists = [
            ("dns".to_owned(), guarded("8.8.8.8")),
            ("cdn".to_owned(), guarded("9.0.0.0/8")),
        ];
        let mut feed = guarded(&"2.0.0.0/7\n8.8.8.8\n9.9.9.9\n9.1.1.1\n".repeat(200));
        feed.hold(&Hold::new(&lists), Ports::Exact);
        assert_eq!(
            (feed.left_out, feed.held["dns"], feed.held["cdn"]),
            (200, 200, 400)
        );
        let held = feed.findings.iter().filter(|it| it.action == Action::Held);
        assert_eq!(
            (held.count(), feed.findings.len()),
            (FINDINGS_KEPT, 2 * FINDINGS_KEPT)
        );
        assert!(feed.v4.is_empty());
    }
}
