//! What is done under the lock: fold changes in, compile, install, retire.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use firewall_common::reason::Count;
use jiff::Timestamp;
use tracing::warn;

use super::{Filter, Known, Outcome, Wanted, changes, compiled::Compiled};
use crate::{
    config::Config,
    dataplane::{Change, Interface, Link},
    image::Image,
    inputs::Inputs,
    network::Network,
    protected::{Facts, Protected, live_facts, network_namespace},
    record::{Record, RecordedInterface, Totals, attached},
    state::{self, Lock},
};

/// The lock, and what is known once it is held.
pub struct Held<'a> {
    filter: &'a Filter,
    /// What somebody else put in force since the filter's own configuration was read.
    newer: Option<Config>,
    pub(super) now: Timestamp,
    _lock: Lock,
}

impl<'a> Held<'a> {
    /// Waits for the lock.
    pub fn wait(filter: &'a Filter) -> Result<Self> {
        filter.state.prepare()?;
        let lock = filter.state.lock_change()?;
        Ok(Self {
            filter,
            newer: filter.config.newer(&filter.state.configuration()),
            now: Timestamp::now(),
            _lock: lock,
        })
    }

    /// Tidies up after a crash and folds all changes into the lists.
    pub fn fold(&self) -> Result<Vec<PathBuf>> {
        self.settle()?;
        changes::fold(&self.filter.state, self.now)
    }

    /// The configuration that counts: what was read first is not put in force over what was read later.
    fn config(&self) -> &Config {
        self.newer.as_ref().unwrap_or(&self.filter.config)
    }

    /// Puts what the files say in force, and forgets the changes that were folded into them. What was
    /// compiled for it is handed back, to be [kept](Compiled::keep) when the lock is given back.
    pub fn enforce(
        &self,
        folded: Vec<PathBuf>,
        wanted: Wanted,
        known: Known,
    ) -> Result<(Outcome, Option<Compiled>)> {
        let before = self.filter.in_force()?;
        let mut interfaces = match wanted {
            Wanted::Exactly(interfaces) if self.newer.is_none() => interfaces,
            _ => self.attached_interfaces(before.as_ref())?,
        };
        // In one order, whoever asks: another order is no change that would need an install.
        interfaces.sort_by(|one, other| one.name.cmp(&other.name));
        interfaces.dedup_by(|one, other| one.name == other.name);
        let outcome = match interfaces.is_empty() {
            true => (Outcome::NothingAttached, None),
            false => self.refresh(before, &interfaces, known)?,
        };
        self.keep_configuration(&outcome.0);
        changes::forget(&folded)?;
        Ok(outcome)
    }

    /// A `kill -9` in the middle of an install leaves interfaces on different generations: brings
    /// those that are behind forward, as far as the newer generation is there for them.
    fn settle(&self) -> Result<()> {
        let dataplane = &self.filter.dataplane;
        let mut links = Vec::new();
        for link in self.filter.attached()? {
            let generation = dataplane.generation_of(&link)?;
            links.push((generation, link));
        }
        let newest = links.iter().filter_map(|(generation, _)| *generation).max();
        let Some(newest) = newest else { return Ok(()) };
        for (generation, link) in links {
            if generation != Some(newest) && dataplane.has_program(newest, &link.interface) {
                dataplane.move_to(&link, newest)?;
            }
        }
        // A full disk must not keep the next change out as well; the install after it tries again.
        let _ = self.retire(newest);
        Ok(())
    }

    /// The interfaces that are attached, each as it was when it was.
    pub fn attached_interfaces(&self, before: Option<&Record>) -> Result<Vec<Interface>> {
        let links = self.filter.dataplane.links()?;
        let interface = |link: Link| attached(link.interface, before, self.config());
        Ok(links.into_iter().map(interface).collect())
    }

