//! The network cards of a guest of `cargo xtask vm`, which are joined two and two outside of it and to nothing
//! else: a lab has them for wires.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    lab::Lab,
    namespace::{Namespace, command},
    probe::Probe,
    stack::two_tags,
};

/// The name of the variable that says what the cards are, where there are any.
const MODEL: &str = "FIREWALL_CARDS";

/// For a card to come back from a namespace that is gone: the kernel takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The model of the cards, as QEMU calls it.
pub fn model() -> Option<String> {
    env::var(MODEL).ok()
}

/// Moves a card into a namespace, by this name, as if it were new.
pub fn take(number: usize, namespace: &Namespace, name: &str) -> Result<()> {
    let card = find(number)?;
    let command = |words: &[&str]| command("ip", &[&["link", "set", "dev"], words].concat());
    command(&[&card, "down"])?;
    command(&[&card, "name", name, "mtu", "1500"])?;
    command(&[name, "netns", namespace.name()])?;
    namespace.ip(&["link", "set", name, "up"]).map(drop)
}

/// The name of a card, which is known by the address that `xtask/src/vm/guest.rs` gives it.
fn find(number: usize) -> Result<String> {
    let address = format!("52:54:00:77:00:{number:02x}");
    let start = Instant::now();
    loop {
        for device in fs::read_dir("/sys/class/net")? {
            let device = device?.path();
            let found = fs::read_to_string(device.join("address")).unwrap_or_default();
            if found.trim() == address {
                let name = device.file_name().and_then(|name| name.to_str());
                return Ok(name.context("a device without a name")?.to_owned());
            }
        }
        if start.elapsed() > PATIENCE {
            anyhow::bail!("there is no card {address}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether what has two tags comes through them as it is, which not every model of QEMU does.
pub fn pass_two_tags() -> bool {
    let settles = || Probe::new(&Lab::of_cards(two_tags)?)?.settle();
    settles().is_ok()
}

/// Whether they can be told to take VLAN tags off frames and not to.
pub fn take_tags_off() -> bool {
    let switch = |state| command("ethtool", &["-K", &find(0)?, "rxvlan", state]);
    ["off", "on"].into_iter().all(|state| switch(state).is_ok())
}
