//! One filter on one machine: its configuration, its state folder and its data plane; and the one
//! way anything reaches the kernel: files → ruleset → image → generation, under the lock.

pub mod changes;
mod compiled;
mod held;
mod staging;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tracing::{debug, info};

use crate::{
    config::Config,
    dataplane::{Change, Dataplane, Gaps, Interface, Link, Object},
    feed::{
        good::{has_lost_records, mend_records},
        store::Name,
        worker::Worker,
    },
    file,
    image::Image,
    inputs::FreshCopy,
    ledger::{self, Entry, Key, Sums},
    protected::Protected,
    record::{Record, Records},
    state::State,
};
use held::Held;
pub use staging::LetGo;

/// One filter on one machine.
#[derive(Debug)]
pub struct Filter {
    /// What the operator configured.
    pub config: Config,
    /// Lists, feeds, locks.
    pub state: State,
    /// Programs and maps in the kernel.
    pub dataplane: Dataplane,
    /// Which build of the kernel program new generations get.
    pub object: Object,
}

/// Which interfaces are to enforce.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those that are attached already. Short commands never attach.
    Attached,
    /// These, and no others.
    Exactly(Vec<Interface>),
}

/// What a caller knows beyond the files.
#[derive(Debug, Default)]
pub struct Known<'a> {
    /// Addresses that are not to be blocked.
    pub protected: &'a [Protected],
    /// Copies of feeds that this process has just stored.
    pub copies: Vec<FreshCopy>,
}

/// What became of an attempt to put the files in force.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is attached, so nothing can be in force.
    NothingAttached,
    /// What the files say was in force already. Why new entries could not be judged, a sentence each.
    Unchanged(Vec<String>),
    /// A new generation is in force.
    Installed {
        /// Its record.
        record: Record,
        /// What was done to each interface.
        changes: Vec<(String, Change)>,
        /// Interfaces that were detached because nobody wants them any more.
        detached: Vec<String>,
        /// Feeds that are left out because their last good copy is damaged, and new entries of feeds
        /// that stay monitored: why, a sentence each.
        not_dropped: Vec<String>,
        /// Why the generations before are still there: what they counted could not be written down.
        not_retired: Option<anyhow::Error>,
    },
}

impl Outcome {
    /// The same, with feeds that are left out, and sentences on new entries that are held back.
    fn with(mut self, left_out: &[String], held_back: Vec<String>) -> Self {
        if let Self::Installed { not_dropped, .. } = &mut self {
            *not_dropped = held_back;
            not_dropped.extend(left_out.iter().map(|feed| format!("left out: {feed}")));
        }
        self
    }
}

impl Filter {
    /// Records of generations.
    pub fn records(&self) -> Records {
        Records::new(self.state.generations())
    }

    /// Puts what the files say in force on the interfaces that are wanted, after taking in what only
    /// the caller knows.
    pub fn enforce(&self, wanted: Wanted, known: Known) -> Result<Outcome> {
        self.mend_copies();
        let held = Held::wait(self)?;
        let folded = held.fold()?;
        self.enforce_held(held, folded, wanted, known)
    }

    /// What copies list is made again where it is lost. Where nothing is in force yet, everything that
    /// will be compiled is looked at.
    fn mend_copies(&self) {
        let all = self.in_force().is_ok_and(|record| record.is_none());
        for feed in self.config.fetched_feeds() {
            match self.mend_copy(&feed.name, all) {
                Ok(true) => info!(
                    "feed {}: its records were lost, and are made again",
                    feed.name
                ),
                Ok(false) => {}
                // Whoever needs them says so, and what to do.
                Err(error) => debug!("feed {}: {error:#}", feed.name),
            }
        }
    }

    fn mend_copy(&self, name: &Name, all: bool) -> Result<bool> {
        let store = self.state.feed_store(name);
        // Seldom true: whoever updates the feed is not waited for otherwise.
        if !has_lost_records(&store, all)? {
            return Ok(false);
        }
        let _lock = self.state.lock_feed(name)?;
        mend_records(&store, &Worker::of_this_program()?).map(|()| true)
    }

