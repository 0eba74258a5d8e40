//! The files that what is in force is a function of: the small ones are read at once, the copies of
//! feeds only where more than their digest is asked for.

use std::{
    cell::OnceCell,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    cache::{Identity, Input},
    config::{Config, Feed, Mode, Ports},
    feed::{
        format::{Format, How, Said},
        guard::{self, Guarded, gates::Shortest, hold::Hold},
        records::{Header, Records, prefixes},
        stage::{Stage, Waiting},
        store::{self, Store},
        worker::{Answer, Job, Task, Worker},
    },
    file,
    local::{ALLOW, LOCAL, List, Lists},
    memory::Load,
    protected::{Facts, Kind, Protected},
    ruleset::{Ruleset, Wish},
    state::{self, State},
};

mod stored;

pub use stored::{FreshCopy, StoredFeed};

/// Everything that decides what is in force, but for the time.
#[derive(Debug)]
pub struct Inputs {
    /// Feeds that are on and have a good copy, in the order of the configuration.
    pub feeds: Vec<StoredFeed>,
    /// Protect lists that have a good copy, likewise.
    pub protect: Vec<StoredFeed>,
    /// The operator's lists.
    pub lists: Lists,
    /// What is never blocked.
    pub protected: Vec<Protected>,
}

impl Inputs {
    /// Reads all files, but for the copies of feeds, which it opens.
    pub fn read(config: &Config, state: &State) -> Result<Self> {
        let stored = |feed| StoredFeed::read(feed, state);
        let feeds = config
            .active_feeds()
            .map(stored)
            .filter_map(Result::transpose);
        let feeds: Vec<StoredFeed> = feeds.collect::<Result<_>>()?;
        let protect = config
            .protect
            .iter()
            .map(stored)
            .filter_map(Result::transpose);
        let facts: Facts = state::read_json(&state.protected())?.unwrap_or_default();
        Ok(Self {
            protect: protect.collect::<Result<_>>()?,
            feeds,
            lists: read_lists(state)?,
            protected: facts.all(),
        })
    }

    /// Takes the records of copies that were stored just now: where the file is still the same, it is
    /// not read.
    pub fn take(&mut self, copies: Vec<FreshCopy>) {
        for mut copy in copies {
            let all = self.feeds.iter_mut().chain(&mut self.protect);
            all.for_each(|stored| stored.take(&mut copy));
        }
    }

    /// A digest of everything that decides what is in force at `now`: equal digests, equal images.
    pub fn digest(&self, now: Timestamp) -> String {
        let mut digest = Sha256::new();
        // A newer version may make another image of the same files.
        digest.update(env!("CARGO_PKG_VERSION"));
        for stored in self.all() {
            digest.update(format!("\nfeed {} {}", stored.asks(now), stored.digest()));
        }
        for (name, list) in [("block", &self.lists.block), ("allow", &self.lists.allow)] {
            for (subject, note) in list.live(now) {
                digest.update(format!("\n{name} {subject} {}", note.exempt));
            }
        }
        for protected in &self.protected {
            digest.update(format!(
                "\nprotected {} {}",
                protected.prefix,
                protected.kind.as_str()
            ));
        }
        store::hexadecimal(&digest.finalize().into())
    }

    fn all(&self) -> impl Iterator<Item = &StoredFeed> {
        self.feeds.iter().chain(&self.protect)
    }

    /// What it takes to compile the feeds.
    pub fn load(&self) -> Load {
        let loads = self.all().map(|stored| stored.load);
        loads.fold(Load::default(), std::ops::Add::add)
    }

    /// What an image of the feeds is made of at `now`.
    pub fn of_image(&self, now: Timestamp) -> Vec<Input> {
        self.all().map(|stored| stored.input(now)).collect()
    }

    /// The ruleset that these files make at `now`: that of the feeds and that of the operator.
    pub fn ruleset(
        &self,
        now: Timestamp,
        leave_out_damaged: bool,
    ) -> Result<(Ruleset, Vec<String>)> {
        let (mut ruleset, left_out) = self.feeds_ruleset(now, leave_out_damaged)?;
        ruleset.extend(self.own_ruleset(now)?);
        Ok((ruleset, left_out))
    }

