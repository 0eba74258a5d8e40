//! Keys of feeds: where they are, and how they are sent. They are read for each update, and never
//! written anywhere.

use std::{env, fmt, fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use ureq::http::{HeaderName, HeaderValue, Uri, header::AUTHORIZATION};

use crate::file;

/// What stands for a key in an address.
pub const PLACEHOLDER: &str = "{key}";

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In a credential that systemd hands over (`LoadCredential=`, systemd.exec(5)).
    Credential(String),
}

/// How a key is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// As a header of this name.
    Header(HeaderName),
    /// As the password of this user (RFC 7617).
    Basic(String),
    /// As a token (RFC 6750).
    Bearer,
    /// In the address, in place of `{key}`.
    Address,
}

/// The key of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it is.
    pub place: Place,
    /// How it is sent.
    pub sent: Sent,
}

/// A key that was read, for the worker that sends it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// The name of a header, and its value.
    Header(String, String),
    /// What stands in the address for [`PLACEHOLDER`].
    Address(String),
}

impl Key {
    /// Reads the key.
    ///
    /// # Errors
    /// It is not there, empty, or not one line of text.
    pub fn read(&self) -> Result<Secret> {
        let key = self.text()?;
        Ok(match &self.sent {
            Sent::Header(name) => Secret::Header(name.to_string(), key),
            Sent::Basic(user) => {
                let pair = STANDARD.encode(format!("{user}:{key}"));
                Secret::Header(AUTHORIZATION.to_string(), format!("Basic {pair}"))
            }
            Sent::Bearer => Secret::Header(AUTHORIZATION.to_string(), format!("Bearer {key}")),
            Sent::Address => Secret::Address(key),
        })
    }

    /// Who else can read the key than its owner, and what to type, if that is so; for people.
    pub fn exposed(&self) -> Option<String> {
        let Place::File(path) = &self.place else {
            return None;
        };
        let metadata = fs::metadata(path).ok()?;
        // What systemd hands over has mode 0440 and root's group.
        let group = if metadata.gid() == 0 { 0 } else { 0o040 };
        let path = path.display();
        (metadata.mode() & (group | 0o004) != 0).then(|| {
            format!("others than its owner can read the key in {path}; type: chmod 600 {path}")
        })
    }

    /// White space around it is no part of it.
    fn text(&self) -> Result<String> {
        let path = match &self.place {
            Place::File(path) => path.clone(),
            Place::Credential(name) => {
                let folder = env::var_os("CREDENTIALS_DIRECTORY").with_context(|| {
                    format!(
                        "the key is the credential '{name}', and systemd handed over none; write \
                         LoadCredential={name}:FILE into the unit, or use key_file"
                    )
                })?;
                PathBuf::from(folder).join(name)
            }
        };
        let content = file::read(&path)?
            .with_context(|| format!("there is no key in {}; put it there", path.display()))?;
        let key = String::from_utf8(content)
            .unwrap_or_default()
            .trim()
            .to_owned();
        ensure!(
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()),
            "{} holds no key: it must be one line of printable characters",
            path.display()
        );
        Ok(key)
    }
}

impl Secret {
    /// `address` with the key in it, if that is where it goes.
    ///
    /// # Errors
    /// The key is no part of an address.
    pub fn address(&self, address: &Uri) -> Result<Uri> {
        let Self::Address(key) = self else {
            return Ok(address.clone());
        };
        let text = address.to_string().replace(PLACEHOLDER, key);
        text.parse()
            .ok()
            .context("the key cannot be a part of an address")
    }

    /// The header that the key is sent in, if it is.
    ///
    /// # Errors
    /// There can be no such header.
    pub fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        let Self::Header(name, value) = self else {
            return Ok(None);
        };
        let unsendable = "the key cannot be sent in a header";
        let name = HeaderName::from_bytes(name.as_bytes()).context(unsendable)?;
        let mut value = HeaderValue::from_str(value).context(unsendable)?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "geheim").unwrap();
        let key = Key {
            place: Place::File(path.clone()),
            sent: Sent::Bearer,
        };
        let root = fs::metadata(&path).unwrap().uid() == 0;
        for (group, mode, is_said) in [
            (1, 0o600, false),
            (1, 0o400, false),
            (1, 0o640, true),
            (1, 0o604, true),
            (0, 0o440, false),
            (0, 0o444, true),
        ] {
            if root {
                chown(&path, None, Some(group)).unwrap();
            } else if group == 0 {
                continue;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let said = key.exposed();
            assert_eq!(said.is_some(), is_said, "{group} {mode:o}: {said:?}");
            let typed = format!("type: chmod 600 {}", path.display());
            assert!(said.is_none_or(|said| said.ends_with(&typed)));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(key.exposed(), None, "its absence is said when it is read");
    }
}
