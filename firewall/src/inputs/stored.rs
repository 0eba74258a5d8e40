//! The last good copy of a feed as an input: opened at once, read only where more than its digest is
//! asked for.

use super::*;

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
    pub(super) identity: Identity,
    /// The last time that it was known to be the newest.
    fetched_at: Timestamp,
    content: OnceCell<Content>,
    /// What it takes to compile it, by what was known when it was fetched.
    pub(super) load: Load,
    /// The digest that a file of this identity had when an image was made of it.
    pub(super) known_digest: Option<String>,
    /// What the copy says, if this process has just stored it.
    pub(super) fresh: Option<Box<Parsed>>,
}

/// A copy of a feed that this process has just stored, and what it says.
#[derive(Debug)]
pub struct FreshCopy {
    pub(super) identity: Identity,
    pub(super) digest: String,
    pub(super) parsed: Box<Parsed>,
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
    pub(super) fn digest(&self) -> Result<String> {
        match (&self.known_digest, self.content.get()) {
            (Some(known), None) => Ok(known.clone()),
            _ => Ok(self.content()?.digest.clone()),
        }
    }

    /// What is asked of the feed, in one line: whatever decides what its copy means.
    pub(super) fn asks(&self, now: Timestamp) -> String {
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

    pub(super) fn input(&self, now: Timestamp) -> Result<Input> {
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

    pub(super) fn add_to(&self, ruleset: &mut Ruleset, guarded: &Guarded) -> Result<()> {
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