    /// The ruleset without entries: all sources there can be, in one order, so that what one ruleset
    /// says about a source is true in the other.
    fn sources(&self) -> Result<Ruleset> {
        let mut ruleset = Ruleset::default();
        for kind in Kind::ALL {
            ruleset.source(kind.as_str(), Wish::Protect)?;
        }
        ruleset.source(ALLOW, Wish::Allow)?;
        ruleset.source(ALLOW, Wish::Exempt)?;
        ruleset.source(LOCAL, Wish::Drop)?;
        for StoredFeed { feed, .. } in &self.feeds {
            let source = ruleset.source(feed.name.as_str(), feed.wish())?;
            ruleset.put_in_group(source, feed.must_agree().cloned());
            if feed.staging().is_some() {
                ruleset.source(feed.name.as_str(), feed.wish().monitored())?;
            }
        }
        Ok(ruleset)
    }

    /// What the operator and this machine ask for at `now`: the lists, and what is protected.
    pub fn own_ruleset(&self, now: Timestamp) -> Result<Ruleset> {
        let mut ruleset = self.sources()?;
        for protected in &self.protected {
            let source = ruleset.source(protected.kind.as_str(), Wish::Protect)?;
            ruleset.push(protected.prefix.into(), source);
        }
        self.add_lists(&mut ruleset, now)?;
        Ok(ruleset)
    }

    /// What the feeds ask for at `now`: the same as long as their copies are, and none is too old. Of what is protected only the
    /// special addresses are left out, which never change; the others are exempt as the operator's are.
    ///
    /// The copy of a feed that is no longer good, since somebody or something changed the file, is an
    /// error, or left out if that is asked for: then it is in the second answer, with the reason.
    pub fn feeds_ruleset(
        &self,
        now: Timestamp,
        leave_out_damaged: bool,
    ) -> Result<(Ruleset, Vec<String>)> {
        let mut ruleset = self.sources()?;
        let mut left_out = Vec::new();
        let special = Facts::default().all();
        let lists = self.protect_lists(|error| {
            if !leave_out_damaged {
                return Err(error);
            }
            left_out.push(format!("{error:#}"));
            Ok(())
        })?;
        let hold = Hold::new(&lists);
        for stored in self.feeds.iter().filter(|it| !it.is_expired(now)) {
            match stored.held(&special, &hold) {
                Ok(guarded) => stored.add_to(&mut ruleset, &guarded)?,
                Err(error) if leave_out_damaged => left_out.push(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        Ok((ruleset, left_out))
    }
}

impl Inputs {
    /// The protect lists by name; `damaged` decides what becomes of a copy that cannot be read.
    pub fn protect_lists(
        &self,
        mut damaged: impl FnMut(anyhow::Error) -> Result<()>,
    ) -> Result<Vec<(String, Guarded)>> {
        let mut lists = Vec::new();
        for stored in &self.protect {
            match stored.guarded(&[]) {
                Ok(list) => lists.push((stored.feed.name.to_string(), list)),
                Err(error) => damaged(error)?,
            }
        }
        Ok(lists)
    }

    /// The operator's entries. What is exempt is of a source of its own: it wishes something else.
    fn add_lists(&self, ruleset: &mut Ruleset, now: Timestamp) -> Result<()> {
        let allow = ruleset.source(ALLOW, Wish::Allow)?;
        let local = ruleset.source(LOCAL, Wish::Drop)?;
        for (subject, note) in self.lists.allow.live(now) {
            let source = match note.exempt {
                true => ruleset.source(ALLOW, Wish::Exempt)?,
                false => allow,
            };
            ruleset.add(&subject, source);
        }
        for (subject, _) in self.lists.block.live(now) {
            ruleset.add(&subject, local);
        }
        Ok(())
    }
}

/// Reads both local lists.
pub fn read_lists(state: &State) -> Result<Lists> {
    let read = |path: &std::path::Path| -> Result<List> {
        let text = file::read(path)?.unwrap_or_default();
        let text = String::from_utf8(text)
            .with_context(|| format!("{} is not UTF-8 text", path.display()))?;
        List::parse(&text).with_context(|| {
            format!(
                "{} is refused whole, and what is in force stays; mend it in an editor",
                path.display()
            )
        })
    };
    Ok(Lists {
        block: read(&state.block_list())?,
        allow: read(&state.allow_list())?,
    })
}

#[cfg(test)]
mod tests;
