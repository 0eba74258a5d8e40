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
    /// The records of the copy; none where they are lost. It stays this one, though another may take
    /// its name.
    file: Option<File>,
    /// What they begin with; none where they are damaged.
    header: Option<Header>,
    identity: Option<Identity>,
    /// What was judged of its new entries, where they wait.
    stage: Stage,
    /// When the update began that brought the copy; `None` while another copy is being stored.
    began_at: Option<Timestamp>,
    /// Whether there may be entries that are not judged yet.
    has_news: bool,
    waiting: OnceCell<Option<Waiting>>,
    /// The last time that it was known to be the newest.
    fetched_at: Timestamp,
    /// Since when it is the same.
    changed_at: Timestamp,
    records: OnceCell<Records>,
    /// What it takes to compile it, by what was known when it was fetched.
    pub(super) load: Load,
    store: Store,
}

/// The records of a copy that this process has just stored.
#[derive(Debug)]
pub struct FreshCopy {
    identity: Identity,
    records: Records,
}

impl FreshCopy {
    /// The copy in `store`, which has these records. `None` if it is gone already.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn of(store: &Store, records: Records) -> Result<Option<Self>> {
        let Some(file) = store.open_records()? else {
            return Ok(None);
        };
        let identity = Identity::of(&file).context("cannot look at the copy of a feed")?;
        Ok(Some(Self { identity, records }))
    }
}

impl StoredFeed {
    /// The last good copy of a feed, if there is one.
    pub fn read(feed: &Feed, state: &State) -> Result<Option<Self>> {
        let store = state.feed_store(&feed.name);
        let file = store.open_records()?;
        // The format in which the copy was good, whatever the configuration says by now.
        let meta = store.meta()?;
        let Some(copy) = meta.copy else {
            // Not as if it had never been fetched: what it blocks would pass without a word.
            return Ok(meta.is_damaged.then(|| Self::damaged(feed, store)));
        };
        let stage = match feed.staging() {
            Some(_) => store.stage()?,
            None => Stage::default(),
        };
        let header = file.as_ref().and_then(|file| Header::read(file).ok());
        let identity = file.as_ref().map(Identity::of).transpose();
        // While another copy is being stored, what is known may be of the one before.
        let is_known = header.is_some_and(|it| store::hexadecimal(&it.content) == copy.digest);
        Ok(Some(Self {
            feed: feed.clone(),
            has_news: stage.judged.is_none() || stage.is_new(copy.changed_at) || !is_known,
            stage,
            began_at: is_known.then_some(copy.changed_at),
            waiting: OnceCell::new(),
            how: copy.how(),
            format: copy.format,
            load: Load {
                v4: copy.v4 as u64,
                v6: copy.v6 as u64,
                text: 0,
            },
            identity: identity.context("cannot look at the copy of a feed")?,
            header,
            file,
            fetched_at: copy.fetched_at,
            changed_at: copy.changed_at,
            records: OnceCell::new(),
            store,
        }))
    }

    /// A copy of which nothing is known: whoever compiles it says so, and what to do.
    fn damaged(feed: &Feed, store: Store) -> Self {
        Self {
            feed: feed.clone(),
            format: feed.format.unwrap_or(Format::Plain),
            how: How::default(),
            file: None,
            header: None,
            identity: None,
            stage: Stage::default(),
            began_at: None,
            has_news: false,
            waiting: OnceCell::new(),
            fetched_at: Timestamp::MAX,
            changed_at: Timestamp::MAX,
            records: OnceCell::new(),
            load: Load::default(),
            store,
        }
    }

    /// Takes the records of a copy that was just stored, if it is this one.
    pub(super) fn take(&mut self, copy: &mut FreshCopy) {
        if self.identity == Some(copy.identity) && self.records.get().is_none() {
            self.records = std::mem::take(&mut copy.records).into();
        }
    }

    /// What the copy lists, read the first time that it is asked for.
    ///
    /// # Errors
    /// The file is damaged, or cannot be read.
    pub fn records(&self) -> Result<&Records> {
        if let Some(records) = self.records.get() {
            return Ok(records);
        }
        let damaged = || {
            format!(
                "the stored copy of feed {0} is damaged or lost; 'firewall feeds update {0}' replaces it",
                self.feed.name
            )
        };
        let mut bytes = Vec::new();
        let mut file = self.file.as_ref().with_context(damaged)?;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .with_context(|| format!("cannot read the copy of feed {}", self.feed.name))?;
        let (_, records) = Records::decode(&bytes).with_context(damaged)?;
        Ok(self.records.get_or_init(|| records))
    }

    /// Which of its entries are only monitored, where new ones wait. A copy that cannot be read has none.
    pub fn waiting(&self) -> Option<&Waiting> {
        let waiting = || {
            let rule = self.feed.staging()?;
            // What the guard leaves out waits for nothing.
            let special = Facts::default().all();
            let guarded = self.has_news.then(|| self.guarded(&special).ok()).flatten();
            let listed = guarded.as_ref().map(|it| prefixes(&it.v4, &it.v6));
            Some(Waiting::new(
                rule,
                self.stage.clone(),
                self.began_at,
                listed,
            ))
        };
        self.waiting.get_or_init(waiting).as_ref()
    }

