//! Since when a feed lists what it lists: known by what it listed before.

use std::collections::HashSet;

use ipnet::IpNet;

use super::{Indicator, port_bytes};
use crate::address::Address;

/// What a feed listed before.
pub struct Before<'a, A> {
    /// In order.
    records: &'a [Indicator<A>],
    /// Address and length of what was held back, which covers nothing.
    held_back: HashSet<(A, u8)>,
}

/// Dates what is listed at `now`, in order: what was listed before keeps its time. What lies wholly in
/// what was listed before, as where a provider lists two networks as one, has the time since which
/// every address of it is. A time that is yet to come is of a clock that was ahead; it becomes the second
/// before `now`, which is older than what is new.
pub fn date<A: Address>(new: &mut [Indicator<A>], before: &Before<'_, A>, now: u32) {
    let what = |it: &Indicator<A>| (it.address, it.length, port_bytes(it.port));
    // Both are in order: millions are walked through once.
    let mut old = before.records.iter().peekable();
    let mut cover = Cover::new(before);
    for indicator in new {
        while old.next_if(|it| what(it) < what(indicator)).is_some() {}
        let known = old.peek().filter(|it| what(it) == what(indicator));
        let since = match known {
            Some(known) => Some(known.since),
            None => cover.since(indicator.address, indicator.length),
        };
        indicator.since = match since {
            None => now,
            Some(ahead) if ahead > now => now.saturating_sub(1),
            Some(since) => since,
        };
    }
}

/// Since when all addresses of prefixes are listed, which are asked for in order.
struct Cover<'a, A> {
    before: &'a Before<'a, A>,
    /// How many records are before what was asked for last.
    passed: usize,
    /// Those of them that it may lie in.
    around: Open<A>,
    /// What was asked for last, and the answer: a list may have one prefix on a million lines.
    last: Option<((A, u8), Option<u32>)>,
}

impl<'a, A: Address> Cover<'a, A> {
    fn new(before: &'a Before<'a, A>) -> Self {
        Self {
            before,
            passed: 0,
            around: Open(Vec::new()),
            last: None,
        }
    }

    /// The newest of the times since which its addresses are listed; `None` if one is not.
    fn since(&mut self, address: A, length: u8) -> Option<u32> {
        let prefix = (address, length);
        if let Some((_, since)) = self.last.filter(|it| it.0 == prefix) {
            return since;
        }
        let rest = &self.before.records[self.passed..];
        let passed = rest.partition_point(|it| (it.address, it.length) < prefix);
        for record in rest[..passed].iter().filter(|it| self.before.covers(it)) {
            self.around.open(record);
        }
        self.passed += passed;
        let since = self.sweep(address, address.last(length));
        self.last = Some((prefix, since));
        since
    }

    /// Goes through what is listed from `first` to `last`, which is asked for.
    fn sweep(&mut self, first: A, last: A) -> Option<u32> {
        let around = self.around.at(first);
        let mut open = Open(around.map(|since| (last, since)).into_iter().collect());
        let (mut next, mut newest) = (Some(first), 0);
        let within = self.before.records[self.passed..].iter();
        let within = within.take_while(|it| it.address <= last);
        for record in within.filter(|it| self.before.covers(it)) {
            newest = newest.max(open.until(&mut next, record.address.previous())?);
            open.open(record);
        }
        Some(newest.max(open.until(&mut next, Some(last))?))
    }
}

impl<'a, A: Address> Before<'a, A> {
    /// These records, in order, of which those are held back.
    pub fn new(records: &'a [Indicator<A>], held_back: &[IpNet]) -> Self {
        let of = |net: &IpNet| Some((A::from_ip(net.addr())?, net.prefix_len()));
        Self {
            records,
            held_back: held_back.iter().filter_map(of).collect(),
        }
    }

    /// What has a port covers no address as a whole.
    fn covers(&self, record: &Indicator<A>) -> bool {
        let prefix = (record.address, record.length);
        record.port.is_none() && !self.held_back.contains(&prefix)
    }
}

/// Prefixes that lie in each other, the widest first: the last address of each, and the oldest time of
/// it and those around it.
struct Open<A>(Vec<(A, u32)>);

impl<A: Address> Open<A> {
    /// The time of the narrowest that holds `address`, after those that were asked for before.
    fn at(&mut self, address: A) -> Option<u32> {
        while self.0.pop_if(|it| it.0 < address).is_some() {}
        self.0.last().map(|it| it.1)
    }

    fn open(&mut self, record: &Indicator<A>) {
        let around = self.at(record.address);
        let since = around.map_or(record.since, |around| around.min(record.since));
        let last = record.address.last(record.length);
        // What ends where it does is over with it.
        while self.0.pop_if(|it| it.0 == last).is_some() {}
        self.0.push((last, since));
    }

    /// The newest of the times from `next` up to `last`, and moves `next` behind it; `None` if an
    /// address is in none of them.
    fn until(&mut self, next: &mut Option<A>, last: Option<A>) -> Option<u32> {
        let mut newest = 0;
        while let (Some(first), Some(last)) = (*next, last)
            && first <= last
        {
            newest = newest.max(self.at(first)?);
            let end = self.0.last().map_or(last, |it| it.0.min(last));
            *next = end.next();
        }
        Some(newest)
    }
}
