//! Classes: what a lookup returns.

/// Number of a class within its generation. 0 is [`NONE`].
pub type ClassId = u16;

/// The class of an address that nothing lists.
pub const NONE: ClassId = 0;

/// What is done with a packet whose address has a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Action {
    /// Count and report, let pass.
    Monitor = 1,
    /// Count, report and drop.
    Drop = 2,
}

impl Action {
    /// The action whose number is `raw`, as stored in the generation's class table.
    pub fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            1 => Some(Self::Monitor),
            2 => Some(Self::Drop),
            _ => None,
        }
    }
}
