//! Why a packet passed or was dropped.

/// Pass or drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet goes on to the kernel.
    Pass,
    /// The packet ends here.
    Drop,
}

/// Why. The number is the index of the reason's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reason {
    /// Neither address is in the ruleset.
    NoMatch = 0,
    /// Not IPv4 or IPv6 (ARP, LLDP, PPPoE discovery, …).
    NotIp = 1,
    /// Cut off before both addresses could be read; the kernel refuses such a packet itself.
    Truncated = 2,
    /// An address is listed by a source that enforces.
    Blocked = 3,
    /// An address is listed by sources that only monitor.
    Monitored = 4,
    /// An address is exempt: `allow --exempt`.
    Allowed = 5,
    /// Ports of an address are listed, and the packet does not show its own: a later fragment, or
    /// more extension headers than are walked over.
    FragmentUnjudged = 6,
    /// Still a VLAN tag behind the last that is walked over. The kernel takes off any number of those
    /// that name no VLAN, and would deliver what is behind them.
    TooManyTags = 7,
    /// Comes from an address from which nothing may be opened, and hides whether it opens something: a
    /// first fragment without the flags of TCP, a fragment that would write over them, or more extension
    /// headers than are walked over.
    OpeningHidden = 8,
}

impl Reason {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 9] = [
        Self::NoMatch,
        Self::NotIp,
        Self::Truncated,
        Self::Blocked,
        Self::Monitored,
        Self::Allowed,
        Self::FragmentUnjudged,
        Self::TooManyTags,
        Self::OpeningHidden,
    ];

    /// The reason whose number is `raw`; anything unheard of is [`Self::NoMatch`].
    #[inline(always)]
    pub const fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::NotIp,
            2 => Self::Truncated,
            3 => Self::Blocked,
            4 => Self::Monitored,
            5 => Self::Allowed,
            6 => Self::FragmentUnjudged,
            7 => Self::TooManyTags,
            8 => Self::OpeningHidden,
            _ => Self::NoMatch,
        }
    }

    /// What happens to a packet for this reason.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Blocked | Self::TooManyTags | Self::OpeningHidden => Verdict::Drop,
            Self::NoMatch
            | Self::NotIp
            | Self::Truncated
            | Self::Monitored
            | Self::Allowed
            | Self::FragmentUnjudged => Verdict::Pass,
        }
    }

    /// Whether the packet matched something that is dropped or monitored.
    #[inline(always)]
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Blocked | Self::Monitored | Self::OpeningHidden)
    }

    /// The name that people and machines read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMatch => "no-match",
            Self::NotIp => "not-ip",
            Self::Truncated => "truncated",
            Self::Blocked => "blocked",
            Self::Monitored => "monitored",
            Self::Allowed => "allowed",
            Self::FragmentUnjudged => "fragment-unjudged",
            Self::TooManyTags => "too-many-tags",
            Self::OpeningHidden => "opening-hidden",
        }
    }
}

/// One counter: packets, and their whole length on the wire as the program sees it (all buffers,
/// Ethernet header included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl core::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl core::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| sum + count)
    }
}
