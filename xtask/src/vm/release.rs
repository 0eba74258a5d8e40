//! Kernels by name: what Debian's packages of them are called, and which is the newest.

use std::{cmp::Ordering, fmt};

/// What every package of a kernel for this architecture ends with.
const ARCHITECTURE: &str = "-amd64";

/// Packages that have the kernel itself and its modules. In older releases all of it is in `image`; in
/// newer ones that needs the others.
const IMAGE: &str = "linux-image-";
const PARTS: [&str; 2] = ["linux-binary-", "linux-modules-"];

/// A packaged kernel, such as `6.1.0-57-amd64` or `6.12.117+deb12-amd64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release(String);

impl Release {
    /// The newest that `found` has, the output of `apt-cache search --names-only`, in this series.
    pub fn newest(found: &str, series: Series) -> Option<Self> {
        let names = found.lines().filter_map(|line| line.split(' ').next());
        let releases = names.filter_map(Self::of_package);
        releases
            .filter(|release| release.is_in(series))
            .max_by(Self::older)
    }

    /// Of a package of a kernel for all machines: not one for clouds or with other timing, not debug
    /// symbols, not a package that only stands for another.
    fn of_package(name: &str) -> Option<Self> {
        let release = name.strip_prefix(IMAGE)?;
        let version = release.strip_suffix(ARCHITECTURE)?;
        let begins_with_digit = |part: &str| part.starts_with(|it: char| it.is_ascii_digit());
        let is_kernel = version.split('-').all(begins_with_digit) && version.split('.').count() > 2;
        is_kernel.then(|| Self(release.to_owned()))
    }

    /// The packages that have it, by the output of `apt-cache depends` on the one that is named after it.
    pub fn packages(&self, depends: &str) -> Vec<String> {
        let image = format!("{IMAGE}{self}");
        let needed = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        let parts = PARTS.map(|part| format!("{part}{self}"));
        let parts = needed.filter(|name| parts.iter().any(|part| part == name));
        [image]
            .into_iter()
            .chain(parts.map(str::to_owned))
            .collect()
    }

    /// The package that is named after it.
    pub fn package(&self) -> String {
        format!("{IMAGE}{self}")
    }

    fn is_in(&self, series: Series) -> bool {
        match series {
            Series::Any => true,
            Series::Of(major, minor) => self.numbers().starts_with(&[major, minor]),
        }
    }

    fn older(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }

    fn numbers(&self) -> Vec<u32> {
        let numbers = self.0.split(|it: char| !it.is_ascii_digit());
        numbers.filter_map(|number| number.parse().ok()).collect()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which kernels are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Those of the same first two numbers.
    Of(u32, u32),
    /// All of them.
    Any,
}

/// What [`Series::Any`] is called.
const NEWEST: &str = "newest";

impl std::str::FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NEWEST {
            return Ok(Self::Any);
        }
        let numbers = text.split_once('.');
        let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (major, minor) = numbers
            .ok_or_else(|| format!("'{text}' is no series of Linux: say 6.1, 6.12 or {NEWEST}"))?;
        Ok(Self::Of(major, minor))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(major, minor) => write!(formatter, "{major}.{minor}"),
            Self::Any => formatter.write_str(NEWEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: &str = "\
        linux-image-6.12-amd64 - Linux for 64-bit PCs (meta-package)\n\
        linux-image-6.12.9+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)\n\
        linux-image-6.12.117+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)\n\
        linux-image-6.12.117+deb12-amd64-dbg - Debug symbols\n\
        linux-image-6.12.117+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs\n\
        linux-image-6.12.118+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)\n\
        linux-image-6.12.118+deb12-rt-amd64 - Linux 6.12 with PREEMPT_RT\n\
        linux-image-6.1.0-57-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
        linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)\n\
        linux-image-amd64 - Linux for 64-bit PCs (meta-package)\n\
        linux-headers-6.19.1+deb13-amd64 - Header files\n";

    #[test]
    fn the_newest_of_a_series_is_found_by_its_numbers() {
        for (series, expected) in [
            ("6.12", Some("6.12.117+deb12-amd64")),
            ("6.1", Some("6.1.0-57-amd64")),
            ("newest", Some("6.12.117+deb12-amd64")),
            ("6.18", None),
            ("6.11", None),
        ] {
            let found = Release::newest(FOUND, series.parse().unwrap());
            assert_eq!(found.map(|it| it.0).as_deref(), expected, "{series}");
        }
    }

    #[test]
    fn a_kernel_in_several_packages_is_all_of_them() {
        let of = |release: &str| Release(release.to_owned());
        let depends = "linux-image-6.1.0-57-amd64\n  Depends: kmod\n |Depends: initramfs-tools\n";
        assert_eq!(
            of("6.1.0-57-amd64").packages(depends),
            ["linux-image-6.1.0-57-amd64"]
        );
        let depends = "linux-image-7.3.4+deb13-amd64\n  Depends: linux-base-7.3.4+deb13-amd64\n  \
             Depends: linux-binary-7.3.4+deb13-amd64\n  Depends: linux-modules-7.3.4+deb13-amd64\n  \
             Depends: linux-modules-7.3.5+deb13-amd64\n";
        assert_eq!(
            of("7.3.4+deb13-amd64").packages(depends),
            [
                "linux-image-7.3.4+deb13-amd64",
                "linux-binary-7.3.4+deb13-amd64",
                "linux-modules-7.3.4+deb13-amd64"
            ]
        );
    }

    #[test]
    fn a_series_is_two_numbers_or_the_newest() {
        for text in ["6.1", "6.12", "10.0", "newest"] {
            assert_eq!(text.parse::<Series>().unwrap().to_string(), text);
        }
        for text in ["", "6", "6.1.0", "6.x", "latest", "../6.1"] {
            let error = text.parse::<Series>().unwrap_err();
            assert!(error.contains("is no series of Linux"), "{error}");
        }
    }
}
