//! The event loop: signals, timers, the network, the state folder, the kernel's events.

use std::time::Duration;

use anyhow::{Context, Result};
use aya_log::EbpfLogger;
use jiff::Timestamp;
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::{error, info, warn};

use super::{
    feeds::{Schedule, remember},
    looks::Looks,
    sightings::Sightings,
    targets::Targets,
    wanted::Missing,
    watch,
};
use crate::{
    cli::{Options, Run},
    command::{
        advice::{advice, slow},
        coverage::{Scene, remarks},
        report, table,
    },
    config::Config,
    dataplane::{Events, Object, kernel_has_tcx, plain},
    filter::{Filter, Known, Outcome},
    inputs::read_lists,
    network,
    protected::Protected,
    record::Record,
    sys::readable,
};

/// After word of a change, wait for more of it before looking.
const SETTLE: Duration = Duration::from_millis(500);

/// Feeds that bring something at once are put in force together, once in this time.
const BREATH: Duration = Duration::from_secs(1);

/// Time between two readings of the ledger, which is walked as a whole.
const KEEP: Duration = Duration::from_secs(50);

/// Look again at least this often, whatever the timers say: the clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A live `run`. It holds no state that is not in files or maps.
pub struct Daemon {
    options: Options,
    filter: Filter,
    schedule: Schedule,
    sightings: Sightings,
    /// The last time that the files were looked at.
    looked: Instant,
    /// The last time that sums of the ledger were written down.
    kept: Instant,
    /// What it attaches to.
    targets: Targets,
    /// Whether the programs see packets.
    looks: Looks,
    /// What was said of what is covered the last time.
    covered: Vec<String>,
    /// Servers that feeds came from since the start.
    feed_hosts: Vec<Protected>,
    /// Readers of the kernel program's own log.
    kernel_log: JoinSet<()>,
}

impl Daemon {
    /// A daemon for `filter`; nothing happens yet.
    pub fn new(options: Options, filter: Filter, arguments: Run) -> Self {
        Self {
            options,
            targets: Targets::new(arguments.interface),
            looks: Looks::new(),
            covered: Vec::new(),
            filter,
            schedule: Schedule::default(),
            sightings: Sightings::default(),
            looked: Instant::now(),
            kept: Instant::now(),
            feed_hosts: Vec::new(),
            kernel_log: JoinSet::new(),
        }
    }

