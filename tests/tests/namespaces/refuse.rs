//! Bad input: a clear error, nothing half applied, what is in force stays.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tests::{product::Said, skip_unless};

use super::scene::{BOTH, Scene, names};

const BAD: &str = "203.0.113.7";

/// Addresses outside of what is special everywhere, so that each kind shows.
fn with_public_addresses() -> Scene {
    let scene = Scene::new(BOTH);
    let gateway = &scene.lab.gateway;
    gateway
        .ip(&["addr", "add", "198.51.100.1/24", "dev", "eth0"])
        .unwrap();
    let route = ["route", "replace", "default", "via", "198.51.100.254"];
    gateway.ip(&route).unwrap();
    scene
}

#[test]
fn blocking_a_protected_address_is_refused_naming_the_kind() {
    skip_unless!(
        "blocking_a_protected_address_is_refused_naming_the_kind",
        Netns
    );
    let scene = with_public_addresses();
    let _run = scene.start();
    let before = scene.generation();
    for (address, kind) in [
        (
            "198.51.100.1",
            "198.51.100.1/32 is an address of this machine (own)",
        ),
        (
            "198.51.100.9",
            "198.51.100.0/24 is a network that this machine is connected to",
        ),
        ("198.51.100.254", "198.51.100.254/32 is the gateway"),
        ("10.1.2.3", "10.0.0.0/8 is special"),
        ("172.16.0.1", "172.16.0.0/12 is special"),
        ("fe80:1::1", "fe80::/10 is special"),
        ("224.0.0.1", "224.0.0.0/4 is special"),
    ] {
        for arguments in [vec!["block", address], vec!["block", address, "--force"]] {
            let Said {
                code,
                stdout,
                stderr,
            } = scene.run(&arguments);
            assert_eq!((code, stdout.as_str()), (2, ""), "{address}");
            let said = format!("{address} is protected and never blocked: {kind}");
            assert!(stderr.contains(&said), "{stderr}");
        }
    }
    assert_eq!(scene.generation(), before);
    assert_eq!(scene.run(&["list", "--local"]).stdout, "");
}

#[test]
fn a_block_around_a_protected_address_leaves_it_open_and_says_so() {
    skip_unless!(
        "a_block_around_a_protected_address_leaves_it_open_and_says_so",
        Netns
    );
    let scene = with_public_addresses();
    let _run = scene.start();
    let said = scene.run(&["block", "198.51.0.0/16"]);
    assert_eq!(said.code, 0);
    assert!(
        said.stderr
            .contains("198.51.0.0/16: 198.51.100.0/24 stays open"),
        "{}",
        said.stderr
    );
    assert_eq!(scene.run(&["why", "198.51.100.1"]).code, 0);
    assert_eq!(scene.run(&["why", "198.51.101.1"]).code, 1);
}

#[test]
fn a_feed_never_cuts_off_what_is_protected() {
    skip_unless!("a_feed_never_cuts_off_what_is_protected", Netns);
    let list = "10.0.0.0/8\n10.77.1.1\n10.77.2.2\n10.77.1.11\nfd77:1::/64\n203.0.113.0/24\n";
    let mut scene = Scene::with_feed("enforce", list);
    assert_eq!(scene.run(&["feeds", "update"]).code, 3);
    let _run = scene.start();
    assert!(scene.drops(BAD));
    // Own addresses, the gateway and the inside hosts: all the traffic of the lab.
    assert!(!scene.drops("192.0.2.1"));
    assert!(!scene.drops("2001:db8::1"));
    for address in ["10.77.1.1", "10.77.2.2", "10.77.1.11", "fd77:1::11"] {
        assert_eq!(scene.run(&["why", address]).code, 0, "{address}");
    }
}

#[test]
fn a_feed_with_the_whole_internet_is_refused_and_the_last_copy_stays() {
    skip_unless!(
        "a_feed_with_the_whole_internet_is_refused_and_the_last_copy_stays",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", &format!("{BAD}\n"));
    scene.run(&["feeds", "update"]);
    let _run = scene.start();
    let before = scene.generation();
    let path = scene.product.folder().join("feed.txt");
    for content in ["0.0.0.0/0\n", "::/0\n198.51.100.1\n", "<html>\n", ""] {
        fs::write(&path, content).unwrap();
        let said = scene.run(&["feeds", "update"]);
        assert_eq!(said.code, 1, "{content:?}");
        assert!(
            said.stdout.contains("failed, the last good copy stays"),
            "{}",
            said.stdout
        );
        assert_eq!(scene.generation(), before, "{content:?}");
    }
    assert!(scene.drops(BAD));
    assert!(!scene.drops("198.51.100.1"));
    assert!(scene.status()["feeds"][0]["stalled"]["reason"].is_string());
    fs::remove_file(&path).unwrap();
    assert_eq!(scene.run(&["feeds", "update"]).code, 1);
    assert!(scene.drops(BAD));
}

#[test]
fn a_bulk_block_with_one_bad_line_changes_nothing_and_names_the_line() {
    skip_unless!(
        "a_bulk_block_with_one_bad_line_changes_nothing_and_names_the_line",
        Netns
    );
    let scene = Scene::left_in_force(BOTH);
    let before = scene.generation();
    let file = scene.product.folder().join("bulk.txt");
    for (line, why) in [
        ("203.0.113.07", "'203.0.113.07' is no address or prefix"),
        ("203.0.113.7/24", "203.0.113.7/24 has host bits set"),
        ("example.org", "'example.org' is no address or prefix"),
    ] {
        fs::write(
            &file,
            format!("198.51.100.1\n# a comment\n\n{line}\n198.51.100.2\n"),
        )
        .unwrap();
        let said = scene.run(&["block", "-f", file.to_str().unwrap()]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""));
        let place = format!("{}:4: {why}", file.display());
        assert!(said.stderr.contains(&place), "{}", said.stderr);
        assert!(
            said.stderr.contains("nothing was changed"),
            "{}",
            said.stderr
        );
    }
    assert_eq!(scene.generation(), before);
    assert_eq!(scene.run(&["list", "--local"]).stdout, "");
    assert_eq!(
        names(&scene.product.state().join("changes")),
        Vec::<String>::new()
    );
}

