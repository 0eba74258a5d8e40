//! An `[[interface]]` as it is written: what is different for one of them.

use anyhow::{Result, bail};
use serde::Deserialize;

use super::{AttachMode, Config};

/// An `[[interface]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceEntry {
    name: String,
    attach: AttachMode,
}

impl InterfaceEntry {
    /// Adds it to those that are known by now.
    pub fn add(self, config: &mut Config) -> Result<()> {
        let Self { name, attach } = self;
        if config.attach_single.contains_key(&name) {
            bail!("there are two [[interface]] named '{name}'; leave one out");
        }
        config.attach_single.insert(name, attach);
        Ok(())
    }
}

/// Refuses a name that is not among the interfaces, once all of them are known: it may be mistyped.
pub fn check(config: &Config) -> Result<()> {
    let names = &config.interfaces;
    let mut single = config.attach_single.keys();
    match single.find(|name| !names.is_empty() && !names.contains(name)) {
        Some(name) => bail!(
            "[[interface]] '{name}' says how to attach to {name}, and 'interfaces' does not name it: name it \
             there as well, or leave the [[interface]] out"
        ),
        None => Ok(()),
    }
}

impl Config {
    /// How to attach to the interface of these names; it may have been renamed.
    pub fn attach_of(&self, names: &[&str]) -> AttachMode {
        let mut single = names
            .iter()
            .filter_map(|name| self.attach_single.get(*name));
        single.next().copied().unwrap_or(self.attach)
    }
}
