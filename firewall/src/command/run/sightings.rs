//! One line for each new ledger entry: who inside talked to which listed address, and who lists it.

use std::time::{Duration, Instant};

use firewall_common::{
    ledger::{Direction, Event},
    reason::{Reason, Verdict},
};
use tracing::{info, warn};

use crate::{dataplane::service, filter::Filter, record::Record};

/// Lines a second at most. A flood must not fill the journal; `firewall hosts` has them all.
const LINES: u32 = 20;

/// Says events, and holds back when there are too many.
#[derive(Debug, Default)]
pub struct Sightings {
    second: Option<Instant>,
    said: u32,
    held_back: u32,
    record: Option<Record>,
}

impl Sightings {
    /// Says one event.
    pub fn say(&mut self, event: &Event, filter: &Filter) {
        if !self.may_speak() {
            return;
        }
        let (inside, remote) = (event.key.inside(), event.key.remote());
        let sources = self.sources(event, filter);
        let service = service(event.key.protocol, event.key.port);
        let verdict = match Reason::from_raw(event.reason.into()).verdict() {
            Verdict::Drop => "dropped",
            Verdict::Pass => "passed (monitored)",
        };
        match Direction::from_raw(event.key.direction) {
            Some(Direction::Outbound) => {
                warn!(
                    "inside host {inside} called {remote} {service}: {verdict}, listed by {sources}"
                );
            }
            Some(Direction::Inbound) => {
                info!(
                    "{remote} sent to inside host {inside} {service}: {verdict}, listed by {sources}"
                );
            }
            Some(Direction::OwnListed) => warn!(
                "our own address {inside} is listed by {sources}: {verdict}; if it is ours for \
                 good, add it to inside_prefixes"
            ),
            None => {}
        }
    }

    fn may_speak(&mut self) -> bool {
        let now = Instant::now();
        if self
            .second
            .is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1))
        {
            if self.held_back > 0 {
                info!(
                    "and {} more; 'firewall hosts' shows them all",
                    self.held_back
                );
            }
            (self.second, self.said, self.held_back) = (Some(now), 0, 0);
        }
        self.said += 1;
        self.held_back += u32::from(self.said > LINES);
        self.said <= LINES
    }

    /// The sources that the class of an event stands for in its generation.
    fn sources(&mut self, event: &Event, filter: &Filter) -> String {
        if self
            .record
            .as_ref()
            .is_none_or(|record| record.number != event.generation)
        {
            self.record = filter.records().read(event.generation).ok().flatten();
        }
        match self
            .record
            .as_ref()
            .and_then(|record| record.class(event.class))
        {
            Some(class) => class.sources.join(", "),
            None => "a source that is no longer known".to_owned(),
        }
    }
}
