//! The rules for the entries of one address family.

use crate::{address::Address, feed::format::Indicator};

use super::Action;

/// A rule that an entry meets.
pub(super) enum Rule<'a> {
    Wider(u8),
    Inside(&'a str),
    Contains(&'a str),
}

impl Rule<'_> {
    /// What becomes of the entry.
    pub(super) fn action(&self) -> Action {
        match self {
            Self::Wider(_) | Self::Inside(_) => Action::LeftOut,
            Self::Contains(_) => Action::Subtracted,
        }
    }
}

impl std::fmt::Display for Rule<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wider(shortest) => write!(formatter, "wider than /{shortest}"),
            Self::Inside(kind) | Self::Contains(kind) => formatter.write_str(kind),
        }
    }
}

/// The rules for one address family.
pub(super) struct Fence<'a, A> {
    shortest: u8,
    /// First address, last address and kind of the outermost protected prefixes, in order.
    protected: Vec<(A, A, &'a str)>,
}

impl<'a, A: Address> Fence<'a, A> {
    /// `protected` has address, length and kind of each protected prefix.
    pub(super) fn new(shortest: u8, protected: impl Iterator<Item = (A, u8, &'a str)>) -> Self {
        let range = |(address, length, kind): (A, u8, &'a str)| {
            (address.first(length), address.last(length), kind)
        };
        let mut all: Vec<_> = protected.map(range).collect();
        // The wider of two that begin together comes first and swallows the other.
        all.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        all.dedup_by(|inner, outer| inner.1 <= outer.1);
        Self {
            shortest,
            protected: all,
        }
    }

    /// The indicators that may be put in force; tells `found` about each that meets a rule.
    pub(super) fn keep(
        &self,
        indicators: &[Indicator<A>],
        mut found: impl FnMut(&Indicator<A>, Rule<'a>),
    ) -> Vec<Indicator<A>> {
        let mut kept = Vec::with_capacity(indicators.len());
        for indicator in indicators {
            let rule = self.rule(indicator);
            let stays = rule
                .as_ref()
                .is_none_or(|rule| rule.action() == Action::Subtracted);
            kept.extend(stays.then_some(*indicator));
            if let Some(rule) = rule {
                found(indicator, rule);
            }
        }
        kept
    }

    fn rule(&self, indicator: &Indicator<A>) -> Option<Rule<'a>> {
        if indicator.length < self.shortest {
            return Some(Rule::Wider(self.shortest));
        }
        self.meets(indicator)
    }

    /// Where the indicator meets protected addresses.
    pub(super) fn meets(&self, indicator: &Indicator<A>) -> Option<Rule<'a>> {
        let (first, last) = (indicator.address, indicator.address.last(indicator.length));
        // Prefixes are apart or one contains the other: the neighbours in order tell which.
        let after = self.protected.partition_point(|outer| outer.0 <= first);
        let before = after.checked_sub(1).map(|before| self.protected[before]);
        if let Some((_, _, kind)) = before.filter(|outer| last <= outer.1) {
            return Some(Rule::Inside(kind));
        }
        let begins_together = before.filter(|inner| inner.0 == first);
        let inner = begins_together.or_else(|| self.protected.get(after).copied());
        inner
            .filter(|inner| inner.0 <= last)
            .map(|(_, _, kind)| Rule::Contains(kind))
    }
}
