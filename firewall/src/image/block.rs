//! Ranges of addresses and the classes in them.

use firewall_common::class::{ClassId, NONE};

use super::steps::Step;
use crate::address::Address;

/// A range of addresses and the steps that reach into it. The first step starts at or before the
/// range, all others within it: never empty, and of one class if there is only one.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a, A, V = ClassId> {
    /// First address.
    pub first: A,
    /// Last address.
    pub last: A,
    steps: &'a [Step<A, V>],
}

/// Addresses in a row with one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<A, V = ClassId> {
    /// First address.
    pub first: A,
    /// Last address.
    pub last: A,
    /// Class of all of them.
    pub class: V,
}

/// A prefix with one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<A> {
    /// First address.
    pub address: A,
    /// Length in bits.
    pub length: u8,
    /// Class of all its addresses.
    pub class: ClassId,
}

impl<'a, A: Address, V: Copy> Block<'a, A, V> {
    /// All addresses. `steps` start at address 0.
    pub fn everything(steps: &'a [Step<A, V>]) -> Self {
        Self::new(A::default(), A::MAX, steps)
    }

    /// The addresses from `first` to `last`. The first of `steps` starts at or before `first`, all
    /// others within the block.
    pub fn new(first: A, last: A, steps: &'a [Step<A, V>]) -> Self {
        Self { first, last, steps }
    }

    /// The class that every address has; `None` if they differ.
    pub fn class(&self) -> Option<V> {
        match self.steps {
            [only] => Some(only.value),
            _ => None,
        }
    }

    /// Ranges of one class each, in order.
    pub fn runs(self) -> impl Iterator<Item = Run<A, V>> {
        self.steps.iter().enumerate().map(move |(index, step)| Run {
            first: step.first.max(self.first),
            last: self.end_of_step(index),
            class: step.value,
        })
    }

    /// Last address of the block that has the class of step `index`.
    fn end_of_step(&self, index: usize) -> A {
        let next = self
            .steps
            .get(index + 1)
            .and_then(|next| next.first.previous());
        next.unwrap_or(self.last)
    }

    /// The block cut at multiples of prefix `length`: a part is one such prefix with several
    /// classes, or as many in a row as have one class.
    pub fn parts(self, length: u8) -> impl Iterator<Item = Self> {
        self.cut(move |rest| rest.end_of_part(length))
    }

    /// The prefixes of `length` in the block.
    pub fn each(self, length: u8) -> impl Iterator<Item = Self> {
        self.cut(move |rest| rest.first.last(length))
    }

    fn end_of_part(&self, length: u8) -> A {
        let end = self.first.last(length);
        match self.steps.get(1) {
            None => self.last,
            // Up to the prefix that the next step is in, unless that is the first.
            Some(next) => next
                .first
                .first(length)
                .previous()
                .map_or(end, |last| last.max(end)),
        }
    }

    fn cut(self, end: impl Fn(&Self) -> A) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (part, after) = rest?.split(end(&rest?));
            rest = after;
            Some(part)
        })
    }

    /// The part up to `last`, and what comes after it.
    fn split(self, last: A) -> (Self, Option<Self>) {
        let reached = self
            .steps
            .iter()
            .take_while(|step| step.first <= last)
            .count();
        let part = Self {
            first: self.first,
            last,
            steps: &self.steps[..reached],
        };
        if last == self.last {
            return (part, None);
        }
        let rest = last.next().map(|first| {
            let starts_here = self
                .steps
                .get(reached)
                .is_some_and(|step| step.first == first);
            let from = if starts_here { reached } else { reached - 1 };
            Self {
                first,
                last: self.last,
                steps: &self.steps[from..],
            }
        });
        (part, rest)
    }
}

impl<A: Address> Block<'_, A> {
    /// The class of the longest run. No class is preferred to some: it costs nothing to write.
    pub fn cover(self) -> ClassId {
        self.runs()
            .max_by_key(|run| (run.last.minus(run.first), run.class == NONE))
            .map_or(NONE, |run| run.class)
    }

    /// Prefixes that give the block its classes where the first match decides. The one that
    /// stands for the [cover](Self::cover) comes last and has `length`.
    pub fn prefixes(self, length: u8) -> impl Iterator<Item = Prefix<A>> {
        let cover = self.cover();
        let whole = Prefix {
            address: self.first,
            length,
            class: cover,
        };
        self.runs()
            .filter(move |run| run.class != cover)
            .flat_map(Run::prefixes)
            .chain((cover != NONE).then_some(whole))
    }
}

impl<A: Address> Run<A> {
    /// The fewest prefixes that make up the run, in order.
    pub fn prefixes(self) -> impl Iterator<Item = Prefix<A>> {
        let mut next = Some(self.first);
        std::iter::from_fn(move || {
            let address = next.filter(|address| *address <= self.last)?;
            let length = self.widest_prefix_at(address);
            next = address.last(length).next();
            Some(Prefix {
                address,
                length,
                class: self.class,
            })
        })
    }

    /// Length of the widest prefix that starts at `address` and does not leave the run.
    fn widest_prefix_at(&self, address: A) -> u8 {
        let aligned = A::BITS - address.trailing_zeros();
        (aligned..A::BITS)
            .find(|length| address.last(*length) <= self.last)
            .unwrap_or(A::BITS)
    }
}
