//! What a power cut leaves: a file system that somebody copies while it is in use has on it what reached the disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::mount::{UnmountFlags, unmount};
use tests::{namespace::command, skip_unless};

use super::scene::{BOTH, Scene};

const BAD: &str = "203.0.113.7";

/// An ext4 file system in a file, mounted; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(image: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (image, folder) = (image.display().to_string(), folder.display().to_string());
        command("mount", &["-o", "loop", &image, &folder]).unwrap();
        Self(folder.into())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Somebody may still have a file of it open.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn what_a_command_said_is_done_outlives_a_power_cut_and_so_does_its_trail() {
    skip_unless!(
        "what_a_command_said_is_done_outlives_a_power_cut_and_so_does_its_trail",
        Netns,
        Ext4
    );
    let scene = Scene::new(BOTH);
    let folder = scene.product.folder();
    let (image, cut) = (folder.join("disk.img"), folder.join("cut.img"));
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    command("mkfs.ext4", &["-q", "-F", &image.display().to_string()]).unwrap();
    let _disk = Disk::mount(&image, &scene.product.state());
    let _run = scene.start();
    for change in ["block", "unblock", "block"] {
        scene.done(&[change, BAD]);
    }
    fs::copy(&image, &cut).unwrap();
    let after = folder.join("after");
    let _after = Disk::mount(&cut, &after);
    let read = |file: &str| fs::read_to_string(after.join(file)).unwrap();
    assert!(read("block.list").contains(BAD));
    let verbs: Vec<String> = read("audit.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["verb"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(verbs, ["block", "unblock", "block"]);
}
