//! What a ruleset lists, one range after the other: for who reads all of it, and looks nothing up.

use std::collections::HashMap;

use anyhow::Result;
use ipnet::IpNet;

use super::{
    class::{Class, SetId, Sets},
    count,
    ports::{self, ListedPort},
    steps::{Step, sweep},
};
use crate::{
    address::{Address, cover},
    ruleset::{Ruleset, Source},
    subject::Subject,
};

/// Every listed address and port with the class that it has. What is allowed or protected is not listed.
#[derive(Debug)]
pub struct Listing {
    v4: Vec<Step<u32, SetId>>,
    v6: Vec<Step<u128, SetId>>,
    ports: Vec<ListedPort>,
    classes: HashMap<SetId, Class>,
    /// What the sources of classes refer to.
    pub sources: Vec<Source>,
}

impl Listing {
    /// What `ruleset` lists.
    ///
    /// # Errors
    /// As for [`super::Image::compile`].
    pub fn of(ruleset: &Ruleset) -> Result<Self> {
        count(ruleset)?;
        let mut sets = Sets::new(&ruleset.sources);
        let v4 = sweep(ports::with_hosts(&ruleset.v4, &ruleset.ports), &mut sets);
        let v6 = sweep(ports::with_hosts(&ruleset.v6, &ruleset.ports), &mut sets);
        let ports = ports::sweep(&ruleset.ports, &v4, &v6, &mut sets)?;
        let mut classes = HashMap::new();
        let used = (v4.iter().map(|step| step.value))
            .chain(v6.iter().map(|step| step.value))
            .chain(ports.iter().map(|port| port.set));
        for set in used {
            if let std::collections::hash_map::Entry::Vacant(vacant) = classes.entry(set)
                && let Some(class) = sets.class_of(set)
            {
                vacant.insert(class);
            }
        }
        Ok(Self {
            v4,
            v6,
            ports,
            classes,
            sources: ruleset.sources.clone(),
        })
    }

    /// Calls `visit` for each prefix and then each port whose class has a `value`, in order. Neighbours
    /// of equal value are one range, and a range is as few prefixes as can be.
    ///
    /// # Errors
    /// The first error of `visit`.
    pub fn each<'a, T: PartialEq>(
        &'a self,
        value: impl Fn(&'a Class) -> Option<T>,
        mut visit: impl FnMut(Subject, &T) -> Result<()>,
    ) -> Result<()> {
        self.each_range(&self.v4, &value, |first, last, value| {
            prefixes(first, last, value, &mut visit)
        })?;
        self.each_range(&self.v6, &value, |first, last, value| {
            prefixes(first, last, value, &mut visit)
        })?;
        for port in &self.ports {
            if let Some(value) = self.classes.get(&port.set).and_then(&value) {
                visit(port.subject(), &value)?;
            }
        }
        Ok(())
    }

    fn each_range<'a, A: Address, T: PartialEq>(
        &'a self,
        steps: &[Step<A, SetId>],
        value: impl Fn(&'a Class) -> Option<T>,
        mut visit: impl FnMut(A, A, &T) -> Result<()>,
    ) -> Result<()> {
        let value = |step: &Step<A, SetId>| self.classes.get(&step.value).and_then(&value);
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            let this = value(step);
            while steps.next_if(|next| value(next) == this).is_some() {}
            let last = steps.peek().and_then(|next| next.first.previous());
            if let Some(this) = this {
                visit(step.first, last.unwrap_or(A::MAX), &this)?;
            }
        }
        Ok(())
    }
}

fn prefixes<A: Address, T>(
    first: A,
    last: A,
    value: &T,
    mut visit: impl FnMut(Subject, &T) -> Result<()>,
) -> Result<()> {
    cover(first, last)
        .try_for_each(|(address, length)| visit(IpNet::new(address.to_ip(), length)?.into(), value))
}