    /// Puts the files in force, if they are not.
    fn refresh(
        &self,
        before: Option<Record>,
        interfaces: &[Interface],
        known: Known,
    ) -> Result<(Outcome, Option<Compiled>)> {
        let attaching = interfaces
            .iter()
            .any(|interface| interface.attach.is_some());
        let namespace = match (&before, attaching) {
            (Some(record), false) => record.namespace,
            _ => network_namespace()?,
        };
        self.refresh_protected(namespace, known.protected)?;
        let mut inputs = Inputs::read(self.config(), &self.filter.state)?;
        inputs.take(known.copies);
        let not_dropped = (self.filter).judge(&mut inputs, before.is_some(), self.now)?;
        let digest = inputs.digest(self.now);
        if let Some(before) = &before
            && before.inputs == digest
            && before.interfaces == recorded(interfaces)
            && self.all_run(interfaces)?
        {
            return Ok((Outcome::Unchanged(not_dropped), None));
        }
        // With nothing in force yet, a feed whose copy is damaged must not keep the others out; with
        // something in force, it stays.
        let leave_out_damaged = before.is_none();
        let compiled = Compiled::new(inputs, self.now, leave_out_damaged, &self.filter.state)?;
        let digest = compiled.inputs.clone();
        let outcome = self.install(&compiled.image, digest, namespace, interfaces)?;
        let outcome = outcome.with(&compiled.left_out, not_dropped);
        Ok((outcome, Some(compiled)))
    }

    /// Makes a generation of `image` and puts it in force in place of all others.
    pub fn install(
        &self,
        image: &Image,
        inputs: String,
        namespace: u64,
        interfaces: &[Interface],
    ) -> Result<Outcome> {
        let record = Record {
            number: self.next_number()?,
            inputs,
            created: self.now,
            namespace,
            interfaces: recorded(interfaces),
            entries: image.entries,
            folded: image.folded,
            classes: Record::classes(image),
        };
        let mut changes = self.put_in_force(&record, image, interfaces)?;
        let (gone, detached) = self.detach_others(interfaces)?;
        changes.extend(gone.into_iter().map(|name| (name, Change::Gone)));
        // In force is in force: what is left behind is retired by the next holder of the lock.
        let not_retired = self.retire(record.number).err();
        Ok(Outcome::Installed {
            record,
            changes,
            detached,
            not_dropped: Vec::new(),
            not_retired,
        })
    }

    /// Keeps the configuration that is in force now, for the time when its files have a mistake. In
    /// force is in force: that it cannot be written is no failure of this.
    fn keep_configuration(&self, outcome: &Outcome) {
        if matches!(outcome, Outcome::NothingAttached) {
            return;
        }
        let path = self.filter.state.configuration();
        if let Err(failure) = self.config().keep(&path, self.now) {
            warn!("a mistake in the configuration would stop commands: {failure:#}");
        }
    }

    /// Whether each interface has an attachment to its own device, in the mode that is wanted.
    fn all_run(&self, interfaces: &[Interface]) -> Result<bool> {
        let links = self.filter.dataplane.links()?;
        let runs = |interface: &Interface| {
            links.iter().any(|link| {
                link.interface == interface.name
                    && link.index != 0
                    && interface
                        .attach
                        .is_none_or(|attach| attach.index == link.index && !attach.renew)
            })
        };
        Ok(links.len() == interfaces.len() && interfaces.iter().all(runs))
    }

    /// Brings the live facts up to date, where they are those of the filter's own network.
    fn refresh_protected(&self, namespace: u64, known: &[Protected]) -> Result<()> {
        if network_namespace()? != namespace {
            return Ok(());
        }
        let path = self.filter.state.protected();
        let mut facts: Facts = state::read_json(&path)?.unwrap_or_default();
        let mut seen = live_facts(&self.config().inside_prefixes, &Network::read()?);
        seen.extend_from_slice(known);
        if facts.refresh(&seen, self.now) {
            state::write_json(&path, &facts)?;
        }
        Ok(())
    }

