//! Whether the running kernel can take the filter at all.

use std::{fs, path::Path};

/// The oldest release that takes XDP programs for packets in several buffers (`xdp.frags`).
const OLDEST: (u32, u32) = (5, 18);

/// What the running kernel lacks, for people.
pub fn shortcoming() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let types = Path::new("/sys/kernel/btf/vmlinux").exists();
    judge(release.trim(), types)
}

fn judge(release: &str, types: bool) -> Option<String> {
    let (major, minor) = OLDEST;
    if version(release).is_none_or(|version| version < OLDEST) {
        return Some(format!(
            "this kernel is '{release}', Linux {major}.{minor} or newer is needed; boot a newer one"
        ));
    }
    (!types).then(|| {
        "this kernel shows no type information at /sys/kernel/btf/vmlinux; boot one built with \
         CONFIG_DEBUG_INFO_BTF"
            .to_owned()
    })
}

/// The first two numbers of a release such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for new in ["5.18.0", "5.18", "5.100.1", "6.1.0-18-amd64", "6.18.44-x"] {
            assert_eq!(judge(new, true), None, "{new}");
        }
        for old in ["5.17.15", "5.2.0", "4.19.0-6-amd64", "", "unknown"] {
            assert!(
                judge(old, true).is_some_and(|it| it.contains("5.18")),
                "{old}"
            );
        }
    }

    #[test]
    fn a_kernel_without_type_information_is_refused() {
        assert!(judge("6.1.0", false).is_some_and(|it| it.contains("BTF")));
    }
}
