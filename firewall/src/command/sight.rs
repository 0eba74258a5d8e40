//! Whether the programs see packets: what `run` found out, in words for `run` and `status`.

use std::collections::BTreeMap;

use anyhow::Result;

use super::remark::Remark;
use crate::{
    blind::{Blind, Counts, Found, Moved},
    config::{AttachMode, Config},
    dataplane::{device, is_own},
    filter::Filter,
    state,
};

/// What each attachment to what a device of ours receives has come to.
pub fn counts(filter: &Filter) -> Result<BTreeMap<String, Counts>> {
    let (network, placed) = filter.dataplane.placed_on_devices()?;
    let mut counts = BTreeMap::new();
    for it in placed.iter().filter(|it| !is_own(&it.link.interface)) {
        if let Some(device) = it.device(&network) {
            let by_reason = filter.dataplane.reason_counts(&it.link.interface)?;
            let now = Counts {
                name: device.name.clone(),
                index: device.index,
                received: device.received,
                counted: by_reason.iter().map(|(_, count)| count.packets).sum(),
                native: device.xdp.filter(|_| !it.link.tcx).map(|xdp| xdp.native),
            };
            counts.insert(it.link.interface.clone(), now);
        }
    }
    Ok(counts)
}

/// What `run` found out.
pub fn known(filter: &Filter) -> Result<Found> {
    Ok(state::read_json(&filter.state.blind())?.unwrap_or_default())
}

/// A sentence for each thing that was found out and still holds.
pub fn remarks_now(filter: &Filter) -> Result<Vec<Remark>> {
    let mut found = known(filter)?;
    if found == Found::default() {
        return Ok(Vec::new());
    }
    found.keep_what_holds(&counts(filter)?);
    Ok(remarks(&filter.config, &found))
}

/// A sentence for each thing that was found out.
pub fn remarks(config: &Config, found: &Found) -> Vec<Remark> {
    let blind = found.blind.iter().map(|it| of_blind(config, it));
    let moved = found.moved.iter().filter_map(|it| of_moved(config, it));
    blind.chain(moved).collect()
}

fn of_blind(config: &Config, blind: &Blind) -> Remark {
    let name = &blind.device;
    let what = format!(
        "{name} receives packets and the program sees none of them ({} within five seconds): nothing is \
         filtered there",
        blind.received
    );
    let mode = config.attach_of(&[device(&blind.attachment), name]);
    Remark::fault(match (&blind.offload, mode) {
        (Some(offload), _) => format!(
            "{what}. They reach no CPU: {offload}; no mode of attaching helps. Take that off where listed \
             addresses are to be dropped"
        ),
        (None, AttachMode::Native) => format!(
            "{what}. Its driver took the program and does not run it in this setup (MTU, queues, offloads): set \
             back what was changed, or write attach = \"generic\""
        ),
        (None, _) => format!(
            "{what}. Set back what was changed on {name} since it was attached (MTU, queues, offloads); \
             'ethtool -S {name}' shows where packets go"
        ),
    })
}

/// Until the operator says that it is to be so.
fn of_moved(config: &Config, moved: &Moved) -> Option<Remark> {
    let name = &moved.device;
    let mode = config.attach_of(&[device(&moved.attachment), name]);
    let is_open = mode == AttachMode::Auto;
    is_open.then(|| {
        Remark::trouble(format!(
            "{name} was moved to generic mode, where each packet costs more: its driver took the program and \
             ran it on no packet. To leave it so write [[interface]] with name = \"{name}\" and attach = \
             \"generic\"; to have it in the driver again set back what was changed (MTU, queues, offloads) and \
             write attach = \"native\" there"
        ))
    })
}
