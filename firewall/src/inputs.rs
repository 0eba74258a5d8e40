//! The files that what is in force is a function of, read once and whole.

use anyhow::{Context, Result};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    config::{Config, Feed, Ports},
    feed::{
        format::{self, Format, Parsed},
        guard::{self, Guarded},
    },
    file,
    local::{ALLOW, LOCAL, List, Lists},
    protected::{Facts, Protected},
    ruleset::{Ruleset, Wish},
    state::{self, State},
};

/// Everything that decides what is in force, but for the time.
#[derive(Debug)]
pub struct Inputs {
    /// Feeds that are on and have a good copy, in the order of the configuration.
    pub feeds: Vec<StoredFeed>,
    /// The operator's lists.
    pub lists: Lists,
    /// What is never blocked.
    pub protected: Vec<Protected>,
}

/// A feed and its last good copy.
#[derive(Debug)]
pub struct StoredFeed {
    /// As configured.
    pub feed: Feed,
    /// Format of the content.
    pub format: Format,
    /// The last good copy.
    pub content: Vec<u8>,
}

impl Inputs {
    /// Reads all files.
    pub fn read(config: &Config, state: &State) -> Result<Self> {
        let mut feeds = Vec::new();
        for feed in config.active_feeds() {
            feeds.extend(StoredFeed::read(feed, state)?);
        }
        let facts: Facts = state::read_json(&state.protected())?.unwrap_or_default();
        Ok(Self {
            feeds,
            lists: read_lists(state)?,
            protected: facts.all(),
        })
    }

    /// A digest of everything that decides what is in force at `now`: equal digests, equal images.
    pub fn digest(&self, now: Timestamp) -> String {
        let mut digest = Sha256::new();
        // A newer version may make another image of the same files.
        digest.update(env!("CARGO_PKG_VERSION"));
        for stored in &self.feeds {
            digest.update(format!("\nfeed {} ", stored.asks()));
            digest.update(Sha256::digest(&stored.content));
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
        digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The ruleset that these files make at `now`.
    ///
    /// The copy of a feed that is no longer good, since somebody or something changed the file, is an
    /// error, or left out if that is asked for: then it is in the second answer, with the reason.
    pub fn ruleset(
        &self,
        now: Timestamp,
        leave_out_damaged: bool,
    ) -> Result<(Ruleset, Vec<String>)> {
        let mut ruleset = Ruleset::default();
        let mut left_out = Vec::new();
        for protected in &self.protected {
            let source = ruleset.source(protected.kind.as_str(), Wish::Protect)?;
            ruleset.push(protected.prefix.into(), source);
        }
        self.add_lists(&mut ruleset, now)?;
        for stored in &self.feeds {
            match stored.guarded(&self.protected) {
                Ok(guarded) => stored.add_to(&mut ruleset, &guarded)?,
                Err(error) if leave_out_damaged => left_out.push(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        Ok((ruleset, left_out))
    }
}

impl Inputs {
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

impl StoredFeed {
    /// The last good copy of a feed, if there is one.
    pub fn read(feed: &Feed, state: &State) -> Result<Option<Self>> {
        let store = state.feed_store(&feed.name);
        let Some(content) = store.content()? else {
            return Ok(None);
        };
        // The format in which the copy was good, whatever the configuration says by now.
        let format = match store.meta()?.copy {
            Some(copy) => copy.format,
            None => return Ok(None),
        };
        Ok(Some(Self {
            feed: feed.clone(),
            format,
            content,
        }))
    }

    /// What is asked of the feed, in one line: whatever decides what its copy means.
    fn asks(&self) -> String {
        let wish = self.feed.wish();
        let (name, ports) = (&self.feed.name, self.ports());
        format!("{name} {wish:?} {ports:?} {}", self.format)
    }

    /// What its ports mean.
    pub fn ports(&self) -> Ports {
        self.feed.ports.unwrap_or(self.format.ports())
    }

    /// What the copy says.
    pub fn parsed(&self) -> Result<Parsed> {
        format::parse(self.format, &self.content).with_context(|| {
            format!(
                "the stored copy of feed {0} is damaged; 'firewall feeds update {0}' replaces it",
                self.feed.name
            )
        })
    }

    fn add_to(&self, ruleset: &mut Ruleset, guarded: &Guarded) -> Result<()> {
        let source = ruleset.source(self.feed.name.as_str(), self.feed.wish())?;
        guarded.add_to(ruleset, source, self.ports());
        Ok(())
    }

    /// What may be put in force of the copy.
    pub fn guarded(&self, protected: &[Protected]) -> Result<Guarded> {
        guard::check(&self.parsed()?, protected)
            .with_context(|| format!("the stored copy of feed {} is refused", self.feed.name))
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
