//! A few entries laid over an image: what they touch is written once more behind the lines that are
//! there, and the rest stays as it is.
//!
//! The lists of the operator are small and change often, those of the feeds are large and change
//! seldom: an image of the feeds alone can be kept, and every change by hand is laid over it anew.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use firewall_common::{
    class::{ClassId, NONE},
    image::{Group, Line},
};

use super::{
    Class, Image, MAX_CLASSES,
    block::Block,
    class::{NOTHING, SetId, Sets},
    count,
    first_level::{Descriptors, GROUP, NETWORK, Network},
    ports,
    steps::{Step, sweep},
    store::Store,
    v4, v6,
};
use crate::{address::Address, ruleset::Ruleset};

impl Image {
    /// The image of what `self` was compiled of and of `rules` together, which have the same sources.
    /// `None` where only compiling everything at once is right: where sets share classes, or would
    /// have to, and where `rules` list ports.
    ///
    /// # Errors
    ///
    /// The sources differ, an entry's source does not exist, or the image would need more lines than
    /// it can number.
    pub fn overlay(mut self, rules: &Ruleset) -> Result<Option<Self>> {
        ensure!(
            self.sources == rules.sources,
            "rules of other sources cannot be laid over an image"
        );
        if self.folded > 0 || !rules.ports.is_empty() {
            return Ok(None);
        }
        self.entries += count(rules)?;
        let mut classes = Classes::new(Sets::new(&rules.sources), self.classes);
        let over4 = sweep(rules.v4.clone(), &mut classes.sets);
        let over6 = sweep(rules.v6.clone(), &mut classes.sets);
        self.v4 = lay_over(self.v4, &over4, &mut classes, &V4)?;
        self.v6 = lay_over(self.v6, &over6, &mut classes, &V6)?;
        self.ports = ports::lay_over(self.ports, &over4, &over6, &mut classes);
        self.classes = classes.classes;
        Ok((self.classes.len() <= MAX_CLASSES).then_some(self))
    }
}

/// The classes of the image below, and those that entries above it make of them.
pub struct Classes<'a> {
    /// Their sets.
    pub sets: Sets<'a>,
    /// Class n is at index n − 1.
    classes: Vec<Class>,
    /// Set of class n, at index n.
    sets_of_classes: Vec<SetId>,
    numbers: HashMap<SetId, usize>,
    /// Class and set above it to the class of both.
    unions: HashMap<(ClassId, SetId), ClassId>,
}

impl<'a> Classes<'a> {
    fn new(mut sets: Sets<'a>, classes: Vec<Class>) -> Self {
        let mut sets_of_classes = vec![NOTHING];
        sets_of_classes.extend(classes.iter().map(|class| sets.of_class(class)));
        let numbers = sets_of_classes.iter().copied().zip(0..).collect();
        Self {
            sets,
            classes,
            sets_of_classes,
            numbers,
            unions: HashMap::new(),
        }
    }

    /// The class of an address that has `class` below and `set` above.
    pub fn with(&mut self, class: ClassId, set: SetId) -> ClassId {
        if set == NOTHING {
            return class;
        }
        if let Some(known) = self.unions.get(&(class, set)) {
            return *known;
        }
        let union = self
            .sets
            .union(self.sets_of_classes[usize::from(class)], set);
        let number = self.number(union);
        self.unions.insert((class, set), number);
        number
    }

    /// Beyond the highest class numbers are no longer true; the whole is then dropped.
    fn number(&mut self, set: SetId) -> ClassId {
        let Some(class) = self.sets.class_of(set) else {
            return NONE;
        };
        let next = self.classes.len() + 1;
        let number = *self.numbers.entry(set).or_insert(next);
        if number == next {
            self.classes.push(class);
            self.sets_of_classes.push(set);
        }
        ClassId::try_from(number).unwrap_or(NONE)
    }
}

/// The classes of a range of addresses.
type Steps<A> = Vec<Step<A, ClassId>>;

/// What differs between the families.
struct Family<A> {
    /// The classes of a /24 that has a descriptor in a group.
    steps: fn(&[Line], Group, A) -> Result<Steps<A>>,
    /// Writes the descriptors of a group once more.
    describe: fn(&mut Store, Group, &[Network<A>]) -> Result<Descriptors>,
}

