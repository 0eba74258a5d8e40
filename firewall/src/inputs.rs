//! The files that what is in force is a function of: the small ones are read at once, the copies of
//! feeds only where more than their digest is asked for.

use std::{borrow::Cow, cell::OnceCell, fs::File, io::Read as _};

use anyhow::{Context, Result};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    cache::{Cache, Identity, Input},
    config::{Config, Feed, Mode, Ports},
    feed::{
        format::{self, Format, How, Parsed, Said},
        guard::{self, Guarded, hold::Hold},
        store::{self, Store},
    },
    file,
    local::{ALLOW, LOCAL, List, Lists},
    memory::Load,
    protected::{Facts, Kind, Protected},
    ruleset::{Ruleset, Wish},
    state::{self, State},
};

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

/// A feed and its last good copy.
#[derive(Debug)]
pub struct StoredFeed {
    /// As configured.
    pub feed: Feed,
    /// Format of the content.
    pub format: Format,
    /// How the content is read.
    how: How,
    /// When entries of it begin to be over: only then it matters when it was parsed.
    expires: bool,
    /// The last good copy. It stays this one, though another may take its name.
    file: File,
    identity: Identity,
    /// The last time that it was known to be the newest.
    fetched_at: Timestamp,
    content: OnceCell<Content>,
    /// What it takes to compile it, by what was known when it was fetched.
    load: Load,
    /// The digest that a file of this identity had when an image was made of it.
    known_digest: Option<String>,
    /// What the copy says, if this process has just stored it.
    fresh: Option<Box<Parsed>>,
}

/// A copy of a feed that this process has just stored, and what it says.
#[derive(Debug)]
pub struct FreshCopy {
    identity: Identity,
    digest: String,
    parsed: Box<Parsed>,
}

impl FreshCopy {
    /// The copy in `store`, whose content has this digest. `None` if it is gone already.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn of(store: &Store, digest: &str, parsed: Box<Parsed>) -> Result<Option<Self>> {
        let Some(file) = store.open()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            identity: Identity::of(&file).context("cannot look at the copy of a feed")?,
            digest: digest.to_owned(),
            parsed,
        }))
    }
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    digest: String,
}

