//! A mistake in a file of the configuration stops nobody who has to look or to act by hand.

use std::{fs, os::unix::fs::MetadataExt};

use tests::skip_unless;

use super::scene::{Scene, eventually};

const LISTED: &str = "203.0.113.7";
const OTHER: &str = "198.51.100.9";
const MISTAKE: &str = "broken.toml:1:1: unknown field `interfacs`";

impl Scene {
    /// With a mistake in a further file of the configuration.
    fn mistake(&self) {
        let folder = self.product.folder().join("conf.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("broken.toml"), "interfacs = []\n").unwrap();
    }

    fn mend(&self) {
        fs::remove_dir_all(self.product.folder().join("conf.d")).unwrap();
    }
}

#[test]
fn with_a_mistake_in_the_configuration_whoever_looks_or_acts_by_hand_is_served() {
    skip_unless!(
        "with_a_mistake_in_the_configuration_whoever_looks_or_acts_by_hand_is_served",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", LISTED);
    scene.load_feed();
    let kept = scene.product.state().join("configuration.json");
    assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o600);
    let shows = [
        "hosts",
        "list",
        "stats",
        "why 203.0.113.7",
        "why 198.51.100.9",
        "export",
        "feeds",
        "feeds show test",
        "feeds compare",
        "feeds catalogue",
        "block 198.51.100.9",
        "unblock 198.51.100.9",
        "allow 203.0.113.7",
        "disallow 203.0.113.7",
    ];
    let run = |scene: &Scene, command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        scene.run(&words)
    };
    let before: Vec<i32> = shows.iter().map(|it| run(&scene, it).code).collect();
    scene.mistake();
    for (command, before) in shows.iter().zip(before) {
        let said = run(&scene, command);
        assert_eq!(said.code, before, "{command}: {}", said.stderr);
        let sentence = said.stderr.lines().filter(|it| it.contains(MISTAKE));
        let sentence: Vec<&str> = sentence.collect();
        assert_eq!(sentence.len(), 1, "{command}: {}", said.stderr);
        assert!(sentence[0].contains("in force since 20"), "{sentence:?}");
    }
    let said = scene.run(&["status"]);
    assert_eq!(said.code, 1);
    assert!(said.stdout.contains(MISTAKE), "{}", said.stdout);
    scene.done(&["block", OTHER]);
    assert!(scene.drops(OTHER) && scene.drops(LISTED));
    for command in [
        "reload",
        "config check",
        "feeds enable c2intel",
        "feeds disable test",
        "feeds update",
        "feeds accept test",
    ] {
        let said = run(&scene, command);
        assert_eq!(said.code, 2, "{command}");
        assert!(said.stderr.contains("interfacs"), "{command}");
    }
    assert_eq!(scene.run(&["unload"]).code, 0);
    assert_eq!(scene.xdp("eth0"), None);
}

#[test]
fn a_start_with_a_mistake_in_the_configuration_goes_on_with_what_was_in_force() {
    skip_unless!(
        "a_start_with_a_mistake_in_the_configuration_goes_on_with_what_was_in_force",
        Netns
    );
    let mut scene = Scene::with_feed("enforce", LISTED);
    scene.mistake();
    assert_eq!(scene.run(&["run"]).code, 2, "nothing was in force yet");
    scene.mend();
    scene.load_feed();
    // As after a boot: the files are there, and nothing is in the kernel.
    scene.done(&["unload"]);
    scene.mistake();
    let run = scene.product.spawn(&scene.lab.gateway, &["run"]);
    let mut daemon = run.unwrap();
    daemon.wait_for("generation").unwrap();
    assert!(daemon.said().iter().any(|it| it.contains(MISTAKE)));
    assert!(scene.drops(LISTED));
    assert!(scene.run(&["status"]).stdout.contains(MISTAKE));
    scene.mend();
    let said = scene.run(&["reload"]).stderr;
    let words = [
        "nothing had to change in the kernel",
        "is told, and fetches",
    ];
    assert!(words.iter().all(|it| said.contains(it)), "{said}");
    eventually("the mistake is forgotten", || {
        scene.run(&["status"]).code == 0
    });
    assert_eq!(daemon.stop().unwrap(), 0);
}