const V4: Family<u32> = Family {
    steps: v4::steps,
    describe: v4::describe_again,
};

const V6: Family<u128> = Family {
    steps: v6::steps,
    describe: v6::describe_again,
};

/// The lines with `over` laid over them.
fn lay_over<A: Address>(
    lines: Vec<Line>,
    over: &[Step<A, SetId>],
    classes: &mut Classes,
    family: &Family<A>,
) -> Result<Vec<Line>> {
    let mut store = Store::behind(lines);
    let touched = |part: &Block<A, SetId>| part.class() != Some(NOTHING);
    for part in Block::everything(over).parts(GROUP).filter(touched) {
        for block in part.each(GROUP) {
            renew_group(&mut store, block, classes, family)?;
        }
    }
    Ok(store.into_lines())
}

/// Lays `over`, a /18, over its group.
fn renew_group<A: Address>(
    store: &mut Store,
    over: Block<A, SetId>,
    classes: &mut Classes,
    family: &Family<A>,
) -> Result<()> {
    let index = over.first.top(GROUP);
    let group = store.group(index);
    let whole = over.class();
    let default = whole.map_or(group.default(), |set| classes.with(group.default(), set));
    let mut networks = Vec::new();
    // Without descriptors and under one set, every network has the default.
    if group.listed != 0 || whole.is_none() {
        for over in over.each(NETWORK) {
            networks.extend(renew(store.lines(), group, default, over, classes, family)?);
        }
    }
    let bit = |network: &Renewed<A>| 1_u64 << (network.first().top(NETWORK) & 63);
    let listed = networks.iter().map(bit).fold(0, std::ops::BitOr::bitor);
    let networks: Vec<Network<A>> = networks.iter().map(Renewed::as_network).collect();
    let descriptors = (family.describe)(store, group, &networks)?;
    let group = Group::new(listed, descriptors.base, default, descriptors.wide);
    store.put_group(index, group);
    Ok(())
}

/// A /24 that needs a descriptor.
enum Renewed<A> {
    /// With these classes.
    New(A, Steps<A>),
    /// As it is.
    Kept(A),
}

impl<A: Address> Renewed<A> {
    fn first(&self) -> A {
        let (Self::New(first, _) | Self::Kept(first)) = self;
        *first
    }

    fn as_network(&self) -> Network<'_, A> {
        match self {
            Self::New(first, steps) => Network::New(Block::new(*first, first.last(NETWORK), steps)),
            Self::Kept(first) => Network::Kept(*first),
        }
    }
}

/// Lays `over`, a /24, over the network in `group`. `None` if it then has the class `default`.
fn renew<A: Address>(
    lines: &[Line],
    group: Group,
    default: ClassId,
    over: Block<A, SetId>,
    classes: &mut Classes,
    family: &Family<A>,
) -> Result<Option<Renewed<A>>> {
    let first = over.first;
    let is_listed = group.listed >> (first.top(NETWORK) & 63) & 1 != 0;
    if over.class() == Some(NOTHING) {
        return Ok(is_listed.then_some(Renewed::Kept(first)));
    }
    let below = if is_listed {
        (family.steps)(lines, group, first)?
    } else {
        let value = group.default();
        vec![Step { first, value }]
    };
    let steps = merge(&below, over, classes);
    let uniform = matches!(steps.as_slice(), [only] if only.value == default);
    Ok((!uniform).then_some(Renewed::New(first, steps)))
}

/// Steps with the classes of both: `below` starts where `over` does.
fn merge<A: Address>(
    below: &[Step<A, ClassId>],
    over: Block<A, SetId>,
    classes: &mut Classes,
) -> Steps<A> {
    let mut steps: Steps<A> = Vec::new();
    let below = Block::new(over.first, over.last, below);
    let mut runs = below.runs().peekable();
    for above in over.runs() {
        while let Some(run) = runs.peek().filter(|run| run.first <= above.last) {
            steps.push(Step {
                first: run.first.max(above.first),
                value: classes.with(run.class, above.class),
            });
            if run.last > above.last {
                break;
            }
            runs.next();
        }
    }
    steps.dedup_by_key(|step| step.value);
    steps
}
