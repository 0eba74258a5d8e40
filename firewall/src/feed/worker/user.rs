//! The user that workers run as.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::geteuid;

/// The user that a package or an administrator makes for it.
const USER: &str = "firewall-worker";

/// User and group `nobody`, whose number is the kernel's own (`DEFAULT_OVERFLOWUID`,
/// include/linux/highuid.h): it is there where nobody made another.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// User and group; none where we may not choose, because we are not root ourselves.
pub fn of_worker() -> Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find(&users).map(|found| Some(found.unwrap_or(NOBODY)))
}

/// Looks into the text of passwd(5).
fn find(users: &str) -> Result<Option<(u32, u32)>> {
    let fields = |line: &str| -> Option<(u32, u32)> {
        let mut fields = line.strip_prefix(USER)?.strip_prefix(':')?.split(':');
        let user = fields.nth(1)?.parse().ok()?;
        Some((user, fields.next()?.parse().ok()?))
    };
    let Some(line) = users
        .lines()
        .find(|line| line.starts_with(&format!("{USER}:")))
    else {
        return Ok(None);
    };
    let found = fields(line).filter(|(user, group)| *user != 0 && *group != 0);
    let found = found.with_context(|| {
        format!("the user {USER} in /etc/passwd is root, or in its group, or has no number; mend or remove it")
    })?;
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_looked_up() {
        let users = "root:x:0:0::/root:/bin/sh\nfirewall-worker2:x:9:9::/:\n";
        assert_eq!(find(users).unwrap(), None);
        let with = format!("{users}firewall-worker:x:997:996::/:/usr/sbin/nologin\n");
        assert_eq!(find(&with).unwrap(), Some((997, 996)));
        for wrong in [
            "firewall-worker:x:0:0::/:",
            "firewall-worker:x:0:996::/:",
            "firewall-worker:x:997:0::/:",
            "firewall-worker:x:",
            "firewall-worker:x:a:1::/:",
        ] {
            assert!(find(wrong).is_err(), "{wrong}");
        }
    }
}