    /// The lock is given back before the cache is written: it is not waited for.
    fn enforce_held(
        &self,
        held: Held,
        folded: Vec<PathBuf>,
        wanted: Wanted,
        known: Known,
    ) -> Result<Outcome> {
        let (outcome, compiled) = held.enforce(folded, wanted, known)?;
        drop(held);
        if let Some(compiled) = compiled {
            compiled.keep(&self.state);
        }
        Ok(outcome)
    }

    /// Puts a change in force that lies in the folder of changes. Whoever holds the lock takes all
    /// changes with him: where somebody else did so already, there is nothing left to do. A change
    /// that does not even get into the lists is withdrawn, or it would keep all later ones out.
    pub fn enforce_change(&self, change: &Path) -> Result<Outcome> {
        self.mend_copies();
        let held = Held::wait(self)?;
        if change.exists() {
            let folded = held.fold().inspect_err(|_| changes::withdraw(change));
            let folded = folded.context("nothing was changed")?;
            let outcome = self.enforce_held(held, folded, Wanted::Attached, Known::default());
            return outcome.context(
                "stored, but not put in force; what was in force stays, and 'firewall reload' \
                 tries again",
            );
        }
        Ok(match self.dataplane.links()?.is_empty() {
            true => Outcome::NothingAttached,
            false => Outcome::Unchanged(Vec::new()),
        })
    }

    /// Puts an image in force on what is attached, whatever the files say; the next change puts the
    /// files in force again. `inputs` is what the record calls the image's origin.
    pub fn install_image(&self, image: &Image, inputs: &str) -> Result<Outcome> {
        let held = Held::wait(self)?;
        let before = self.in_force()?;
        let namespace = before.as_ref().map_or(0, |record| record.namespace);
        let interfaces = held.attached_interfaces(before.as_ref())?;
        held.install(image, inputs.to_owned(), namespace, &interfaces)
    }

    /// Who talked to whom, as far as it is known, and what is not known of what the kernel saw.
    pub fn ledger(&self) -> Result<(BTreeMap<Key, Entry>, Gaps)> {
        let live = ledger::live(&self.dataplane, &self.records())?;
        let gaps = self.dataplane.ledger_gaps(live.len())?;
        Ok((ledger::merged(&self.state.ledger(), live)?, gaps))
    }

    /// Writes down what the kernel's ledger counted since the last time.
    pub fn keep_sums(&self) -> Result<()> {
        let live = ledger::live(&self.dataplane, &self.records())?;
        Sums::open(&self.state.ledger())?.add(live)
    }

    /// Detaches everywhere and removes every pin and record, and what was counted with them.
    pub fn unload(&self) -> Result<()> {
        let _lock = self.state.lock_change()?;
        // Whoever unloads has a reason; a file that is broken must not keep the filter on.
        let kept = self.keep_sums();
        self.dataplane.unload()?;
        let records = self.records();
        records
            .numbers()?
            .into_iter()
            .try_for_each(|number| records.remove(number))?;
        self.forget_counts()?;
        kept.context("unloaded, but what the ledger counted last is lost")
    }

    /// Makes the BPF file system ready. Where nothing is pinned, after a boot or an unload, all
    /// counting starts anew: what retired generations counted belongs to counters that are gone.
    pub fn prepare(&self) -> Result<()> {
        if !self.dataplane.is_pinned() {
            self.forget_counts()?;
        }
        self.dataplane.prepare()
    }

    fn forget_counts(&self) -> Result<()> {
        file::remove(&self.state.totals())
    }

    /// The record of the generation that all attached interfaces run; `None` if they differ.
    pub fn in_force(&self) -> Result<Option<Record>> {
        let mut generations = Vec::new();
        for link in self.attached()? {
            generations.push(self.dataplane.generation_of(&link)?);
        }
        generations.dedup();
        match generations.as_slice() {
            [Some(number)] => self.records().read(*number),
            _ => Ok(None),
        }
    }

    /// The attachments whose device is there.
    pub fn attached(&self) -> Result<Vec<Link>> {
        let links = self.dataplane.links()?;
        Ok(links.into_iter().filter(|link| link.index != 0).collect())
    }
}
