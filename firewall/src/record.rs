//! What is written down about a generation, beside the one that the kernel holds, and what retired
//! generations counted.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use firewall_common::{class::ClassId, ledger::Role, reason::Count};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    dataplane::{Hook, Interface, device},
    image::{Class, Image},
    ruleset::SourceId,
    state,
};

/// Records kept although nothing may refer to them, so that the ledger is not searched each time.
const SPARE_RECORDS: usize = 32;

/// What is known of one generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub number: u32,
    /// Digest of the files that it was made of.
    pub inputs: String,
    /// When it was made.
    pub created: Timestamp,
    /// Inode of the network namespace that the interfaces are in.
    pub namespace: u64,
    /// The interfaces that it was made for.
    pub interfaces: Vec<RecordedInterface>,
    /// Indicators that are in force.
    pub entries: usize,
    /// Sets of sources that share the class `many`.
    #[serde(default)]
    pub folded: usize,
    /// What each class stands for; the class is the index.
    pub classes: Vec<RecordedClass>,
}

/// An interface of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedInterface {
    /// Name of the attachment ([`Hook::attachment`]).
    pub name: String,
    /// Where it looks to.
    #[serde(with = "role_name")]
    pub role: Role,
    /// Where on the device the program stands.
    #[serde(default)]
    pub hook: Hook,
}

/// The attachment `name` as `before` wrote it down, for a generation that only moves it.
pub fn attached(name: String, before: Option<&Record>, config: &Config) -> Interface {
    let recorded = before.and_then(|record| record.interface(&name));
    Interface {
        mode: config.attach_of(&[device(&name)]),
        role: recorded.map_or(Role::Unknown, |interface| interface.role),
        hook: recorded.map_or(Hook::guess(&name), |interface| interface.hook),
        name,
        attach: None,
    }
}

/// A class of a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordedClass {
    /// Whether its packets are dropped in any case.
    pub enforced: bool,
    /// Whether its packets pass whatever else is listed.
    #[serde(default)]
    pub exempt: bool,
    /// Names of all sources that name the address.
    pub sources: Vec<String>,
}

impl Record {
    /// What each class of `image` stands for; the first is that of unlisted addresses.
    pub fn classes(image: &Image) -> Vec<RecordedClass> {
        let none = RecordedClass {
            enforced: false,
            exempt: false,
            sources: Vec::new(),
        };
        std::iter::once(none)
            .chain(
                image
                    .classes
                    .iter()
                    .map(|class| RecordedClass::new(image, class)),
            )
            .collect()
    }

    /// An interface of this generation.
    pub fn interface(&self, name: &str) -> Option<&RecordedInterface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == name)
    }

    /// The sources of a class of this generation.
    pub fn class(&self, class: ClassId) -> Option<&RecordedClass> {
        self.classes.get(usize::from(class))
    }
}

/// What stands in for the sources of a class that many sets share.
const MANY: &str = "many";

impl RecordedClass {
    fn new(image: &Image, class: &Class) -> Self {
        let name = |&source: &SourceId| image.sources[usize::from(source)].name.clone();
        let sources = match class.is_many() {
            true => vec![MANY.to_owned()],
            // A feed with new entries that wait beside others is two sources of one name.
            false => {
                let mut names: Vec<String> = class.sources.iter().map(name).collect();
                names.dedup();
                names
            }
        };
        Self {
            enforced: class.actions.drops(),
            exempt: class.actions.is_exempt(),
            sources,
        }
    }
}

/// The folder of records.
#[derive(Clone, Debug)]
pub struct Records(PathBuf);

