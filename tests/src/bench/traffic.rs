//! Packets as pairs of source and destination.

use firewall::address::Address;

use crate::{family::Family, lists::List, model::Model, random::Random};

/// Which packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Both addresses anywhere and unlisted: what a gateway sees nearly always.
    FarMiss,
    /// Both addresses unlisted, spread like the list: mostly neighbours of what is listed. Of IPv6
    /// half of them, the others are anywhere.
    NearMiss,
    /// A listed source.
    HitSource,
    /// A listed destination.
    HitDestination,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::FarMiss,
        Self::NearMiss,
        Self::HitSource,
        Self::HitDestination,
    ];

    /// Name in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FarMiss => "far-miss",
            Self::NearMiss => "near-miss",
            Self::HitSource => "hit-source",
            Self::HitDestination => "hit-destination",
        }
    }
}

/// A packet: source and destination.
pub type Pair<A> = (A, A);

/// `count` packets of `case` against `list`.
pub fn pairs<A: Family>(
    case: Case,
    list: &List<A>,
    model: &Model<A>,
    count: usize,
) -> Vec<Pair<A>> {
    let mut random = Random::new(case as u64 + 100);
    let pair = |_| match case {
        Case::FarMiss => (far(model, &mut random), far(model, &mut random)),
        Case::NearMiss => (
            near(list, model, &mut random),
            near(list, model, &mut random),
        ),
        Case::HitSource => (hit(list, &mut random), far(model, &mut random)),
        Case::HitDestination => (far(model, &mut random), hit(list, &mut random)),
    };
    (0..count).map(pair).collect()
}

fn far<A: Family>(model: &Model<A>, random: &mut Random) -> A {
    unlisted(model, || A::unicast(random))
}

fn near<A: Family>(list: &List<A>, model: &Model<A>, random: &mut Random) -> A {
    if A::NUMBER == 6 && random.once_in(2) {
        return far(model, random);
    }
    unlisted(model, || list.spread.draw(random))
}

fn unlisted<A: Address>(model: &Model<A>, mut draw: impl FnMut() -> A) -> A {
    /// A list that covers nearly all of its own neighbourhood leaves nothing to find; the pair is
    /// then judged as what it is.
    const ATTEMPTS: usize = 1000;
    let mut address = draw();
    for _ in 0..ATTEMPTS {
        if !model.lists(address) {
            break;
        }
        address = draw();
    }
    address
}

/// An address within an entry.
pub fn hit<A: Family>(list: &List<A>, random: &mut Random) -> A {
    let &(first, length) = random.one_of(&list.entries);
    first.within(length, random)
}
