//! A `[[group]]` as it is written, and which feeds are in it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Config, Feed, Mode};
use crate::{feed::store::Name, ruleset::Group};

/// A `[[group]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    name: String,
    min_feeds: usize,
}

/// Adds a group to those that are known by now.
pub fn add(groups: &mut Vec<Group>, entry: &GroupEntry) -> Result<()> {
    let name: Name = entry.name.parse()?;
    if groups.iter().any(|group| group.name == name.as_str()) {
        bail!("there are two groups named '{name}'; rename one");
    }
    if entry.min_feeds < 2 {
        bail!(
            "group '{name}': min_feeds is how many feeds must agree, 2 or more; leave 'group' out of \
             feeds that need no other"
        );
    }
    groups.push(Group {
        name: name.to_string(),
        min_sources: entry.min_feeds,
    });
    Ok(())
}

/// The group of that name.
pub fn find(groups: &[Group], name: &str) -> Result<Group> {
    let found = groups.iter().find(|group| group.name == name).cloned();
    found.with_context(|| {
        format!(
            "there is no group '{name}'; add [[group]] with name = \"{name}\" and min_feeds = 2, or \
             leave 'group' out"
        )
    })
}

impl Feed {
    /// The group with which it has to agree before anything is dropped. A feed that only monitors is
    /// in none: it is trusted with no drop, and not with half of one either.
    pub fn must_agree(&self) -> Option<&Group> {
        self.group.as_ref().filter(|_| self.mode == Mode::Enforce)
    }
}

impl Config {
    /// A sentence for each group of which too few feeds enforce to ever agree. It is no error: a feed
    /// that is switched off must not keep the rest of the filter out.
    pub fn too_small_groups(&self) -> impl Iterator<Item = String> {
        self.groups.iter().filter_map(|group| {
            let of_group = |feed: &&Feed| feed.must_agree() == Some(group);
            let count = self.feeds.iter().filter(of_group).count();
            (1..group.min_sources).contains(&count).then(|| {
                format!(
                    "group {}: {} feeds must agree and only {count} of its feeds drops, so what it \
                     lists is only monitored; set mode = \"enforce\" for more of them, or a lower min_feeds",
                    group.name, group.min_sources
                )
            })
        })
    }
}
