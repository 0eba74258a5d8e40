//! What is enforced, in formats that other programs read: so that one gateway's list is another's feed.
//! Pure: a ruleset in, bytes out, an entry at a time.

use std::io::Write;

use anyhow::Result;
use firewall_common::class::{Action, Actions, Case};
use jiff::Timestamp;

use crate::{
    config::Direction,
    image::{Class, Listing},
    ruleset::SourceId,
    subject::Subject,
};

mod sets;
mod sharing;
mod text;

#[cfg(test)]
mod tests;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// An entry a line; says least, and everything reads it
    Plain,
    /// A table: address, port, protocol, action, direction, sources
    Csv,
    /// An object a line, with the same
    Json,
    /// Sets for 'nft -f'
    Nft,
    /// Sets for 'ipset restore'
    Ipset,
    /// A bundle of STIX 2.1 indicators
    Stix,
    /// An event of MISP
    Misp,
}

/// Which of the entries are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// What is only counted and reported as well.
    pub monitored: bool,
    /// Of one direction only.
    pub direction: Option<Direction>,
}

/// What becomes of packets of an entry, said in the words of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Dropped, or only monitored.
    pub drops: bool,
    /// All packets to and from it, or only what opens something from outside.
    pub direction: Direction,
}

impl Verdict {
    /// `None` where nothing is done with packets of the address.
    fn of(actions: Actions) -> Option<Self> {
        let cases = [
            (Case::Destination, Direction::Out),
            (Case::Opening, Direction::In),
        ];
        [Action::Drop, Action::Monitor]
            .into_iter()
            .find_map(|action| {
                let mut cases = cases.iter();
                let found = cases.find(|(case, _)| actions.of(*case) == action)?;
                Some(Self {
                    drops: action == Action::Drop,
                    direction: found.1,
                })
            })
    }

    fn action(self) -> &'static str {
        match self.drops {
            true => "drop",
            false => "monitor",
        }
    }

    fn direction(self) -> &'static str {
        match self.direction {
            Direction::Out => "out",
            Direction::In => "in",
        }
    }
}

/// What is to be written, and what is said about it.
pub struct Export<'a> {
    /// What the ruleset lists.
    pub listing: &'a Listing,
    /// Which of it.
    pub wanted: Wanted,
    /// The time of the export.
    pub now: Timestamp,
    /// Tells this site from others, so that their names for the same entry differ.
    pub site: String,
}

impl<'a> Export<'a> {
    /// Writes everything that is wanted. An entry takes no memory beyond its line.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn write(&self, format: Format, output: &mut dyn Write) -> Result<()> {
        match format {
            Format::Plain => text::plain(self, output),
            Format::Csv => text::csv(self, output),
            Format::Json => text::json(self, output),
            Format::Nft => sets::nft(self, output),
            Format::Ipset => sets::ipset(self, output),
            Format::Stix => sharing::stix(self, output),
            Format::Misp => sharing::misp(self, output),
        }
    }

    /// Whether C&C addresses and attackers are both in it.
    pub fn is_mixed(&self) -> Result<bool> {
        let mut found = [false; 2];
        self.verdicts(Some, |_, verdict| {
            found[usize::from(verdict.direction == Direction::In)] = true;
            Ok(())
        })?;
        Ok(found == [true; 2])
    }

    /// Each prefix and port that `of` has a value for; neighbours of the same value are one.
    fn verdicts<T: PartialEq>(
        &self,
        of: impl Fn(Verdict) -> Option<T>,
        visit: impl FnMut(Subject, &T) -> Result<()>,
    ) -> Result<()> {
        self.listing
            .each(|class| self.verdict(class).and_then(&of), visit)
    }

    /// Each prefix and port with what is done with it, and all who list it.
    fn rows(&self, mut visit: impl FnMut(Subject, Verdict, &[&str]) -> Result<()>) -> Result<()> {
        let value = |class: &'a Class| Some((self.verdict(class)?, class.sources.as_slice()));
        self.listing.each(value, |subject, (verdict, sources)| {
            visit(subject, *verdict, &self.names(sources))
        })
    }

    fn verdict(&self, class: &Class) -> Option<Verdict> {
        let Wanted {
            monitored,
            direction,
        } = self.wanted;
        Verdict::of(class.actions)
            .filter(|it| it.drops || monitored)
            .filter(|it| direction.is_none_or(|direction| direction == it.direction))
    }

    fn names(&self, sources: &[SourceId]) -> Vec<&'a str> {
        let source = |id: &SourceId| self.listing.sources.get(usize::from(*id));
        let sources = sources.iter().filter_map(source);
        let mut names: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
        // Two sources have one name where new entries of a feed wait.
        names.dedup();
        names
    }

    /// The first line of formats that have comments.
    fn headline(&self) -> String {
        let what = match self.wanted.monitored {
            true => "dropped or monitored",
            false => "dropped",
        };
        format!("# what a firewall has {what}, {:.0}", self.now)
    }
}
