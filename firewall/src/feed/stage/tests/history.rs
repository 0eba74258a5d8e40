//! Any history of a feed that is staged, told twice.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;

/// What happens to a feed, in seconds from one to the next.
#[derive(Clone, Debug)]
enum Event {
    /// It lists these, by number.
    Lists(Vec<usize>),
    /// The files are put in force.
    Enforced,
    /// A host calls an address of an entry.
    Called(u8, usize),
}

const ENTRIES: [&str; 5] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "198.51.100.0/24",
    "203.0.113.7/32",
    "2001:db8::/32",
];

fn event() -> impl Strategy<Value = (i64, Event)> {
    let lists = subsequence((0..ENTRIES.len()).collect::<Vec<_>>(), 0..=ENTRIES.len());
    let event = prop_oneof![
        2 => lists.prop_map(Event::Lists),
        4 => Just(Event::Enforced),
        6 => (0..5_u8, 0..ENTRIES.len()).prop_map(|(host, entry)| Event::Called(host, entry)),
    ];
    (1..60_i64, event)
}

/// How an entry stands, said once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    Waits(i64),
    On,
    Held,
}

/// A feed that is staged, beside a model that keeps how each entry stands instead of what is judged.
struct History {
    rule: Rule,
    now: i64,
    model: BTreeMap<usize, Model>,
    calls: Vec<Call>,
    since: BTreeMap<usize, i64>,
    stage: Stage,
}

impl History {
    fn called(&mut self, host: u8, entry: usize) {
        let remote: IpNet = ENTRIES[entry].parse().unwrap();
        let call = call(host, &remote.addr().to_string(), self.now);
        self.calls.push(call);
    }

    fn lists(&mut self, entries: &[usize]) {
        for (number, entry) in ENTRIES.iter().enumerate() {
            let listed = entries.contains(&number);
            if listed == self.model.contains_key(&number) {
                continue;
            }
            let new = match self.rule.concerns(prefix(entry)) {
                true => Model::Waits(self.now),
                false => Model::On,
            };
            self.model.remove(&number);
            self.model.extend(listed.then_some((number, new)));
            // Since when it is listed is of no matter where it is not.
            self.since.remove(&number);
            self.since.extend(listed.then_some((number, self.now)));
        }
    }

    fn waiting(&self) -> Waiting {
        let since = self.since.iter();
        let listed: Vec<_> = since.map(|(it, second)| (ENTRIES[*it], *second)).collect();
        waiting(self.rule.entries, self.stage.clone(), &listed)
    }

    fn enforced(&mut self) -> Result<(), TestCaseError> {
        let calls = || Ok(self.calls.clone());
        self.stage = self.waiting().judge(at(self.now), calls).unwrap().0;
        for (number, standing) in &mut self.model {
            *standing = judged_by_hand(*standing, ENTRIES[*number], &self.calls, self.now);
        }
        let waiting = self.waiting();
        for (number, standing) in &self.model {
            let found = match waiting.standing(prefix(ENTRIES[*number])) {
                None => Model::On,
                Some(Standing::HeldBack(_)) => Model::Held,
                Some(Standing::Waits(until)) => {
                    Model::Waits(until.as_second() - at(100).as_second())
                }
            };
            prop_assert_eq!(found, *standing, "{} at {}", ENTRIES[*number], self.now);
        }
        let waits = self.model.values().any(|it| matches!(it, Model::Waits(_)));
        prop_assert_eq!(waiting.ends().is_some(), waits);
        Ok(())
    }
}

fn judged_by_hand(standing: Model, entry: &str, calls: &[Call], now: i64) -> Model {
    let Model::Waits(since) = standing else {
        return standing;
    };
    if since + 100 > now {
        return standing;
    }
    let net: IpNet = entry.parse().unwrap();
    let hosts: BTreeSet<IpAddr> = calls
        .iter()
        .filter(|it| net.contains(&it.remote) && it.last >= at(since))
        .map(|it| it.inside)
        .collect();
    match hosts.len() > 2 {
        true => Model::Held,
        false => Model::On,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_history_of_a_feed(events in vec(event(), 1..40), all in any::<bool>()) {
        let mut history = History {
            rule: rule(if all { Entries::All } else { Entries::Wide }),
            now: 0,
            model: BTreeMap::new(),
            calls: Vec::new(),
            since: BTreeMap::new(),
            stage: judged(0),
        };
        for (after, event) in events {
            history.now += after;
            match event {
                Event::Called(host, entry) => history.called(host, entry),
                Event::Lists(entries) => history.lists(&entries),
                Event::Enforced => history.enforced()?,
            }
        }
    }
}
