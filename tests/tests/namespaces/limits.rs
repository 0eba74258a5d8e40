//! More than there is room for.

use std::{fmt::Write as _, fs, process::Command};

use firewall::{
    config::Config,
    dataplane::Object,
    filter::Filter,
    image::{Image, MAX_CLASSES},
    ruleset::{Entry, Ruleset, SourceId, Wish},
    state::State,
};
use tests::skip_unless;

use super::scene::{BOTH, Scene};

const BAD: &str = "203.0.113.7";

/// Entries that take 3 MB to compile.
const MANY: u32 = 60_000;

/// What a command says on a machine with 2 MB of free memory: its exit code and its words.
fn with_little_memory(scene: &Scene, arguments: &[&str]) -> (i32, String) {
    let meminfo = scene.product.folder().join("meminfo");
    fs::write(&meminfo, "MemTotal: 4096 kB\nMemAvailable:    2048 kB\n").unwrap();
    let command = scene.product.command(arguments);
    let bind = format!(
        "mount --bind {} /proc/meminfo && exec \"$@\"",
        meminfo.display()
    );
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["--mount", "sh", "-c", &bind, "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    let output = scene
        .lab
        .gateway
        .enter(|| wrapped.output())
        .unwrap()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn what_memory_cannot_hold_is_refused_and_the_generation_before_stays() {
    skip_unless!(
        "what_memory_cannot_hold_is_refused_and_the_generation_before_stays",
        Netns,
        Unshare
    );
    let mut scene = Scene::with_feed("enforce", &format!("{BAD}\n"));
    scene.load_feed();
    let before = scene.generation();
    let mut text = String::new();
    for host in 0..MANY {
        writeln!(text, "198.18.{}.{}", host >> 8, host & 255).unwrap();
    }
    fs::write(scene.product.folder().join("feed.txt"), text).unwrap();
    let numbers = format!(
        "{MANY} entries need about 3 MB of memory to be put in force, and 2 MB are free; use \
         shorter lists or switch a feed off"
    );

    // Where the list comes in: the copy before stays.
    let (code, said) = with_little_memory(&scene, &["feeds", "update"]);
    assert!(code != 0 && said.contains(&numbers), "{code} {said}");
    assert_eq!(scene.generation(), before);
    assert!(scene.drops(BAD));

    // Where it is compiled.
    assert_eq!(
        scene.run(&["feeds", "update"]).code,
        1,
        "grown beyond measure"
    );
    scene.done(&["feeds", "accept", "test"]);
    assert!(!scene.drops(BAD) && scene.drops("198.18.0.1"));
    let before = scene.generation();
    fs::remove_file(scene.product.state().join("image.cache")).unwrap();
    let (code, said) = with_little_memory(&scene, &["block", BAD]);
    assert!(code != 0 && said.contains(&numbers), "{code} {said}");
    assert!(said.contains("stored, but not put in force"), "{said}");
    assert_eq!(scene.generation(), before);
    assert!(!scene.drops(BAD) && scene.drops("198.18.0.1"));
    scene.done(&["reload"]);
    assert!(scene.drops(BAD) && scene.drops("198.18.0.1"));
}

/// One address for each pair of `count` sources.
fn pairs(count: SourceId) -> Ruleset {
    let mut ruleset = Ruleset::default();
    for source in 0..count {
        ruleset.source(&source.to_string(), Wish::Drop).unwrap();
    }
    let pairs = (0..count).flat_map(|one| (0..one).map(move |other| [one, other]));
    for (index, pair) in (0..).zip(pairs) {
        ruleset.v4.extend(pair.map(|source| Entry {
            address: 0xc612_0000 + 2 * index,
            length: 32,
            source,
        }));
    }
    ruleset
}

#[test]
fn sets_of_sources_that_share_a_class_are_said() {
    skip_unless!("sets_of_sources_that_share_a_class_are_said", Netns);
    let mut scene = Scene::left_in_force(BOTH);
    let image = Image::compile(&pairs(365)).unwrap();
    let sets = 365 * 364 / 2;
    assert_eq!(
        image.classes.len(),
        image.folded.min(1) + sets - image.folded
    );
    let filter = Filter {
        config: Config::default(),
        state: State::new(&scene.product.state()),
        dataplane: scene.dataplane(),
        object: Object::Shipped,
    };
    filter.install_image(&image, "pairs").unwrap();
    let record = filter.in_force().unwrap().unwrap();
    let shared = record
        .classes
        .iter()
        .filter(|class| class.sources == ["many"]);
    assert_eq!((shared.count(), record.folded), (1, image.folded));
    let said = scene.run(&["status"]).stdout;
    let remark = format!(
        "more than {MAX_CLASSES} combinations of sources; the rarest {} are counted and shown \
         together as 'many'",
        image.folded
    );
    assert!(said.contains(&remark), "{said}");
    // The last address has the rarest set.
    let last = 0xc612_0000 + 2 * (sets as u32 - 1);
    assert!(scene.drops(&std::net::Ipv4Addr::from_bits(last).to_string()));
    // With a list of no more sources than usual it is not said.
    scene.done(&["block", BAD]);
    assert!(!scene.run(&["status"]).stdout.contains("'many'"));
}
