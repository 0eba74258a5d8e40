//! From the files to the image that is to be in force: the image of the feeds, out of the cache where
//! that is possible, with the operator's entries laid over it.

use anyhow::Result;
use jiff::Timestamp;

use crate::{
    cache::{Cache, Snapshot},
    file,
    image::Image,
    inputs::Inputs,
    memory,
    ruleset::Ruleset,
    state::State,
};

/// An image and what it is made of.
#[derive(Debug)]
pub struct Compiled {
    /// The image.
    pub image: Image,
    /// Digest of the files that it is made of.
    pub inputs: String,
    /// Feeds that are left out because their last good copy is damaged, and why.
    pub left_out: Vec<String>,
    cache: AfterInstall,
}

/// What is to be done with the cache once the image is in force.
#[derive(Debug)]
enum AfterInstall {
    /// It was used.
    Keep,
    Write(Box<Snapshot>),
    /// Nothing is worth to be kept.
    Remove,
}

impl Compiled {
    /// What `inputs` make at `now`. A damaged copy of a feed is an error, or left out if that is asked
    /// for.
    pub fn new(
        inputs: Inputs,
        now: Timestamp,
        leave_out_damaged: bool,
        state: &State,
    ) -> Result<Self> {
        let own = inputs.own_ruleset(now)?;
        if let Some(image) = out_of_cache(&inputs, now, &own, state)? {
            return Ok(Self {
                image,
                inputs: inputs.digest(now),
                left_out: Vec::new(),
                cache: AfterInstall::Keep,
            });
        }
        memory::check(inputs.load())?;
        let (feeds, left_out) = inputs.feeds_ruleset(now, leave_out_damaged)?;
        let (digest, of_image) = (inputs.digest(now), inputs.of_image(now));
        drop(inputs);
        let below = Image::compile(&feeds)?;
        let snapshot = match left_out.is_empty() {
            true => Snapshot::take(&below, of_image),
            false => None,
        };
        Ok(Self {
            image: match below.overlay(&own)? {
                Some(image) => image,
                None => at_once(feeds, own)?,
            },
            inputs: digest,
            left_out,
            cache: match snapshot {
                Some(snapshot) => AfterInstall::Write(Box::new(snapshot)),
                None => AfterInstall::Remove,
            },
        })
    }

    /// Brings the cache up to date. It only saves time: that it cannot be written is no failure.
    pub fn keep(self, state: &State) {
        let path = state.image_cache();
        let _ = match self.cache {
            AfterInstall::Keep => Ok(()),
            AfterInstall::Write(snapshot) => snapshot.write(&path, &self.image),
            AfterInstall::Remove => file::remove(&path),
        };
    }
}

fn out_of_cache(
    inputs: &Inputs,
    now: Timestamp,
    own: &Ruleset,
    state: &State,
) -> Result<Option<Image>> {
    let Some(cache) = Cache::open(&state.image_cache()) else {
        return Ok(None);
    };
    match cache.image(&inputs.of_image(now), &own.sources) {
        Some(image) => image.overlay(own),
        None => Ok(None),
    }
}

fn at_once(mut feeds: Ruleset, own: Ruleset) -> Result<Image> {
    feeds.extend(own);
    Image::compile(&feeds)
}