    /// What was judged of its new entries.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Whether there may be entries that are not judged yet.
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Takes in that the clock was set back since something was judged.
    pub fn set_back(&mut self, now: Timestamp) {
        let copy = self.began_at;
        if let Some(stage) = copy.and_then(|copy| self.stage.set_back(copy, now)) {
            self.set_stage(stage);
            self.has_news = true;
        }
    }

    /// Takes in since when the filter sees calls: from `now` on, unless it `is_watched` already.
    pub fn watch(&mut self, is_watched: bool, now: Timestamp) {
        let is_ahead = self.stage.watched.is_some_and(|watched| watched > now);
        if !is_watched || is_ahead {
            let watched = Some(now);
            self.set_stage(Stage {
                watched,
                ..self.stage.clone()
            });
        }
    }

    /// Takes in what was judged.
    pub fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
        self.waiting = OnceCell::new();
    }

    /// SHA-256 of what is compiled of the copy, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        let header = self.header.as_ref();
        header.map_or_else(
            || "damaged".to_owned(),
            |it| store::hexadecimal(&it.entries),
        )
    }

    /// What is asked of the feed, in one line: whatever decides what its copy means.
    pub(super) fn asks(&self, now: Timestamp) -> String {
        let wish = self.feed.wish();
        let (name, ports) = (&self.feed.name, self.ports());
        let age = if self.is_expired(now) { " expired" } else { "" };
        let hold = match (self.feed.mode, self.feed.hold) {
            (Mode::Protect, _) => " protect",
            (_, true) => "",
            (_, false) => " unheld",
        };
        let group = self.feed.must_agree().map_or(String::new(), |group| {
            format!(" {} of {}", group.min_sources, group.name)
        });
        let shortest = self.feed.gates.shortest;
        let shortest = match shortest == Shortest::default() {
            true => String::new(),
            false => format!(" /{} /{}", shortest.v4, shortest.v6),
        };
        let stage = self
            .waiting()
            .map_or(String::new(), |it| format!(" staged {}", it.key()));
        format!("{name} {wish:?} {ports:?}{shortest}{age}{hold}{group}{stage}")
    }

    /// Whether its entries are out of force at `now`, because they are too old.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.feed
            .is_expired((self.fetched_at, self.changed_at), now)
    }

    /// What its ports mean.
    pub fn ports(&self) -> Ports {
        self.feed.ports.unwrap_or(self.format.ports())
    }

    pub(super) fn input(&self, now: Timestamp) -> Input {
        Input {
            asks: self.asks(now),
            digest: self.digest(),
        }
    }

    /// What the feed says about the entry on `line`, beside its address.
    ///
    /// # Errors
    /// The content cannot be read.
    pub fn said(&self, line: u32, worker: &Worker) -> Result<Option<Said>> {
        let content = self.store.content()?.unwrap_or_default();
        let digest = store::sha256(&content);
        if self.header.is_none_or(|header| header.content != digest) {
            // Another copy has come since.
            return Ok(None);
        }
        let job = Job {
            format: Some(self.format),
            how: self.how.clone(),
            ..Job::new(Task::Say(line), Timestamp::now())
        };
        match worker.ask(&job, &content)? {
            Answer::Said(said) => Ok(said.map(|said| *said)),
            _ => Ok(None),
        }
    }

    pub(super) fn add_to(&self, ruleset: &mut Ruleset, guarded: &Guarded) -> Result<()> {
        let (name, wish) = (self.feed.name.as_str(), self.feed.wish());
        let source = ruleset.source(name, wish)?;
        match self.waiting().filter(|it| !it.is_empty()) {
            None => guarded.add_to(ruleset, |_| source, self.ports()),
            Some(waiting) => {
                let monitor = ruleset.source(name, wish.monitored())?;
                let of = |prefix| waiting.standing(prefix).map_or(source, |_| monitor);
                guarded.add_to(ruleset, of, self.ports());
            }
        }
        Ok(())
    }

    /// Gives its entries that wait the source of the others, for who asks what it lists.
    pub fn end_waiting(&self, ruleset: &mut Ruleset) {
        let (name, wish) = (self.feed.name.as_str(), self.feed.wish());
        let waits = ruleset.find(name, wish.monitored());
        let (Some(waits), Some(source)) = (waits, ruleset.find(name, wish)) else {
            return;
        };
        let v4 = ruleset.v4.iter_mut().map(|it| &mut it.source);
        let v6 = ruleset.v6.iter_mut().map(|it| &mut it.source);
        let ports = ruleset.ports.iter_mut().map(|it| &mut it.source);
        for number in v4.chain(v6).chain(ports).filter(|it| **it == waits) {
            *number = source;
        }
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
        guard::check_again(self.records()?, protected, self.feed.gates.shortest)
            .with_context(|| format!("the stored copy of feed {} is refused", self.feed.name))
    }
}