impl Inputs {
    /// Reads all files, but for the copies of feeds, which it opens.
    pub fn read(config: &Config, state: &State) -> Result<Self> {
        let cache = Cache::open(&state.image_cache());
        let stored = |feed| -> Result<Option<StoredFeed>> {
            let Some(mut stored) = StoredFeed::read(feed, state)? else {
                return Ok(None);
            };
            let known = cache.as_ref().and_then(|it| it.digest_of(&stored.identity));
            stored.known_digest = known.map(str::to_owned);
            Ok(Some(stored))
        };
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

    /// Takes what is known of copies that were stored just now: where the file is still the same,
    /// neither it is read nor its content parsed again.
    pub fn take(&mut self, copies: Vec<FreshCopy>) {
        for copy in copies {
            let is_same = |stored: &&mut StoredFeed| stored.identity == copy.identity;
            let mut all = self.feeds.iter_mut().chain(&mut self.protect);
            if let Some(stored) = all.find(is_same) {
                stored.known_digest = Some(copy.digest);
                stored.fresh = Some(copy.parsed);
            }
        }
    }

    /// A digest of everything that decides what is in force at `now`: equal digests, equal images.
    ///
    /// # Errors
    /// The copy of a feed cannot be read.
    pub fn digest(&self, now: Timestamp) -> Result<String> {
        let mut digest = Sha256::new();
        // A newer version may make another image of the same files.
        digest.update(env!("CARGO_PKG_VERSION"));
        for stored in self.all() {
            digest.update(format!("\nfeed {} {}", stored.asks(now), stored.digest()?));
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
        let bytes = digest.finalize();
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
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
    ///
    /// # Errors
    /// The copy of a feed cannot be read.
    pub fn of_image(&self, now: Timestamp) -> Result<Vec<Input>> {
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
            ruleset.source(feed.name.as_str(), feed.wish())?;
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

impl StoredFeed {
    /// The last good copy of a feed, if there is one.
    pub fn read(feed: &Feed, state: &State) -> Result<Option<Self>> {
        let store = state.feed_store(&feed.name);
        let Some(file) = store.open()? else {
            return Ok(None);
        };
        // The format in which the copy was good, whatever the configuration says by now.
        let Some(copy) = store.meta()?.copy else {
            return Ok(None);
        };
        let identity = Identity::of(&file).context("cannot look at the copy of a feed")?;
        Ok(Some(Self {
            feed: feed.clone(),
            how: copy.how(),
            expires: copy.next_expiry.is_some(),
            format: copy.format,
            load: Load {
                v4: copy.v4 as u64,
                v6: copy.v6 as u64,
                text: identity.size(),
            },
            file,
            identity,
            fetched_at: copy.fetched_at,
            content: OnceCell::new(),
            known_digest: None,
            fresh: None,
        }))
    }

    /// The last good copy, read the first time that it is asked for.
    fn content(&self) -> Result<&Content> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let mut bytes = Vec::new();
        (&self.file)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read the copy of feed {}", self.feed.name))?;
        let digest = store::digest(&bytes);
        Ok(self.content.get_or_init(|| Content { bytes, digest }))
    }

    /// SHA-256 of the copy, in hexadecimal: of what was read of it, or else as it is known.
    fn digest(&self) -> Result<String> {
        match (&self.known_digest, self.content.get()) {
            (Some(known), None) => Ok(known.clone()),
            _ => Ok(self.content()?.digest.clone()),
        }
    }

    /// What is asked of the feed, in one line: whatever decides what its copy means.
    fn asks(&self, now: Timestamp) -> String {
        let wish = self.feed.wish();
        let (name, ports) = (&self.feed.name, self.ports());
        let How { options, at } = &self.how;
        let at = at.filter(|_| self.expires);
        let age = if self.is_expired(now) { " expired" } else { "" };
        let hold = match (self.feed.mode, self.feed.hold) {
            (Mode::Protect, _) => " protect",
            (_, true) => "",
            (_, false) => " unheld",
        };
        format!(
            "{name} {wish:?} {ports:?} {} {options:?} {at:?}{age}{hold}",
            self.format
        )
    }

    /// Whether its entries are out of force at `now`, because its last good fetch is too long ago.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.feed.is_expired(self.fetched_at, now)
    }

    /// What its ports mean.
    pub fn ports(&self) -> Ports {
        self.feed.ports.unwrap_or(self.format.ports())
    }

    fn input(&self, now: Timestamp) -> Result<Input> {
        Ok(Input {
            asks: self.asks(now),
            digest: self.digest()?,
            identity: self.identity,
        })
    }

    /// What the copy says.
    pub fn parsed(&self) -> Result<Parsed> {
        format::parse(self.format, &self.how, &self.content()?.bytes).with_context(|| {
            format!(
                "the stored copy of feed {0} is damaged; 'firewall feeds update {0}' replaces it",
                self.feed.name
            )
        })
    }

    /// What the copy says about the entry on `line`, beside its address.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn said(&self, line: u32) -> Result<Option<Said>> {
        let content = self.content()?;
        Ok(format::said(self.format, &self.how, &content.bytes, line))
    }

    fn add_to(&self, ruleset: &mut Ruleset, guarded: &Guarded) -> Result<()> {
        let source = ruleset.source(self.feed.name.as_str(), self.feed.wish())?;
        guarded.add_to(ruleset, source, self.ports());
        Ok(())
    }

    /// What may be put in force of the copy, without what protect lists hold.
    pub fn held(&self, protected: &[Protected], hold: &Hold<'_>) -> Result<Guarded> {
        let mut guarded = self.guarded(protected)?;
        if self.feed.hold {
            guarded.hold(hold, self.ports());
        }
        Ok(guarded)
    }

    /// What may be put in force of the copy, protect lists aside.
    pub fn guarded(&self, protected: &[Protected]) -> Result<Guarded> {
        let parsed = match &self.fresh {
            Some(parsed) => Cow::Borrowed(parsed.as_ref()),
            None => Cow::Owned(self.parsed()?),
        };
        guard::check(&parsed, protected)
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

#[cfg(test)]
mod tests;
