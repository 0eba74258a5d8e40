use super::*;

#[test]
fn names_are_safe_as_file_names() {
    for name in ["feodo", "drop-v4", "7", &"a".repeat(64)] {
        assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
    }
    for name in [
        "",
        "-a",
        "A",
        "a.json",
        "../a",
        "a/b",
        "a b",
        "ä",
        &"a".repeat(65),
    ] {
        assert!(name.parse::<Name>().is_err(), "{name}");
    }
}

#[test]
fn the_digest_is_that_of_sha256sum() {
    assert_eq!(
        hexadecimal(&sha256(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_damaged_meta_file_tells_that_it_is() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path(), &"list".parse().unwrap());
    assert_eq!(store.meta().unwrap(), Meta::default());
    let stalled = Stalled {
        since: Timestamp::UNIX_EPOCH,
        reason: "gone".to_owned(),
        failures: 1,
        not_before: None,
    };
    let meta = Meta {
        stalled: Some(stalled),
        ..Meta::default()
    };
    store.write_meta(&meta).unwrap();
    assert_eq!(store.meta().unwrap(), meta);
    std::fs::write(&store.meta, b"{").unwrap();
    let damaged = Meta {
        is_damaged: true,
        ..Meta::default()
    };
    assert_eq!(store.meta().unwrap(), damaged);
}
