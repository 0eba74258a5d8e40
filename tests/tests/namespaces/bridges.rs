//! Bridges: where the traffic between their ports is judged, and what is said where it is not.

use aya::{
    Ebpf,
    programs::{Xdp, xdp::XdpMode},
};
use firewall::dataplane::Object;
use tests::{
    frame::{ethernet, udp},
    namespace::Namespace,
    probe::NOBODY,
    skip_unless,
    tap::{Tap, mac},
};

use super::scene::{Scene, eventually};

const BAD: &str = "203.0.113.7";

/// A gateway that bridges its inside port and a second one, behind which there is one more machine.
struct Bridged {
    scene: Scene,
    inside: Tap,
    beside: Tap,
    mac: [u8; 6],
    _namespace: Namespace,
}

/// The second port of the bridge.
const SECOND: &str = "second0";

impl Bridged {
    fn new(configuration: &str) -> Self {
        let scene = Scene::new(configuration);
        let gateway = &scene.lab.gateway;
        let beside = Namespace::new(&format!("{}-beside", gateway.name())).unwrap();
        gateway.connect(SECOND, &beside, "beside0").unwrap();
        for arguments in [
            &["link", "add", "br0", "type", "bridge", "forward_delay", "0"][..],
            &["link", "set", "eth1", "master", "br0"],
            &["link", "set", SECOND, "master", "br0"],
            &["addr", "add", "10.77.3.1/24", "dev", "br0"],
            &["link", "set", "br0", "up"],
        ] {
            gateway.ip(arguments).unwrap();
        }
        Self {
            inside: scene.lab.inside_tap().unwrap(),
            beside: Tap::open(&beside, "beside0").unwrap(),
            mac: mac(&beside, "beside0").unwrap(),
            scene,
            _namespace: beside,
        }
    }

    /// Whether a frame from inside to this address comes out of the other port.
    fn bridges(&self, to: &str) -> bool {
        let mut arrived = false;
        let marker = |frame: &[u8]| frame.ends_with(b"marker");
        for (to, text) in [(to, &b"probe"[..]), (NOBODY.0, b"marker")] {
            let packet = udp("10.77.1.11".parse().unwrap(), to.parse().unwrap(), text);
            self.inside.send(&ethernet(self.mac).ip(&packet)).unwrap();
        }
        let mut buffer = [0; 2048];
        eventually("the marker arrives", || {
            while let Some(length) = self.beside.receive(&mut buffer).unwrap() {
                arrived |= buffer[..length].ends_with(b"probe");
                if marker(&buffer[..length]) {
                    return true;
                }
            }
            false
        });
        arrived
    }
}

#[test]
fn what_is_bridged_is_judged_at_the_ports_and_a_bridge_makes_way_for_them() {
    skip_unless!(
        "what_is_bridged_is_judged_at_the_ports_and_a_bridge_makes_way_for_them",
        Netns
    );
    let it = Bridged::new("");
    let mut daemon = it.scene.start();
    it.scene.done(&["block", BAD]);
    assert!(it.bridges(BAD), "the bridge sees what is routed");
    let said = it.scene.run(&["status"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    let ports = format!("interfaces = [\"eth1\", \"{SECOND}\"]");
    let trouble = format!(
        "what is bridged between the ports of br0 (eth1, {SECOND}) is not judged, only what is routed: write \
         {ports} to have it judged, or interfaces = [\"br0\"] to leave it so"
    );
    assert!(said.stdout.contains(&trouble), "{}", said.stdout);
    daemon.wait_for("what is bridged between").unwrap();

    it.scene.product.configure(&ports).unwrap();
    it.scene.done(&["reload"]);
    daemon
        .wait_for("br0: detached, for what is attached below it")
        .unwrap();
    eventually("the ports are attached", || it.scene.xdp(SECOND).is_some());
    assert_eq!(it.scene.xdp("br0"), None);
    assert!(!it.bridges(BAD));
    let said = it.scene.run(&["status"]);
    assert_eq!(said.code, 0, "{}", said.stdout);

    it.scene.product.configure("interfaces = ['br0']").unwrap();
    it.scene.done(&["reload"]);
    eventually("the bridge is attached", || it.scene.xdp("br0").is_some());
    eventually("the ports are not", || it.scene.xdp(SECOND).is_none());
    let said = it.scene.run(&["status"]);
    assert_eq!(said.code, 0, "it was chosen: {}", said.stdout);
    assert!(
        said.stdout
            .contains("note: what is bridged between the ports of br0"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_bridge_whose_ports_cannot_be_attached_keeps_its_filter() {
    skip_unless!(
        "a_bridge_whose_ports_cannot_be_attached_keeps_its_filter",
        Netns
    );
    let it = Bridged::new("interfaces = ['br0']");
    // The kernel takes one above, and none below.
    let _theirs = somebody_else(&it.scene, SECOND);
    let mut daemon = it.scene.start();
    let before = it.scene.generation();
    it.scene
        .product
        .configure(&format!("interfaces = ['eth1', '{SECOND}']"))
        .unwrap();
    it.scene.run(&["reload"]);
    daemon
        .wait_for(&format!("{SECOND} already runs another XDP program"))
        .unwrap();
    assert_eq!(
        (it.scene.xdp("eth1"), it.scene.xdp("br0").is_some()),
        (None, true)
    );
    assert_eq!(it.scene.generation(), before);
}

/// Attaches a program of somebody else; it stays as long as the answer.
fn somebody_else(scene: &Scene, device: &str) -> Ebpf {
    let attach = || {
        let mut ebpf = Ebpf::load(Object::Shipped.bytes()).unwrap();
        let program: &mut Xdp = ebpf.program_mut("firewall").unwrap().try_into().unwrap();
        program.load().unwrap();
        program.attach(device, XdpMode::Skb).unwrap();
        ebpf
    };
    scene.lab.gateway.enter(attach).unwrap()
}

#[test]
fn a_program_on_the_bridge_above_is_named_as_what_is_in_the_way() {
    skip_unless!(
        "a_program_on_the_bridge_above_is_named_as_what_is_in_the_way",
        Netns
    );
    let it = Bridged::new("interfaces = ['eth1', 'eth0']");
    let _theirs = somebody_else(&it.scene, "br0");
    let said = it.scene.run(&["run"]);
    assert_eq!(said.code, 2);
    let text =
        "br0, which stands on eth1, runs an XDP program, and the kernel takes none below another";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert_eq!((it.scene.xdp("eth0"), it.scene.xdp("eth1")), (None, None));
}

#[test]
fn a_bridge_and_its_port_named_together_are_refused_with_the_line_to_write() {
    skip_unless!(
        "a_bridge_and_its_port_named_together_are_refused_with_the_line_to_write",
        Netns
    );
    let it = Bridged::new("interfaces = ['br0', 'eth1', 'eth0']");
    let said = it.scene.run(&["run"]);
    assert_eq!(said.code, 2);
    let text = "eth1 is a port of br0, and the kernel takes no program on it beside one on br0. Write \
                interfaces = [\"eth0\", \"br0\"] instead of both";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert_eq!(it.scene.xdp("eth0"), None);
    // The same by a reload, which changes nothing.
    it.scene
        .product
        .configure("interfaces = ['br0', 'eth0']")
        .unwrap();
    let _daemon = it.scene.start();
    it.scene
        .product
        .configure("interfaces = ['br0', 'eth1', 'eth0']")
        .unwrap();
    let said = it.scene.run(&["reload"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert!(it.scene.xdp("eth0").is_some());
}