#[test]
fn a_block_list_that_is_cut_off_refuses_every_change() {
    skip_unless!("a_block_list_that_is_cut_off_refuses_every_change", Netns);
    let mut scene = Scene::left_in_force(BOTH);
    scene.done(&["block", "203.0.113.77"]);
    let before = scene.generation();
    let list = scene.product.state().join("block.list");
    // A cut 203.0.113.77 is a valid 203.0.113.7.
    fs::write(&list, "203.0.113.7").unwrap();
    for arguments in [
        vec!["block", "198.51.100.1"],
        vec!["unblock", "203.0.113.77"],
        vec!["reload"],
    ] {
        let said = scene.run(&arguments);
        assert_eq!(said.code, 2, "{arguments:?}");
        let why = format!(
            "{} is refused whole, and what is in force stays",
            list.display()
        );
        assert!(said.stderr.contains(&why), "{}", said.stderr);
        assert!(
            said.stderr.contains("the last line has no newline"),
            "{}",
            said.stderr
        );
        assert_eq!(fs::read_to_string(&list).unwrap(), "203.0.113.7");
        assert_eq!(scene.generation(), before);
    }
    assert!(scene.drops("203.0.113.77"));
    assert!(!scene.drops("203.0.113.7"));
}

/// A file system of that many bytes; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn new(path: &Path, bytes: usize) -> Self {
        fs::create_dir_all(path).unwrap();
        let size = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        mount(
            "tmpfs",
            path,
            "tmpfs",
            MountFlags::empty(),
            Some(size.as_c_str()),
        )
        .unwrap();
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Everything that decides what is in force.
fn lists(scene: &Scene) -> (String, Vec<String>) {
    let state = scene.product.state();
    let list = fs::read_to_string(state.join("block.list")).unwrap();
    (list, names(&state.join("changes")))
}

#[test]
fn a_full_disk_changes_nothing() {
    skip_unless!("a_full_disk_changes_nothing", Netns);
    let mut scene = Scene::new(BOTH);
    let _small = Small::new(&scene.product.state(), 64 << 10);
    drop(scene.start());
    scene.done(&["block", BAD]);
    let (before, generation) = (lists(&scene), scene.generation());
    // The change itself does not fit; then the list beside it does not; then all of it does, and at
    // last what comes after the install as well.
    let mut failed = String::new();
    for count in (0..=40).rev().map(|step| 60 + 20 * step) {
        let file = scene.product.folder().join("bulk.txt");
        let lines = (0..count).map(|host| format!("198.51.{}.{}\n", host / 250, host % 250));
        fs::write(&file, lines.collect::<String>()).unwrap();
        let said = scene.run(&["block", "-f", file.to_str().unwrap()]);
        if said.code == 0 {
            break;
        }
        assert!(
            said.stderr.contains("nothing was changed"),
            "{count} {}",
            said.stderr
        );
        assert!(said.stderr.contains("check space"), "{}", said.stderr);
        assert_eq!(lists(&scene), before, "{count}");
        // The next change, which does fit, must not bring the refused one in.
        scene.done(&["block", BAD]);
        assert_eq!(scene.generation(), generation);
        failed.push_str(&said.stderr);
    }
    assert!(
        failed.contains("/changes/") && failed.contains("/block.list"),
        "{failed}"
    );
    assert!(scene.drops(BAD) && scene.drops("198.51.0.49"));
}

#[test]
fn what_only_this_process_would_see_is_not_mounted() {
    skip_unless!("what_only_this_process_would_see_is_not_mounted", Netns);
    let scene = Scene::new(BOTH);
    let run = scene.product.command(&["run"]);
    let mut alone = std::process::Command::new("timeout");
    alone.args(["30", "unshare", "--mount"]);
    alone.arg(run.get_program()).args(run.get_args());
    let output = scene.lab.gateway.enter(|| alone.output()).unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("mount -t bpf bpf "), "{said}");
    // Mounted before, it is there for all.
    let _run = scene.start();
    assert!(scene.all_in_force());
}
