//! From entries to steps: for each address the set of sources that name it.

use super::class::{NOTHING, SetId, Sets};
use crate::{address::Address, ruleset::Entry};

/// From `first` up to the next step, the value is `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<Key, Value> {
    /// First key of the range.
    pub first: Key,
    /// What all keys of the range have.
    pub value: Value,
}

/// The set of sources of each address, as steps over all addresses: the first starts at 0,
/// neighbours differ.
pub fn sweep<A: Address>(mut entries: Vec<Entry<A>>, sets: &mut Sets) -> Vec<Step<A, SetId>> {
    entries.sort_unstable();
    let mut sweep = Sweep::new();
    for entry in &entries {
        sweep.open(entry, sets);
    }
    sweep.finish()
}

/// A prefix that covers the address the sweep has reached.
#[derive(Clone, Copy)]
struct Open<A> {
    last: A,
    /// Sources of the prefix and of everything around it.
    set: SetId,
}

/// Prefixes nest or are disjoint, so those around the current address form a stack.
struct Sweep<A> {
    innermost: Open<A>,
    outer: Vec<Open<A>>,
    steps: Vec<Step<A, SetId>>,
}

impl<A: Address> Sweep<A> {
    fn new() -> Self {
        let everything = Open {
            last: A::MAX,
            set: NOTHING,
        };
        let steps = vec![Step {
            first: A::default(),
            value: NOTHING,
        }];
        Self {
            innermost: everything,
            outer: Vec::new(),
            steps,
        }
    }

    fn open(&mut self, entry: &Entry<A>, sets: &mut Sets) {
        while self.innermost.last < entry.address {
            self.close();
        }
        let set = sets.with(self.innermost.set, entry.source);
        let last = entry.last();
        // Whatever ends together is left together: duplicates do not deepen the stack.
        if last < self.innermost.last {
            self.outer.push(self.innermost);
        }
        self.innermost = Open { last, set };
        self.step(entry.address, set);
    }

    /// Leaves the innermost prefix. The outermost, which ends at the last address, stays.
    fn close(&mut self) {
        if let (Some(after), Some(outer)) = (self.innermost.last.next(), self.outer.pop()) {
            self.innermost = outer;
            self.step(after, outer.set);
        }
    }

    fn finish(mut self) -> Vec<Step<A, SetId>> {
        while !self.outer.is_empty() {
            self.close();
        }
        self.steps
    }

    fn step(&mut self, first: A, value: SetId) {
        if self.steps.last().is_some_and(|step| step.first == first) {
            self.steps.pop();
        }
        if self.steps.last().is_none_or(|step| step.value != value) {
            self.steps.push(Step { first, value });
        }
    }
}
