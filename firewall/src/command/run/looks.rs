//! Looks every few seconds whether the programs see packets, and writes down where they do not.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::{offload, targets::Targets};
use crate::{
    blind::{Blind, Counts, Found, History, Moved},
    command::sight::{counts, known, remarks},
    config::{AttachMode, Config},
    dataplane::device,
    filter::Filter,
    state,
};

/// Time between two looks.
const BETWEEN: Duration = Duration::from_secs(5);

/// Time between two attempts with another mode on one device.
const BETWEEN_MODES: Duration = Duration::from_hours(1);

/// The looks of one run.
pub struct Looks {
    next: Instant,
    history: History,
    /// When another mode was tried last, by index of the device.
    tried: BTreeMap<u32, Instant>,
    said: Vec<String>,
}

impl Looks {
    /// Begins.
    pub fn new() -> Self {
        Self {
            next: Instant::now(),
            history: History::default(),
            tried: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// When the next look is due.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// Looks. Says whether another mode is wanted somewhere.
    pub fn look(&mut self, filter: &Filter, targets: &mut Targets) -> bool {
        self.next = Instant::now() + BETWEEN;
        self.compare(filter, targets).unwrap_or_else(|failure| {
            warn!("cannot see whether the programs see packets: {failure:#}");
            false
        })
    }

    fn compare(&mut self, filter: &Filter, targets: &mut Targets) -> Result<bool> {
        let now = counts(filter)?;
        // Another mode that could not be had.
        let in_driver = |index: &u32| {
            let mut all = now.values();
            all.any(|it| it.index == *index && it.native == Some(true))
        };
        targets.blind.retain(|index| !in_driver(index));
        let before = known(filter)?;
        let mut found = before.clone();
        found.keep_what_holds(&now);
        for (attachment, frames) in self.history.add(now.clone()) {
            if !found.blind.iter().any(|it| it.attachment == attachment) {
                found
                    .blind
                    .push(blind(&attachment, &now[&attachment], frames));
            }
        }
        let moving = self.try_other_mode(&filter.config, &mut found, &now, targets);
        if found != before {
            state::write_json(&filter.state.blind(), &found)?;
        }
        let remarks = remarks(&filter.config, &found).into_iter();
        self.say(remarks.map(|it| it.text).collect());
        Ok(moving)
    }

    /// Asks for generic mode where the driver runs nothing and the configuration leaves the mode open.
    fn try_other_mode(
        &mut self,
        config: &Config,
        found: &mut Found,
        now: &BTreeMap<String, Counts>,
        targets: &mut Targets,
    ) -> bool {
        let (moving, staying) = std::mem::take(&mut found.blind)
            .into_iter()
            .partition::<Vec<Blind>, _>(|it| {
                let is_native = now.get(&it.attachment).and_then(|it| it.native) == Some(true);
                let may = is_native
                    && it.offload.is_none()
                    && config.attach_of(&[device(&it.attachment), &it.device]) == AttachMode::Auto;
                may && self.is_time(it.index)
            });
        found.blind = staying;
        for it in &moving {
            self.tried.insert(it.index, Instant::now());
            targets.blind.insert(it.index);
            found.moved.push(Moved {
                attachment: it.attachment.clone(),
                device: it.device.clone(),
                index: it.index,
                since: Timestamp::now(),
            });
        }
        !moving.is_empty()
    }

    fn is_time(&self, index: u32) -> bool {
        let tried = self.tried.get(&index);
        tried.is_none_or(|tried| tried.elapsed() >= BETWEEN_MODES)
    }

    /// Says what is new.
    fn say(&mut self, now: Vec<String>) {
        let new = now.iter().filter(|text| !self.said.contains(text));
        new.for_each(|text| warn!("{text}"));
        self.said = now;
    }
}

fn blind(attachment: &str, counts: &Counts, frames: u64) -> Blind {
    Blind {
        attachment: attachment.to_owned(),
        device: counts.name.clone(),
        index: counts.index,
        since: Timestamp::now(),
        received: frames,
        counted: counts.counted,
        offload: offload::of(&counts.name),
    }
}
