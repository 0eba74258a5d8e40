//! A lab with the product on its gateway.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use firewall::dataplane::Dataplane;
use serde_json::Value;
use tests::{
    lab::Lab,
    probe::Probe,
    product::{Daemon, Product, Said, binary},
    refusing::Refused,
};

/// Both ports of the gateway.
pub const BOTH: &str = "interfaces = ['eth1', 'eth0']\n";

/// A lab, the product on its gateway, and packets to send.
pub struct Scene {
    pub product: Product,
    pub probe: Probe,
    pub lab: Lab,
}

impl Scene {
    pub fn new(configuration: &str) -> Self {
        Self::over(Lab::for_test().unwrap(), configuration)
    }

    /// A scene in a lab that is there.
    pub fn over(lab: Lab, configuration: &str) -> Self {
        Self {
            product: Product::new(&binary().unwrap(), configuration).unwrap(),
            probe: Probe::new(&lab).unwrap(),
            lab,
        }
    }

    /// A scene in which `run` is live.
    pub fn running(configuration: &str) -> (Daemon, Self) {
        let scene = Self::new(configuration);
        (scene.start(), scene)
    }

    /// A scene in which `run` was live and has stopped: the filter stays.
    pub fn left_in_force(configuration: &str) -> Self {
        let (daemon, scene) = Self::running(configuration);
        assert_eq!(daemon.stop().unwrap(), 0);
        scene
    }

    /// With a feed of this content.
    pub fn with_feed(mode: &str, content: &str) -> Self {
        let scene = Self::new("");
        let path = scene.product.folder().join("feed.txt");
        fs::write(&path, content).unwrap();
        let feed = format!(
            "[[feed]]\nname = 'test'\npath = '{}'\nformat = 'plain'\nmode = '{mode}'\n",
            path.display()
        );
        scene.product.configure(&format!("{BOTH}{feed}")).unwrap();
        scene
    }

    /// Puts the feed in force and leaves it there, without `run`.
    pub fn load_feed(&self) {
        let daemon = self.start();
        self.done(&["feeds", "update"]);
        assert_eq!(daemon.stop().unwrap(), 0);
    }

    pub fn start(&self) -> Daemon {
        self.product.start(&self.lab.gateway).unwrap()
    }

    /// Starts `run` on a kernel that refuses.
    pub fn start_refused(&self, refused: &[Refused]) -> Daemon {
        let gateway = &self.lab.gateway;
        self.product.start_refused(gateway, refused).unwrap()
    }

    /// Runs a command on a kernel that refuses.
    pub fn run_refused(&self, refused: &[Refused], arguments: &[&str]) -> Said {
        let gateway = &self.lab.gateway;
        self.product
            .run_refused(gateway, refused, arguments)
            .unwrap()
    }

    /// Runs a command on the gateway.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.product.run(&self.lab.gateway, arguments).unwrap()
    }

    /// Runs a command that must end with 0.
    pub fn done(&self, arguments: &[&str]) -> String {
        self.product.done(&self.lab.gateway, arguments).unwrap()
    }

    /// The lines of a command with `--json` that answers, whatever it ends with.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.run(&[arguments, &["--json"]].concat());
        assert_ne!(said.code, 2, "{arguments:?}: {}", said.stderr);
        let lines = said.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn status(&self) -> Value {
        self.json(&["status"]).remove(0)
    }

    /// Whether the kernel enforces what the files say, whatever else there is to look at.
    pub fn all_in_force(&self) -> bool {
        self.status()["enforcing"] == true
    }

    /// Whether packets to and from `address` are dropped; both ways must say the same.
    pub fn drops(&mut self, address: &str) -> bool {
        let out = self.probe.reaches(address).unwrap();
        let back = self.probe.is_reached_from(address).unwrap();
        assert_eq!(out, back, "{address}: one way only");
        !out
    }

    /// Changes a JSON file of the state folder at once, as the product does: a live `run` that reads half
    /// of it would write it anew.
    pub fn edit(&self, file: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.product.state().join(file);
        let mut value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut value);
        let temporary = path.with_extension("edited");
        fs::write(&temporary, value.to_string()).unwrap();
        fs::rename(&temporary, &path).unwrap();
    }

    pub fn dataplane(&self) -> Dataplane {
        Dataplane::new(&self.product.bpffs())
    }

    /// The generations that links run; one if all is well.
    pub fn generations_in_force(&self) -> BTreeSet<Option<u32>> {
        let dataplane = self.dataplane();
        let links = dataplane.links().unwrap();
        links
            .iter()
            .map(|link| dataplane.generation_of(link).unwrap())
            .collect()
    }

    /// The generation that all links run.
    pub fn generation(&self) -> u32 {
        let generations: Vec<_> = self.generations_in_force().into_iter().collect();
        match generations.as_slice() {
            [Some(number)] => *number,
            other => panic!("not one generation in force: {other:?}"),
        }
    }

    /// The kernel's number of the XDP program on a device of the gateway.
    pub fn xdp(&self, device: &str) -> Option<u64> {
        let shown = self
            .lab
            .gateway
            .ip(&["-j", "link", "show", "dev", device])
            .unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown[0]["xdp"]["prog"]["id"].as_u64()
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(20);
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Names in a folder; none where there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}
