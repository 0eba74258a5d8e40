//! Classes: sets of sources, numbered.

use std::{cmp::Reverse, collections::HashMap};

use firewall_common::class::{Actions, ClassId, NONE};

use super::steps::Step;
use crate::ruleset::{Source, SourceId, Wish};

/// Classes of an image at most. The counters of a generation are sized by it.
pub const MAX_CLASSES: usize = 65_000;

/// What is known of an address that is listed: what to do, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// What any of the sources wishes, case by case: drop beats monitor. What sources of a group that
    /// do not agree in the number it takes want to drop is monitored.
    pub actions: Actions,
    /// All sources that name the address, ascending. Empty for a class that many sets share, and
    /// where only ports of the address are listed.
    pub sources: Vec<SourceId>,
}

impl Class {
    /// Whether this is the class of the sets that found no number of their own: which sources name
    /// the address is then not known.
    pub fn is_many(&self) -> bool {
        self.sources.is_empty() && self.actions != Actions::PORTS
    }
}

/// Number of a set of sources in [`Sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(u32);

/// The set of no sources.
pub const NOTHING: SetId = SetId(0);

/// Every set with a source that allows or protects: the others do not matter then. Like
/// [`NOTHING`] it has no class.
pub const ALLOWED: SetId = SetId(1);

/// Stands among the sources of an address for: some of its ports are listed on their own.
pub const PORTS: SourceId = SourceId::MAX;

impl SetId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// All sets of sources seen, each once.
pub struct Sets<'a> {
    sources: &'a [Source],
    /// Members by number, ascending. [`NOTHING`] and [`ALLOWED`] have none.
    members: Vec<Vec<SourceId>>,
    numbers: HashMap<Vec<SourceId>, SetId>,
    /// Set and source to the set of both.
    unions: HashMap<(SetId, SourceId), SetId>,
    /// The last union asked for: runs of entries from one source need no hashing.
    last: ((SetId, SourceId), SetId),
}

impl<'a> Sets<'a> {
    /// No sets but the two without members.
    pub fn new(sources: &'a [Source]) -> Self {
        Self {
            sources,
            members: vec![Vec::new(); 2],
            numbers: HashMap::new(),
            unions: HashMap::new(),
            last: ((ALLOWED, 0), ALLOWED),
        }
    }

    /// The set of the sources of a class, which must be the ruleset's.
    pub fn of_class(&mut self, class: &Class) -> SetId {
        let ports = class.actions.has_ports().then_some(&PORTS);
        let with = |set, source: &SourceId| self.with(set, *source);
        class.sources.iter().chain(ports).fold(NOTHING, with)
    }

    /// All sources of both.
    pub fn union(&mut self, one: SetId, other: SetId) -> SetId {
        if other == ALLOWED && !self.is_exempt(one) {
            return ALLOWED;
        }
        let sources = self.members[other.index()].clone();
        let with = |set, source: SourceId| self.with(set, source);
        sources.into_iter().fold(one, with)
    }

    /// `set` and `source` together. The source must be one of the ruleset's.
    pub fn with(&mut self, set: SetId, source: SourceId) -> SetId {
        let asked = (set, source);
        if self.last.0 != asked {
            self.last = (asked, self.find_or_unite(asked));
        }
        self.last.1
    }

    fn find_or_unite(&mut self, asked: (SetId, SourceId)) -> SetId {
        if let Some(known) = self.unions.get(&asked) {
            return *known;
        }
        let union = self.unite(asked.0, asked.1);
        self.unions.insert(asked, union);
        union
    }

    fn unite(&mut self, set: SetId, source: SourceId) -> SetId {
        let mut members = match self.wish(source) {
            Some(Wish::Exempt) => return self.find_or_add(vec![source]),
            _ if self.is_exempt(set) => return set,
            Some(Wish::Allow | Wish::Protect) => return ALLOWED,
            _ if set == ALLOWED => return ALLOWED,
            _ => self.members[set.index()].clone(),
        };
        if let Err(position) = members.binary_search(&source) {
            members.insert(position, source);
        }
        self.find_or_add(members)
    }

    /// What a source wishes; `None` for [`PORTS`].
    fn wish(&self, source: SourceId) -> Option<Wish> {
        Some(self.sources.get(usize::from(source))?.wish)
    }

    /// Whether the set is that of a source that exempts: nothing is added to it.
    pub fn is_exempt(&self, set: SetId) -> bool {
        let first = self.members[set.index()].first();
        first.is_some_and(|&source| self.wish(source) == Some(Wish::Exempt))
    }