    /// Enforces what is there, then refreshes it, until SIGTERM or SIGINT.
    pub async fn run(mut self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut network = network::watch()?;
        let mut folder = watch::folder(self.filter.state.root())?;
        let outcome = self.put_in_force(Missing::IsAnError)?;
        self.installed(&outcome);
        self.adopted(&outcome)?;
        self.advise()?;
        self.say_coverage();
        let mut events = readable(self.filter.dataplane.events()?)?;
        let mut look = self.next_look();
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    self.reload();
                    // A feed that is new in the configuration is due at once.
                    look = Instant::now();
                }
                Some(()) = network.recv() => look = look.min(Instant::now() + SETTLE),
                Some(()) = folder.recv() => look = look.min(Instant::now() + SETTLE),
                Some(update) = self.schedule.finished() => {
                    remember(&mut self.feed_hosts, update.say());
                    look = look.min(self.looked + BREATH).max(Instant::now());
                }
                () = sleep_until(look) => {
                    self.schedule.start_due(&self.filter);
                    self.enforce();
                    if self.kept.elapsed() >= KEEP {
                        self.keep_sums();
                    }
                    look = self.next_look();
                }
                () = sleep_until(self.looks.due()) => {
                    if self.looks.look(&self.filter, &mut self.targets) {
                        self.enforce();
                    }
                }
                ready = events.readable_mut() => {
                    let mut ready = ready.context("cannot wait for events of the kernel")?;
                    self.drain(ready.get_inner_mut());
                    ready.clear_ready();
                }
            }
        }
        self.keep_sums();
        info!("stopped; the filter stays in force, 'firewall unload' takes it off");
        Ok(())
    }

    /// Puts the files in force; a failure is said, and what is in force stays.
    fn enforce(&mut self) {
        self.looked = Instant::now();
        if let Some(config) = self.filter.config.newer(&self.filter.state.configuration()) {
            self.adopt(config);
        }
        match self.put_in_force(Missing::IsLeftOut) {
            Ok(outcome) => self.installed(&outcome),
            Err(failure) => error!("{failure:#}"),
        }
        self.say_coverage();
    }

    /// Where what is attached cannot be attached otherwise, it is put in force as it is.
    fn put_in_force(&mut self, missing: Missing) -> Result<Outcome> {
        let result = self.try_in_force(missing);
        match result {
            Err(failure) if self.targets.stay(&self.filter)? => {
                warn!("what is attached stays as it is: {failure:#}");
                self.try_in_force(missing)
            }
            other => other,
        }
    }

    fn try_in_force(&self, missing: Missing) -> Result<Outcome> {
        let wanted = self.targets.wanted(&self.filter, missing)?;
        let known = Known {
            protected: &self.feed_hosts,
            copies: Vec::new(),
        };
        self.filter.enforce(wanted, known)
    }

    fn installed(&mut self, outcome: &Outcome) {
        report(outcome);
        if let Outcome::Installed { record, .. } = outcome {
            info!("generation {} in force: {}", record.number, extent(record));
            self.follow_kernel_log();
        }
    }

    /// Says that what an earlier run left is what the files say.
    fn adopted(&mut self, outcome: &Outcome) -> Result<()> {
        if let Outcome::Unchanged(_) = outcome
            && let Some(record) = self.filter.in_force()?
        {
            info!(
                "generation {} in force already: {}",
                record.number,
                extent(&record)
            );
            self.follow_kernel_log();
        }
        Ok(())
    }

    /// Says what the operator could do better.
    fn advise(&self) -> Result<()> {
        self.advise_on_configuration();
        if let Some(record) = self.filter.in_force()? {
            let (network, placed) = self.filter.dataplane.placed()?;
            let advice = advice(&record, &network, &placed);
            let slow = slow(self.filter.dataplane.is_interpreted()?);
            for text in slow.into_iter().chain(advice) {
                warn!("{text}");
            }
        }
        Ok(())
    }

    /// Says what is judged otherwise than the configuration reads, once when it comes up.
    fn say_coverage(&mut self) {
        let (network, placed) = match self.filter.dataplane.placed_on_devices() {
            Ok(seen) => seen,
            Err(failure) => return warn!("{failure:#}"),
        };
        let scene = Scene {
            config: &self.filter.config,
            network: &network,
            placed: &placed,
            tcx: kernel_has_tcx(),
        };
        let now: Vec<String> = remarks(&scene).into_iter().map(|it| it.text).collect();
        let new = now.iter().filter(|text| !self.covered.contains(text));
        new.for_each(|text| warn!("{text}"));
        self.covered = now;
    }

    fn advise_on_configuration(&self) {
        for text in self.filter.config.notices() {
            warn!("{text}");
        }
    }

    /// Reads the configuration again; a bad one changes nothing.
    fn reload(&mut self) {
        let kept = self.filter.state.configuration();
        match Config::load_over(self.options.config.as_deref(), &kept) {
            Ok(config) => {
                if self.adopt(config) {
                    self.enforce();
                }
            }
            Err(failure) => error!("the configuration before stays in use: {failure:#}"),
        }
    }

    /// Goes on with another configuration. Whether it can: a name that is not there may be a mistyped
    /// one, and nothing is taken off for it.
    fn adopt(&mut self, config: Config) -> bool {
        let before = std::mem::replace(&mut self.filter.config, config);
        if let Err(failure) = self.targets.wanted(&self.filter, Missing::IsAnError) {
            self.filter.config = before;
            error!("the configuration before stays in use: {failure:#}");
            return false;
        }
        self.targets.try_again();
        info!("configuration read again");
        self.advise_on_configuration();
        true
    }

    /// When something ends or is due.
    fn next_look(&self) -> Instant {
        let now = Timestamp::now();
        let expiry = read_lists(&self.filter.state)
            .ok()
            .and_then(|lists| lists.next_expiry(now));
        let due = [
            expiry,
            self.schedule.next_due(&self.filter),
            self.filter.next_judgement(now),
        ];
        let wait = due
            .into_iter()
            .flatten()
            .min()
            .map_or(LONGEST_SLEEP, |due| {
                due.duration_since(now).try_into().unwrap_or_default()
            });
        Instant::now() + wait.min(LONGEST_SLEEP)
    }

    /// Writes down what the ledger counted since the last time.
    fn keep_sums(&mut self) {
        self.kept = Instant::now();
        if let Err(failure) = self.filter.keep_sums() {
            warn!(
                "what the ledger counted is not written down, the kernel still has it: {failure:#}"
            );
        }
    }

    fn drain(&mut self, events: &mut Events) {
        while let Some(event) = events.take() {
            self.sightings.say(&event, &self.filter);
        }
    }

    /// aya-log has a map in each copy of the program that is loaded with it.
    fn follow_kernel_log(&mut self) {
        if self.filter.object != Object::Trace {
            return;
        }
        // Aborts the readers of the generation before.
        self.kernel_log = JoinSet::new();
        for link in self.filter.dataplane.links().unwrap_or_default() {
            match EbpfLogger::init_from_id(link.program).map(readable) {
                Ok(Ok(logger)) => drop(self.kernel_log.spawn(follow(logger))),
                Ok(Err(failure)) => warn!("cannot follow the kernel log: {failure}"),
                Err(failure) => warn!("cannot follow the kernel log: {failure}"),
            }
        }
    }
}

/// How much a generation enforces, and where.
fn extent(record: &Record) -> String {
    let interfaces = record.interfaces.iter();
    let names: Vec<String> = interfaces
        .map(|interface| format!("{} ({})", plain(&interface.name), interface.role.as_str()))
        .collect();
    let entries = table::count(record.entries, "entry");
    format!("{entries} on {}", names.join(", "))
}

async fn follow<L: log::Log>(mut logger: AsyncFd<EbpfLogger<L>>) {
    while let Ok(mut ready) = logger.readable_mut().await {
        ready.get_inner_mut().flush();
        ready.clear_ready();
    }
}
