//! Where on a device a program stands, and what its attachment is called.

use aya::programs::{Program, ProgramError, SchedClassifier, TcAttachType, Xdp};
use firewall_common::ledger::Role;
use serde::{Deserialize, Serialize};

/// What is appended to a device's name for the attachment that judges what this machine sends over it.
/// No device has a colon in its name (`dev_valid_name`, net/core/dev.c).
const OWN: &str = ":own";

/// Where on a device a program stands, and with it what a packet starts with there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// XDP: every frame that an Ethernet device receives.
    #[default]
    Xdp,
    /// TCX: every packet that a device without Ethernet header receives.
    Ingress,
    /// TCX: every packet that this machine itself sends.
    Egress {
        /// Whether the device has an Ethernet header.
        ethernet: bool,
    },
}

impl Hook {
    /// For what this machine sends over an Ethernet device.
    pub const OWN_TRAFFIC: Self = Self::Egress { ethernet: true };

    /// Where what `device` receives is judged.
    pub fn receiving(ethernet: bool) -> Self {
        match ethernet {
            true => Self::Xdp,
            false => Self::Ingress,
        }
    }

    /// Name of an attachment here, beside the others of the same device: `eth0`, or `eth0:own`.
    pub fn attachment(self, base: &str) -> String {
        match self {
            Self::Xdp | Self::Ingress => base.to_owned(),
            Self::Egress { .. } => format!("{base}{OWN}"),
        }
    }

    /// What stands where nothing is written down about the attachment of this name.
    pub fn guess(attachment: &str) -> Self {
        match is_own(attachment) {
            true => Self::OWN_TRAFFIC,
            false => Self::Xdp,
        }
    }

    /// Name of the program in both objects.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Xdp => "firewall",
            Self::Ingress | Self::Egress { .. } => "firewall_tcx",
        }
    }

    /// Constant `ETHERNET` of the program.
    pub(super) fn ethernet(self) -> u32 {
        match self {
            Self::Xdp | Self::Egress { ethernet: true } => 1,
            Self::Ingress | Self::Egress { ethernet: false } => 0,
        }
    }

    /// Constant `OWN_TRAFFIC` of the program.
    pub(super) fn own_traffic(self) -> u32 {
        matches!(self, Self::Egress { .. }).into()
    }

    /// Constant `ROLE` of the program: what this machine sends comes from inside.
    pub(super) fn role(self, role: Role) -> u32 {
        match self {
            Self::Xdp | Self::Ingress => role as u32,
            Self::Egress { .. } => Role::Inside as u32,
        }
    }

    /// Which end of TCX; `None` for XDP.
    pub(super) fn tcx(self) -> Option<TcAttachType> {
        match self {
            Self::Xdp => None,
            Self::Ingress => Some(TcAttachType::Ingress),
            Self::Egress { .. } => Some(TcAttachType::Egress),
        }
    }

    /// Loads `program`, which has this hook's name.
    pub(super) fn load(program: &mut Program) -> Result<(), ProgramError> {
        match program {
            Program::SchedClassifier(program) => SchedClassifier::load(program),
            program => <&mut Xdp>::try_from(program)?.load(),
        }
    }
}

/// Name that the device of this attachment had when it was attached.
pub fn device(attachment: &str) -> &str {
    attachment.split(':').next().unwrap_or(attachment)
}

/// What the names of all attachments of one device begin with.
pub fn base(attachment: &str) -> &str {
    attachment.strip_suffix(OWN).unwrap_or(attachment)
}

/// The same for a device that got the name of another one, which was renamed and keeps its attachment.
pub fn second_base(device: &str, index: u32) -> String {
    format!("{device}:{index}")
}

/// The attachment of this name as people know it.
pub fn plain(attachment: &str) -> String {
    match is_own(attachment) {
        true => Hook::OWN_TRAFFIC.attachment(device(attachment)),
        false => device(attachment).to_owned(),
    }
}

/// Whether the attachment of this name judges what this machine itself sends.
pub fn is_own(attachment: &str) -> bool {
    attachment.ends_with(OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_says_its_device_and_whether_it_is_for_own_traffic() {
        for (hook, name, is_for_own) in [
            (Hook::Xdp, "eth0", false),
            (Hook::Ingress, "wg0", false),
            (Hook::OWN_TRAFFIC, "eth0", true),
        ] {
            for its_base in [name.to_owned(), second_base(name, 12)] {
                let attachment = hook.attachment(&its_base);
                assert_eq!(device(&attachment), name);
                assert_eq!(plain(&attachment), hook.attachment(name));
                assert_eq!(base(&attachment), its_base);
                assert_eq!(is_own(&attachment), is_for_own, "{attachment}");
            }
        }
    }

    #[test]
    fn a_guess_is_at_least_of_the_right_kind() {
        assert_eq!(Hook::guess("eth0"), Hook::Xdp);
        assert!(Hook::guess("eth0:own").tcx().is_some());
    }
}
