//! Classes: what a lookup returns, and what is done with packets of a class.

/// Number of a class within its generation. 0 is [`NONE`].
pub type ClassId = u16;

/// The class of an address that nothing lists.
pub const NONE: ClassId = 0;

/// What is done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let pass.
    Pass,
    /// Count and report, let pass.
    Monitor,
    /// Count, report and drop.
    Drop,
}

/// How a packet concerns an address. The number is the bit in [`Actions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Case {
    /// It goes to the address.
    Destination = 0,
    /// It comes from the address and opens nothing that we know of: an answer, a later fragment.
    Source = 1,
    /// It comes from the address and opens something: TCP SYN without ACK, ICMP echo request; or hides
    /// whether it does.
    Opening = 2,
    /// It comes from the address and its protocol, unlike TCP and ICMP, does not say whether it
    /// opens or answers.
    Connectionless = 3,
}

impl Case {
    /// Every case.
    pub const ALL: [Self; 4] = [
        Self::Destination,
        Self::Source,
        Self::Opening,
        Self::Connectionless,
    ];
}

/// What is done with the packets of a class, by [`Case`], as the class table of a generation has it.
///
/// | bits | meaning |
/// |---|---|
/// | 0–3 | monitor: one bit for each case |
/// | 4–7 | drop, likewise; it beats monitor |
/// | 8 | ports: some ports of the address are listed on their own |
/// | 9 | exempt: packets to and from the address pass whatever else is listed |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Actions(u64);

impl Actions {
    const CASES: u64 = 0xf;
    const DROP_SHIFT: u32 = 4;

    /// Nothing in any case.
    pub const NONE: Self = Self(0);
    /// Monitor in every case.
    pub const MONITOR: Self = Self(Self::CASES);
    /// Drop in every case.
    pub const DROP: Self = Self(Self::CASES << Self::DROP_SHIFT);
    /// Ports of the address are listed on their own.
    pub const PORTS: Self = Self(1 << 8);
    /// Whatever else is listed, its packets pass.
    pub const EXEMPT: Self = Self(1 << 9);

    /// `action` in `case` alone.
    pub const fn only(case: Case, action: Action) -> Self {
        let bit = 1 << case as u32;
        match action {
            Action::Pass => Self::NONE,
            Action::Monitor => Self(bit),
            Action::Drop => Self(bit << Self::DROP_SHIFT),
        }
    }

    /// Both: drop beats monitor, case by case.
    pub const fn and(self, other: Self) -> Self {
        let both = self.0 | other.0;
        let dropped = (both >> Self::DROP_SHIFT) & Self::CASES;
        Self(both & !dropped)
    }

    /// What is done in `case`.
    #[inline(always)]
    pub const fn of(self, case: Case) -> Action {
        let bits = self.0 >> (case as u32);
        if bits & (1 << Self::DROP_SHIFT) != 0 {
            Action::Drop
        } else if bits & 1 != 0 {
            Action::Monitor
        } else {
            Action::Pass
        }
    }

    /// Whether packets are dropped in any case.
    pub const fn drops(self) -> bool {
        self.0 & Self::DROP.0 != 0
    }

    /// Whether ports of the address are listed on their own.
    #[inline(always)]
    pub const fn has_ports(self) -> bool {
        self.0 & Self::PORTS.0 != 0
    }

    /// Whether packets pass whatever else is listed.
    #[inline(always)]
    pub const fn is_exempt(self) -> bool {
        self.0 & Self::EXEMPT.0 != 0
    }

    /// The word of the class table.
    pub const fn to_raw(self) -> u64 {
        self.0
    }

    /// The actions that a word of the class table stands for.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Drop, Monitor, Pass};

    #[test]
    fn each_case_has_its_own_action_and_drop_beats_monitor() {
        let actions = Actions::only(Case::Opening, Drop)
            .and(Actions::only(Case::Opening, Monitor))
            .and(Actions::only(Case::Connectionless, Monitor))
            .and(Actions::only(Case::Source, Pass));
        let of = Case::ALL.map(|case| actions.of(case));
        assert_eq!(of, [Pass, Pass, Drop, Monitor]);
        assert!(actions.drops() && !actions.has_ports() && !actions.is_exempt());
        for case in Case::ALL {
            assert_eq!(Actions::DROP.and(Actions::MONITOR).of(case), Drop);
            assert_eq!(Actions::MONITOR.and(Actions::PORTS).of(case), Monitor);
            assert_eq!(Actions::PORTS.and(Actions::EXEMPT).of(case), Pass);
        }
    }
}
