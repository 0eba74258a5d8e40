//! What is read of a cache, and of bits of one.

use std::fs;

use super::*;
use crate::ruleset::{Entry, PortEntry, Protocol, Ruleset, Wish};

fn ruleset(entries: usize) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for (name, wish) in [("a", Wish::Monitor), ("b", Wish::Drop)] {
        ruleset.source(name, wish).unwrap();
    }
    ruleset.v4 = (0..entries as u32)
        .map(|host| Entry {
            address: 0xc612_0000 + host / 2 * 3,
            length: 32,
            source: (host % 5 / 2 % 2) as SourceId,
        })
        .collect();
    ruleset.v6.push(Entry {
        address: 0x2001_0db8 << 96,
        length: 48,
        source: 1,
    });
    ruleset.ports.push(PortEntry {
        address: "198.18.0.1".parse().unwrap(),
        protocol: Protocol::Tcp,
        port: 443,
        source: 1,
    });
    ruleset
}

fn input(digest: &str) -> Input {
    Input {
        asks: "a monitor plain".to_owned(),
        digest: digest.to_owned(),
    }
}

/// Writes the cache of an image that entries are then laid over; returns the image.
fn write(path: &Path) -> Image {
    let mut above = ruleset(0);
    above.ports.clear();
    above.v4.push(Entry {
        address: 0xc612_0000,
        length: 23,
        source: 1,
    });
    let image = Image::compile(&ruleset(FEWEST_ENTRIES)).unwrap();
    let snapshot = Snapshot::take(&image, vec![input("1")]).unwrap();
    let laid = image.clone().overlay(&above).unwrap().unwrap();
    assert_ne!(laid, image);
    snapshot.write(path, &laid).unwrap();
    image
}

fn read(path: &Path) -> Option<Image> {
    Cache::open(path)?.image(&[input("1")], &ruleset(0).sources)
}

#[test]
fn what_is_read_is_the_image_before_anything_was_laid_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.cache");
    assert!(Cache::open(&path).is_none());
    let image = write(&path);
    assert_eq!(read(&path), Some(image));
}

#[test]
fn it_is_for_the_same_feeds_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.cache");
    write(&path);
    let sources = ruleset(0).sources;
    let enforced = Input {
        asks: "a enforce plain".to_owned(),
        ..input("1")
    };
    let others = [
        vec![],
        vec![input("2")],
        vec![enforced],
        vec![input("1"), input("1")],
    ];
    for other in others {
        let cache = Cache::open(&path).unwrap();
        assert_eq!(cache.image(&other, &sources), None, "{other:?}");
    }
    let cache = Cache::open(&path).unwrap();
    assert_eq!(cache.image(&[input("1")], &sources[..1]), None);
}

#[test]
fn few_entries_and_shared_classes_are_not_kept() {
    let few = Image::compile(&ruleset(FEWEST_ENTRIES - 3)).unwrap();
    assert!(Snapshot::take(&few, vec![]).is_none());
    let mut image = Image::compile(&ruleset(FEWEST_ENTRIES)).unwrap();
    image.folded = 1;
    assert!(Snapshot::take(&image, vec![]).is_none());
}

#[test]
fn a_bit_of_it_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.cache");
    write(&path);
    let whole = fs::read(&path).unwrap();
    let good = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        read(&path).is_some()
    };
    assert!(good(&whole));
    let header = 48 + u64::from_le_bytes(whole[8..16].try_into().unwrap()) as usize;
    let lines6 = whole.len() - FIRST_LEVEL_LINES * LINE_BYTES;
    // In each part: magic, length, digest, header, lines of both families.
    for byte in [
        0,
        7,
        8,
        15,
        16,
        47,
        48,
        header - 1,
        header,
        lines6,
        whole.len() - 1,
    ] {
        let mut changed = whole.clone();
        changed[byte] ^= 0x80;
        assert!(!good(&changed), "byte {byte} changed");
        assert!(!good(&whole[..byte]), "cut before byte {byte}");
    }
    assert!(!good(&[whole.as_slice(), &[0]].concat()), "longer");
    assert!(!good(&[0xff; 4096]), "garbage");
}

#[test]
fn that_of_another_program_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.cache");
    let image = Image::compile(&ruleset(FEWEST_ENTRIES)).unwrap();
    let mut snapshot = Snapshot::take(&image, vec![input("1")]).unwrap();
    snapshot.header.program = Identity::of(&File::open("/dev/null").unwrap()).unwrap();
    snapshot.write(&path, &image).unwrap();
    assert_eq!(read(&path), None);
}