    fn next_number(&self) -> Result<u32> {
        let pinned = self.filter.dataplane.generations()?;
        let recorded = self.filter.records().numbers()?;
        Ok(pinned.into_iter().chain(recorded).max().unwrap_or(0) + 1)
    }

    /// The record is written first: the first hit may come before we do anything else.
    fn put_in_force(
        &self,
        record: &Record,
        image: &Image,
        interfaces: &[Interface],
    ) -> Result<Vec<(String, Change)>> {
        let records = self.filter.records();
        records.write(record)?;
        let Filter {
            dataplane, object, ..
        } = self.filter;
        let attached = !self.filter.attached()?.is_empty();
        let result = dataplane.install(*object, record.number, image, interfaces);
        if result.is_err() {
            // The failed install is what is reported; an unused record is pruned later.
            let _ = records.remove(record.number);
        }
        match attached {
            true => result.context("the generation before stays in force"),
            false => result.context("nothing is attached, and no traffic is filtered"),
        }
    }

    /// Removes the attachments to interfaces that nobody wants: those whose device is gone, and the
    /// others.
    fn detach_others(&self, wanted: &[Interface]) -> Result<(Vec<String>, Vec<String>)> {
        let dataplane = &self.filter.dataplane;
        let is_wanted = |link: &Link| wanted.iter().any(|it| it.name == link.interface);
        let mut links = dataplane.links()?;
        links.retain(|link| !is_wanted(link));
        for link in &links {
            dataplane.detach(&link.interface)?;
        }
        let (gone, detached): (Vec<Link>, Vec<Link>) =
            links.into_iter().partition(|link| link.index == 0);
        let names = |links: Vec<Link>| links.into_iter().map(|link| link.interface).collect();
        Ok((names(gone), names(detached)))
    }

    /// Adds up what all generations but `current` counted, and removes them.
    fn retire(&self, current: u32) -> Result<()> {
        let Filter {
            dataplane, state, ..
        } = self.filter;
        let records = self.filter.records();
        let mut totals: Totals = state::read_json(&state.totals())?.unwrap_or_default();
        for number in dataplane
            .generations()?
            .into_iter()
            .filter(|&number| number != current)
        {
            if let Some(record) = records.read(number)? {
                totals.add(&record, &self.quiet_counts(number)?);
                state::write_json(&state.totals(), &totals)?;
            }
            dataplane.remove_generation(number)?;
        }
        if totals.forget_drained(&dataplane.generations()?) {
            state::write_json(&state.totals(), &totals)?;
        }
        records.prune(|| self.referred_generations(current))
    }

    /// What a generation counted, once no packet is on its way through it any more.
    fn quiet_counts(&self, number: u32) -> Result<Vec<Count>> {
        /// A packet takes microseconds; this is for a CPU that was taken away in the middle.
        const PAUSE: Duration = Duration::from_millis(10);
        /// Half a second: longer than any packet.
        const PAUSES: usize = 50;
        let mut counts = self
            .filter
            .dataplane
            .class_counts(number)
            .unwrap_or_default();
        for _ in 0..PAUSES {
            std::thread::sleep(PAUSE);
            let again = self
                .filter
                .dataplane
                .class_counts(number)
                .unwrap_or_default();
            if again == counts {
                break;
            }
            counts = again;
        }
        Ok(counts)
    }

    /// The generations whose class tables the ledger needs, and the current one.
    fn referred_generations(&self, current: u32) -> Result<Vec<u32>> {
        let ledger = self.filter.dataplane.ledger()?;
        let mut numbers: Vec<u32> = ledger.iter().map(|hit| hit.generation).collect();
        numbers.push(current);
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

fn recorded(interfaces: &[Interface]) -> Vec<RecordedInterface> {
    interfaces
        .iter()
        .map(|interface| RecordedInterface {
            name: interface.name.clone(),
            role: interface.role,
            hook: interface.hook,
        })
        .collect()
}
