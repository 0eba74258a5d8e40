//! One filter on one machine: its configuration, its state folder and its data plane; and the one
//! way anything reaches the kernel: files → ruleset → image → generation, under the lock.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    config::Config,
    dataplane::{Change, Dataplane, Interface, Link, Object},
    file,
    image::Image,
    inputs::{Inputs, read_lists},
    local::Lists,
    network::Network,
    protected::{Facts, Protected, live_facts, network_namespace},
    record::{Record, RecordedInterface, Records, Totals},
    state::{self, Lock, State},
};

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

/// What became of an attempt to put the files in force.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing is attached, so nothing can be in force.
    NothingAttached,
    /// What the files say was in force already.
    Unchanged,
    /// A new generation is in force.
    Installed {
        /// Its record.
        record: Record,
        /// What was done to each interface.
        changes: Vec<(String, Change)>,
        /// Interfaces that were detached because nobody wants them any more.
        detached: Vec<String>,
    },
}

/// The lock, and what is known once it is held.
struct Held<'a> {
    filter: &'a Filter,
    now: Timestamp,
    _lock: Lock,
}

impl Filter {
    /// Records of generations.
    pub fn records(&self) -> Records {
        Records::new(self.state.generations())
    }

    /// Puts what the files say in force on the interfaces that are wanted, after taking in the
    /// protected addresses that only the caller knows of.
    pub fn enforce(&self, wanted: Wanted, known: &[Protected]) -> Result<Outcome> {
        self.hold()?.enforce(wanted, known)
    }

    /// Puts a change in force that lies in the folder of changes. Whoever holds the lock takes all
    /// changes with him: where somebody else did so already, there is nothing left to do.
    pub fn enforce_change(&self, change: &std::path::Path) -> Result<Outcome> {
        let held = self.hold()?;
        if change.exists() {
            return held.enforce(Wanted::Attached, &[]);
        }
        Ok(match self.dataplane.links()?.is_empty() {
            true => Outcome::NothingAttached,
            false => Outcome::Unchanged,
        })
    }

    /// Puts an image in force on what is attached, whatever the files say; the next change puts the
    /// files in force again. `inputs` is what the record calls the image's origin.
    pub fn install_image(&self, image: &Image, inputs: &str) -> Result<Outcome> {
        let held = self.hold()?;
        let before = self.in_force()?;
        let namespace = before.as_ref().map_or(0, |record| record.namespace);
        let interfaces = held.attached_interfaces(before.as_ref())?;
        held.install(image, inputs.to_owned(), namespace, &interfaces)
    }

    /// Detaches everywhere and removes every pin and record.
    pub fn unload(&self) -> Result<()> {
        let _lock = self.state.lock_change()?;
        self.dataplane.unload()?;
        let records = self.records();
        records
            .numbers()?
            .into_iter()
            .try_for_each(|number| records.remove(number))
    }

    fn hold(&self) -> Result<Held<'_>> {
        self.state.prepare()?;
        let lock = self.state.lock_change()?;
        Ok(Held {
            filter: self,
            now: Timestamp::now(),
            _lock: lock,
        })
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

impl Held<'_> {
    fn enforce(&self, wanted: Wanted, known: &[Protected]) -> Result<Outcome> {
        self.settle()?;
        let folded = self.fold_changes()?;
        let before = self.filter.in_force()?;
        let interfaces = match wanted {
            Wanted::Attached => self.attached_interfaces(before.as_ref())?,
            Wanted::Exactly(interfaces) => interfaces,
        };
        let outcome = match interfaces.is_empty() {
            true => Outcome::NothingAttached,
            false => self.refresh(before, &interfaces, known)?,
        };
        for change in folded {
            fs::remove_file(&change)
                .with_context(|| format!("cannot remove {}", change.display()))?;
        }
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
        self.retire(newest)
    }

    /// Folds all changes into the lists. They are removed only once they are in force, since folding
    /// one again does no harm and losing one does.
    fn fold_changes(&self) -> Result<Vec<PathBuf>> {
        let state = &self.filter.state;
        let changes = pending_changes(state)?;
        let mut lists = read_lists(state)?;
        let before = lists.clone();
        for path in &changes {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the change {}", path.display()))?;
            lists.fold(&text).with_context(|| {
                format!(
                    "the change {0} is damaged; remove it: rm {0}",
                    path.display()
                )
            })?;
        }
        lists.prune(self.now);
        write_lists(state, &before, &lists)?;
        Ok(changes)
    }