    fn find_or_add(&mut self, members: Vec<SourceId>) -> SetId {
        let next = SetId(self.members.len() as u32);
        *self.numbers.entry(members).or_insert_with_key(|members| {
            self.members.push(members.clone());
            next
        })
    }

    /// Gives the sets in `used` (one item for each step that has it) their class numbers. The
    /// rarest share one class for each action where there are more than [`MAX_CLASSES`].
    pub fn number(self, used: impl Iterator<Item = SetId>) -> Numbering {
        let mut steps = vec![0_usize; self.members.len()];
        for set in used {
            steps[set.index()] += 1;
        }
        let mut present: Vec<SetId> = (ALLOWED.0 + 1..self.members.len() as u32)
            .map(SetId)
            .filter(|set| steps[set.index()] > 0)
            .collect();
        let mut rare = Vec::new();
        if present.len() > MAX_CLASSES {
            present.sort_unstable_by_key(|set| (Reverse(steps[set.index()]), *set));
            rare = present.split_off(MAX_CLASSES - SHARED_CLASSES);
        }
        let mut numbering = Numbering::new(steps.len(), rare.len());
        for set in present {
            numbering.own(set, self.class(set));
        }
        for set in rare {
            numbering.share(set, self.class(set).actions);
        }
        numbering
    }

    /// The class that `set` has; `None` if it has none.
    pub fn class_of(&self, set: SetId) -> Option<Class> {
        (set != NOTHING && set != ALLOWED).then(|| self.class(set))
    }

    fn class(&self, set: SetId) -> Class {
        let mut sources = self.members[set.index()].clone();
        let actions = sources
            .iter()
            .map(|&source| self.actions(source, &sources))
            .fold(Actions::NONE, Actions::and);
        sources.retain(|&source| source != PORTS);
        Class { actions, sources }
    }

    /// What `source` does to an address that it names together with all of `members`.
    fn actions(&self, source: SourceId, members: &[SourceId]) -> Actions {
        let Some(Source { wish, group, .. }) = self.sources.get(usize::from(source)) else {
            return Actions::PORTS;
        };
        let agrees = group.as_ref().is_none_or(|group| {
            let others = members
                .iter()
                .filter_map(|&id| self.sources.get(usize::from(id)));
            others.filter(|it| it.group.as_ref() == Some(group)).count() >= group.min_sources
        });
        match agrees {
            true => wish.actions(),
            false => wish.monitored().actions(),
        }
    }
}

/// Room for one shared class for each combination of actions that sets of wishes come to: three
/// actions each for what opens, for what does not say, and for the rest; with ports and without; and
/// exempt.
const SHARED_CLASSES: usize = 2 * 27 + 1;

/// The class number of every set.
pub struct Numbering {
    classes_of_sets: Vec<ClassId>,
    shared: HashMap<Actions, ClassId>,
    /// Class n is at index n − 1.
    pub classes: Vec<Class>,
    /// Sets that share a class with others.
    pub folded: usize,
}

impl Numbering {
    fn new(sets: usize, folded: usize) -> Self {
        let classes_of_sets = vec![NONE; sets];
        Self {
            classes_of_sets,
            shared: HashMap::new(),
            classes: Vec::new(),
            folded,
        }
    }

    fn own(&mut self, set: SetId, class: Class) {
        self.classes.push(class);
        self.classes_of_sets[set.index()] = self.classes.len() as ClassId;
    }

    fn share(&mut self, set: SetId, actions: Actions) {
        let id = *self.shared.entry(actions).or_insert_with(|| {
            self.classes.push(Class {
                actions,
                sources: Vec::new(),
            });
            self.classes.len() as ClassId
        });
        self.classes_of_sets[set.index()] = id;
    }

    /// The class of a set.
    pub fn class_of(&self, set: SetId) -> ClassId {
        self.classes_of_sets[set.index()]
    }

    /// The same steps with classes for sets. Neighbours still differ: those whose sets have the same
    /// class become one.
    pub fn apply<A>(&self, steps: Vec<Step<A, SetId>>) -> Vec<Step<A, ClassId>> {
        let mut steps: Vec<_> = steps
            .into_iter()
            .map(|Step { first, value }| Step {
                first,
                value: self.class_of(value),
            })
            .collect();
        steps.dedup_by_key(|step| step.value);
        steps
    }
}
