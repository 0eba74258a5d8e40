//! The keys of a `[[feed]]` that say where its key is and how it is sent.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::feed::{
    key::{Key, PLACEHOLDER, Place, Sent},
    server::Server,
    store::Name,
};

/// As they are written.
#[derive(Debug)]
pub struct Secret {
    pub key_file: Option<PathBuf>,
    pub credential: Option<String>,
    pub key_header: Option<String>,
    pub user: Option<String>,
}

impl Secret {
    /// The key of the feed `name` from `url`, if it has one.
    pub fn finish(
        self,
        name: &Name,
        url: Option<&str>,
        server: Option<Server>,
    ) -> Result<Option<Key>> {
        let in_address = url.is_some_and(|url| url.contains(PLACEHOLDER));
        let place = match (self.key_file, self.credential) {
            (None, None) if in_address || self.key_header.is_some() || self.user.is_some() => {
                bail!(
                    "feed '{name}': it is not said where the key is; name it with key_file or credential"
                )
            }
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                bail!("feed '{name}': key_file and credential are two keys; use one")
            }
            (Some(path), None) => Place::File(std::path::absolute(path)?),
            (None, Some(credential)) => Place::Credential(credential),
        };
        if url.is_none() {
            bail!("feed '{name}': a key is for a url, and this is a file");
        }
        let sent = match (in_address, self.key_header, self.user) {
            (true, None, None) => Sent::Address,
            (false, Some(header), None) => Sent::Header(
                header
                    .parse()
                    .with_context(|| format!("feed '{name}': '{header}' is no name of a header"))?,
            ),
            (false, None, Some(user)) => Sent::Basic(user),
            (false, None, None) => match server {
                Some(Server::Crowdsec) => Sent::Header("x-api-key".parse()?),
                _ => Sent::Bearer,
            },
            _ => bail!(
                "feed '{name}': a key is sent in one way: '{PLACEHOLDER}' in the url, key_header or \
                 user"
            ),
        };
        Ok(Some(Key { place, sent }))
    }
}