impl Records {
    /// The records in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn path(&self, number: u32) -> PathBuf {
        self.0.join(format!("{number}.json"))
    }

    /// The record of a generation.
    pub fn read(&self, number: u32) -> Result<Option<Record>> {
        state::read_json(&self.path(number))
    }

    /// Writes a record.
    pub fn write(&self, record: &Record) -> Result<()> {
        state::write_json(&self.path(record.number), record)
    }

    /// Numbers of all records, lowest first.
    pub fn numbers(&self) -> Result<Vec<u32>> {
        let entries =
            fs::read_dir(&self.0).with_context(|| format!("cannot read {}", self.0.display()))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            numbers.extend(
                name.to_str()
                    .and_then(|name| name.strip_suffix(".json"))
                    .and_then(|number| number.parse::<u32>().ok()),
            );
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Removes the record of a generation.
    pub fn remove(&self, number: u32) -> Result<()> {
        let path = self.path(number);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Removes what nothing refers to, once there is enough to make it worth asking the ledger.
    pub fn prune(&self, referred: impl FnOnce() -> Result<Vec<u32>>) -> Result<()> {
        let numbers = self.numbers()?;
        if numbers.len() <= SPARE_RECORDS {
            return Ok(());
        }
        let referred = referred()?;
        let unused = numbers.iter().filter(|number| !referred.contains(number));
        unused.copied().try_for_each(|number| self.remove(number))
    }
}

/// What retired generations counted, by what their classes stood for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Generations that are in here already: draining one twice would count twice.
    drained: Vec<u32>,
    classes: Vec<Total>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Total {
    #[serde(flatten)]
    class: RecordedClass,
    packets: u64,
    bytes: u64,
}

impl Totals {
    /// Adds what generation `record` counted, by class. The second time changes nothing.
    pub fn add(&mut self, record: &Record, counts: &[Count]) {
        if self.drained.contains(&record.number) {
            return;
        }
        let mut sums = self.by_class();
        for (class, count) in record.classes.iter().zip(counts) {
            if *count != Count::default() {
                let sum = sums.entry(class.clone()).or_default();
                *sum = *sum + *count;
            }
        }
        let total = |(class, count): (RecordedClass, Count)| Total {
            class,
            packets: count.packets,
            bytes: count.bytes,
        };
        self.classes = sums.into_iter().map(total).collect();
        self.drained.push(record.number);
    }

    /// Forgets which generations are in here, once their folders are gone: their numbers may be given
    /// out again. Says whether there were any.
    pub fn forget_drained(&mut self, folders: &[u32]) -> bool {
        let before = self.drained.len();
        self.drained.retain(|number| folders.contains(number));
        self.drained.len() != before
    }

    /// The sums by class.
    pub fn by_class(&self) -> BTreeMap<RecordedClass, Count> {
        let count = |total: &Total| Count {
            packets: total.packets,
            bytes: total.bytes,
        };
        self.classes
            .iter()
            .map(|total| (total.class.clone(), count(total)))
            .collect()
    }
}

/// Roles by name, for people who read the file.
mod role_name {
    use firewall_common::ledger::Role;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(role.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
        let name = String::deserialize(deserializer)?;
        let all = [Role::Unknown, Role::Inside, Role::Outside];
        Ok(all
            .into_iter()
            .find(|role| role.as_str() == name)
            .unwrap_or(Role::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u32, sources: &[&str]) -> Record {
        let none = RecordedClass {
            enforced: false,
            exempt: false,
            sources: vec![],
        };
        let class = RecordedClass {
            enforced: true,
            exempt: false,
            sources: sources.iter().map(|&source| source.into()).collect(),
        };
        Record {
            number,
            inputs: String::new(),
            created: Timestamp::UNIX_EPOCH,
            namespace: 0,
            interfaces: vec![],
            entries: 0,
            folded: 0,
            classes: vec![none, class],
        }
    }

    #[test]
    fn totals_add_up_by_what_a_class_stands_for_and_never_twice() {
        let counts = [
            Count::default(),
            Count {
                packets: 3,
                bytes: 300,
            },
        ];
        let mut totals = Totals::default();
        totals.add(&record(1, &["a"]), &counts);
        totals.add(&record(1, &["a"]), &counts);
        totals.add(&record(2, &["a"]), &counts);
        totals.add(&record(3, &["a", "b"]), &counts);
        let sums: Vec<Count> = totals.by_class().into_values().collect();
        assert_eq!(
            sums,
            [
                Count {
                    packets: 6,
                    bytes: 600
                },
                Count {
                    packets: 3,
                    bytes: 300
                }
            ]
        );
    }
}