    /// The interfaces that are attached, each with the role that it was given when it was.
    fn attached_interfaces(&self, before: Option<&Record>) -> Result<Vec<Interface>> {
        let role = |name: &str| {
            let recorded = before.and_then(|record| {
                record
                    .interfaces
                    .iter()
                    .find(|interface| interface.name == name)
            });
            recorded.map_or(firewall_common::ledger::Role::Unknown, |interface| {
                interface.role
            })
        };
        let links = self.filter.dataplane.links()?;
        let interface = |link: Link| Interface {
            role: role(&link.interface),
            name: link.interface,
            attach: None,
        };
        Ok(links.into_iter().map(interface).collect())
    }

    /// Puts the files in force, if they are not.
    fn refresh(
        &self,
        before: Option<Record>,
        interfaces: &[Interface],
        known: &[Protected],
    ) -> Result<Outcome> {
        let attaching = interfaces
            .iter()
            .any(|interface| interface.attach.is_some());
        let namespace = match (&before, attaching) {
            (Some(record), false) => record.namespace,
            _ => network_namespace()?,
        };
        self.refresh_protected(namespace, known)?;
        let inputs = Inputs::read(&self.filter.config, &self.filter.state)?;
        let digest = inputs.digest(self.now);
        if let Some(before) = &before
            && before.inputs == digest
            && before.interfaces == recorded(interfaces)
            && self.all_run(interfaces)?
        {
            return Ok(Outcome::Unchanged);
        }
        let image = Image::compile(&inputs.ruleset(self.now)?)?;
        drop(inputs);
        self.install(&image, digest, namespace, interfaces)
    }

    /// Makes a generation of `image` and puts it in force in place of all others.
    fn install(
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
            classes: Record::classes(image),
        };
        let changes = self.put_in_force(&record, image, interfaces)?;
        let detached = self.detach_others(interfaces)?;
        self.retire(record.number)?;
        Ok(Outcome::Installed {
            record,
            changes,
            detached,
        })
    }

    /// Whether each interface has an attachment to its own device.
    fn all_run(&self, interfaces: &[Interface]) -> Result<bool> {
        let links = self.filter.dataplane.links()?;
        let runs = |interface: &Interface| {
            links.iter().any(|link| {
                link.interface == interface.name
                    && link.index != 0
                    && interface
                        .attach
                        .is_none_or(|attach| attach.index == link.index)
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
        let mut seen = live_facts(&self.filter.config, &Network::read()?);
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
        let result = dataplane.install(*object, record.number, image, interfaces);
        if result.is_err() {
            // The failed install is what is reported; an unused record is pruned later.
            let _ = records.remove(record.number);
        }
        result.context("nothing was changed: the generation before stays in force")
    }

    fn detach_others(&self, wanted: &[Interface]) -> Result<Vec<String>> {
        let dataplane = &self.filter.dataplane;
        let mut detached = Vec::new();
        for link in dataplane.links()? {
            if !wanted
                .iter()
                .any(|interface| interface.name == link.interface)
            {
                dataplane.detach(&link.interface)?;
                detached.push(link.interface);
            }
        }
        Ok(detached)
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
        totals.forget_drained(&dataplane.generations()?);
        records.prune(|| self.referred_generations(current))
    }

    /// What a generation counted, once no packet is on its way through it any more.
    fn quiet_counts(&self, number: u32) -> Result<Vec<firewall_common::reason::Count>> {
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
        })
        .collect()
}

/// Changes that nobody folded in yet, oldest first. Hidden files are being written.
pub fn pending_changes(state: &State) -> Result<Vec<PathBuf>> {
    let folder = state.changes();
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut changes = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            changes.push(entry.path());
        }
    }
    changes.sort_unstable();
    Ok(changes)
}

fn write_lists(state: &State, before: &Lists, after: &Lists) -> Result<()> {
    if before.block != after.block {
        file::replace(&state.block_list(), after.block.to_text().as_bytes())?;
    }
    if before.allow != after.allow {
        file::replace(&state.allow_list(), after.allow.to_text().as_bytes())?;
    }
    Ok(())
}

/// Appends a line to the audit trail: who did what, when.
pub fn audit(state: &State, what: serde_json::Value) -> Result<()> {
    use std::io::Write as _;
    let path = state.audit();
    let line = json!({
        "time": Timestamp::now(),
        "uid": rustix::process::getuid().as_raw(),
        "sudo_user": std::env::var("SUDO_USER").ok(),
        "process": std::process::id(),
        "change": what,
    });
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    writeln!(file, "{line}").with_context(|| format!("cannot write {}", path.display()))
}
