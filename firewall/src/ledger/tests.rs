#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::{super::merged, *};

fn key(direction: Direction, remote: u8) -> Key {
    Key {
        direction,
        inside: "192.0.2.1".parse().unwrap(),
        remote: [203, 0, 113, remote].into(),
        protocol: 6,
        port: 443,
    }
}

/// What the kernel has, having counted so many packets of 100 bytes into its entry `made`.
fn reading(boot: u64, made: u64, packets: u64) -> Entry {
    let count = Count {
        packets,
        bytes: packets * 100,
    };
    let seen = Timestamp::from_second((boot * 1000 + made % 1000 + packets) as i64).unwrap();
    Entry {
        count,
        first_seen: seen,
        last_seen: seen,
        dropped: true,
        mac: None,
        vlan: None,
        sources: vec!["feed".to_owned()],
        reading: Reading {
            boot: boot.to_string(),
            made,
            count,
        },
    }
}

/// What may happen between two readings.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many more packets of this remote.
    Packets(u8, u64),
    /// Newer entries take the room of this remote's.
    Evicted(u8),
    /// `run` reads, and is started anew for it.
    Read,
    /// The machine starts anew: no entry is left, and the clock begins at 0.
    Reboot,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let remote = 0..3_u8;
    let event = prop_oneof![
        4 => (remote.clone(), 1..1000_u64).prop_map(|(remote, it)| Event::Packets(remote, it)),
        1 => remote.prop_map(Event::Evicted),
        4 => Just(Event::Read),
        1 => Just(Event::Reboot),
    ];
    vec(event, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that was there to be read is lost, and nothing is counted twice.
    #[test]
    fn sums_are_what_was_read_whoever_read_it_and_however_often(events in events()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let (mut boot, mut clock) = (0, 0);
        // Per remote: the kernel's entry and what of it was read; and what was read of all before.
        let mut kernel: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
        let mut counted: BTreeMap<u8, u64> = BTreeMap::new();
        let mut read: BTreeMap<u8, u64> = BTreeMap::new();
        for event in events {
            clock += 1;
            match event {
                Event::Packets(remote, packets) => {
                    kernel.entry(remote).or_insert((clock, 0)).1 += packets;
                }
                Event::Evicted(remote) => drop(kernel.remove(&remote)),
                Event::Reboot => {
                    (boot, clock) = (boot + 1, 0);
                    kernel.clear();
                }
                Event::Read => {
                    let live = live(boot, &kernel);
                    Sums::open(&path).unwrap().add(live.clone()).unwrap();
                    // Somebody else reads at the same moment.
                    Sums::open(&path).unwrap().add(live).unwrap();
                }
            }
            // The oracle: of each entry of the kernel what it had when it was read last.
            if let Event::Evicted(_) | Event::Reboot = event {
                for (remote, sum) in std::mem::take(&mut read) {
                    if kernel.contains_key(&remote) {
                        read.insert(remote, sum);
                    } else {
                        *counted.entry(remote).or_default() += sum;
                    }
                }
            }
            if let Event::Read = event {
                read = kernel.iter().map(|(&remote, &(_, packets))| (remote, packets)).collect();
            }
        }
        let stored = Sums::read(&path).unwrap();
        for remote in 0..3 {
            let expected = counted.get(&remote).unwrap_or(&0) + read.get(&remote).unwrap_or(&0);
            let found = stored.get(&key(Direction::Outbound, remote)).map_or(0, |it| it.count.packets);
            prop_assert_eq!(found, expected, "remote {}", remote);
        }
        // What people are shown has in it what nobody read yet.
        let shown = merged(&path, live(boot, &kernel)).unwrap();
        for (remote, (_, packets)) in kernel {
            let unread = packets - read.get(&remote).unwrap_or(&0);
            let sum = counted.get(&remote).unwrap_or(&0) + read.get(&remote).unwrap_or(&0) + unread;
            prop_assert_eq!(shown[&key(Direction::Outbound, remote)].count.packets, sum);
        }
    }
}

fn live(boot: u64, kernel: &BTreeMap<u8, (u64, u64)>) -> Vec<(Key, Entry)> {
    let entry = |(&remote, &(made, packets)): (&u8, &(u64, u64))| {
        (
            key(Direction::Outbound, remote),
            reading(boot, made, packets),
        )
    };
    kernel.iter().map(entry).collect()
}

#[test]
fn a_row_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let entry = Entry {
        mac: Some([2, 0, 0, 0, 0, 9]),
        vlan: Some(7),
        sources: vec!["a".into(), "b".into()],
        dropped: false,
        ..reading(1, 1 << 40, 5)
    };
    let six = Key {
        remote: "2001:db8::1".parse().unwrap(),
        ..key(Direction::OwnListed, 0)
    };
    Sums::open(&path)
        .unwrap()
        .add(vec![(six, entry.clone())])
        .unwrap();
    assert_eq!(Sums::read(&path).unwrap(), BTreeMap::from([(six, entry)]));
}

#[test]
fn a_flood_from_outside_takes_no_room_of_who_called_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut sums = Sums::open(&path).unwrap();
    sums.add(vec![(key(Direction::Outbound, 1), reading(1, 1, 1))])
        .unwrap();
    let flood = |index: u32| {
        let remote = std::net::Ipv4Addr::from(0x0500_0000 + index).into();
        let key = Key {
            remote,
            ..key(Direction::Inbound, 0)
        };
        let now = Entry {
            last_seen: Timestamp::from_second(1_000 + i64::from(index)).unwrap(),
            ..reading(1, u64::from(index), 1)
        };
        (key, now)
    };
    let (first, more) = (MOST as u32, 100);
    sums.add((0..first + more).map(flood).collect()).unwrap();
    let kept = Sums::read(&path).unwrap();
    assert_eq!(kept.len(), MOST + 1);
    assert!(kept.contains_key(&key(Direction::Outbound, 1)));
    assert!(!kept.contains_key(&flood(0).0), "the oldest goes first");
    assert!(kept.contains_key(&flood(first + more - 1).0));
}

#[test]
fn a_broken_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, [7; 4096]).unwrap();
    for error in [Sums::open(&path).err(), Sums::read(&path).err()] {
        let said = format!("{:#}", error.unwrap());
        assert!(
            said.contains("ledger.db") && said.contains("move it away"),
            "{said}"
        );
    }
}
