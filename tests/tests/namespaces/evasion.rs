//! Frames that hide what they carry from a parser and not from a kernel. Each is first shown to arrive where
//! nothing filters: what no kernel delivers need not be dropped.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use tests::{
    frame::{tcp_syn, udp},
    lab::HOSTS,
    namespace::command,
    packet::{extension, plain, protocol::DESTINATION_OPTIONS},
    probe::Way,
    product::Daemon,
    skip_unless,
};

use super::scene::{BOTH, Scene};

const LISTED: [&str; 2] = ["203.0.113.7", "2001:db8:bad::7"];
/// Tags as the kernel knows them (`eth_type_vlan`, include/linux/if_vlan.h).
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// Where and to whom a packet goes, and its bytes, which end in these.
type Sent = (Way, Vec<u8>, String);

/// One packet for each way and family, between the first inside host and the listed address.
fn packets(number: usize) -> Vec<Sent> {
    let mut packets = Vec::new();
    for (family, listed) in LISTED.iter().enumerate() {
        let inside: IpAddr = [HOSTS[0].0, HOSTS[0].1][family].parse().unwrap();
        let listed: IpAddr = listed.parse().unwrap();
        for (way, from, to) in [(Way::Out, inside, listed), (Way::In, listed, inside)] {
            let mark = format!("evasion {number:04} {family} {way:?}");
            packets.push((way, udp(from, to, mark.as_bytes()), mark));
        }
    }
    packets
}

/// Packets that were counted under a reason, on all interfaces.
fn counted(scene: &Scene, reason: &str) -> u64 {
    let rows = scene.json(&["stats"]);
    let of_reason = rows.iter().filter(|row| row["reason"] == reason);
    of_reason.filter_map(|row| row["packets"].as_u64()).sum()
}

/// How many of the packets arrive within so many tags of this kind.
fn arriving_in(scene: &mut Scene, kind: u16, count: usize) -> usize {
    let packets = packets(usize::from(kind) + count);
    let delivered = packets.into_iter().filter(|(way, packet, mark)| {
        let front = scene.probe.to_gateway(*way);
        let front = (0..count).fold(front, |front, _| front.tag(kind, 0));
        let frames = [front.ip(packet)];
        scene
            .probe
            .delivers(*way, &frames, mark.as_bytes())
            .unwrap()
    });
    delivered.count()
}

#[test]
fn no_number_of_priority_tags_hides_a_packet() {
    skip_unless!("no_number_of_priority_tags_hides_a_packet", Netns);
    let mut scene = Scene::new(BOTH);
    let numbers = [1, 2, 3, 4, 5, 8, 9, 16];
    for kind in TAGS {
        for count in numbers {
            let arriving = arriving_in(&mut scene, kind, count);
            // Linux 7.3 delivers nothing in more than eight.
            let is_delivered = arriving == 4 || count > 8 && arriving == 0;
            assert!(
                is_delivered,
                "{count} tags {kind:04x} without the filter: {arriving}"
            );
        }
    }
    let _run = scene.start();
    LISTED
        .iter()
        .for_each(|it| drop(scene.done(&["block", it])));
    for kind in TAGS {
        for count in numbers {
            let arriving = arriving_in(&mut scene, kind, count);
            assert_eq!(arriving, 0, "{count} tags {kind:04x} with the filter");
        }
    }
    // Nine and sixteen tags of two kinds, two ways and two families.
    assert_eq!(counted(&scene, "too-many-tags"), 16);
}

/// A scene whose first inside host may be called, and what starts a filter that lets attackers open nothing.
fn attacked() -> Scene {
    let scene = Scene::new("");
    let path = scene.product.folder().join("attackers.txt");
    fs::write(&path, LISTED.join("\n") + "\n").unwrap();
    let feed = format!(
        "[[feed]]\nname = 'attackers'\npath = '{}'\nformat = 'plain'\nmode = 'enforce'\ndirection = 'in'\n",
        path.display()
    );
    scene.product.configure(&format!("{BOTH}{feed}")).unwrap();
    scene
}

fn start(scene: &Scene) -> Daemon {
    let daemon = scene.start();
    scene.done(&["feeds", "update"]);
    daemon
}

/// An IPv4 packet cut into fragments of so many bytes.
fn fragments(packet: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(20);
    let chunks: Vec<&[u8]> = payload.chunks(bytes).collect();
    let fragment = |(index, chunk): (usize, &&[u8])| {
        let more = if index + 1 < chunks.len() { 0x2000 } else { 0 };
        let mut header = header.to_vec();
        header[2..4].copy_from_slice(&((20 + chunk.len()) as u16).to_be_bytes());
        header[4..6].copy_from_slice(&[7, 7]);
        header[6..8].copy_from_slice(&(more | (index * bytes / 8) as u16).to_be_bytes());
        header[10..12].fill(0);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        [header, chunk.to_vec()].concat()
    };
    chunks.iter().enumerate().map(fragment).collect()
}

/// RFC 1071 §1.
fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(folded as u16 + (folded >> 16) as u16)
}

/// Whether a connection that the listed address of this family opens by these packets is answered.
fn is_answered(scene: &mut Scene, family: usize, packets: &[Vec<u8>]) -> bool {
    let frames: Vec<Vec<u8>> = packets
        .iter()
        .map(|packet| scene.probe.to_gateway(Way::In).ip(packet))
        .collect();
    let tap = scene.lab.outside_tap().unwrap();
    frames.iter().for_each(|frame| tap.send(frame).unwrap());
    let offset = [14 + 20, 14 + 40][family];
    let mut answered = false;
    tap.drain(Duration::from_millis(300), |frame| {
        // From port 443 to 40,000; SYN and ACK, or RST and ACK where nobody listens.
        let ports = [0x01, 0xbb, 0x9c, 0x40];
        answered |= frame.get(offset..offset + 4) == Some(&ports);
    })
    .unwrap();
    answered
}

/// RFC 1858 §3, RFC 3128: the second fragment brings the flags.
#[test]
fn an_attacker_opens_no_connection_in_fragments() {
    skip_unless!("an_attacker_opens_no_connection_in_fragments", Netns);
    let mut scene = attacked();
    let (attacker, host) = (LISTED[0].parse().unwrap(), HOSTS[0].0.parse().unwrap());
    let opening = tcp_syn(attacker, host, b"");
    for bytes in [8, 16, 24] {
        let sent = fragments(&opening, bytes);
        assert!(
            is_answered(&mut scene, 0, &sent),
            "{bytes} bytes without the filter"
        );
    }
    let _run = start(&scene);
    for bytes in [8, 16, 24] {
        let sent = fragments(&opening, bytes);
        assert!(
            !is_answered(&mut scene, 0, &sent),
            "{bytes} bytes with the filter"
        );
    }
    // The first two of the three fragments of 8 bytes.
    assert_eq!(counted(&scene, "opening-hidden"), 2);
    let said = scene.run(&["hosts"]).stdout;
    assert!(said.contains(LISTED[0]), "{said}");
}

#[test]
fn an_attacker_opens_no_connection_behind_extension_headers() {
    skip_unless!(
        "an_attacker_opens_no_connection_behind_extension_headers",
        Netns
    );
    let mut scene = attacked();
    let (attacker, host) = (LISTED[1].parse().unwrap(), HOSTS[0].1.parse().unwrap());
    let behind = |count: usize| {
        let whole = tcp_syn(attacker, host, b"");
        let (next, payload) = (0..count).fold((6, whole[40..].to_vec()), |(next, rest), _| {
            (DESTINATION_OPTIONS, extension(next, &rest))
        });
        vec![plain(attacker, host, next, &payload)]
    };
    for count in [0, 1, 6, 7, 12] {
        assert!(
            is_answered(&mut scene, 1, &behind(count)),
            "{count} without the filter"
        );
    }
    let _run = start(&scene);
    for count in [0, 1, 6, 7, 12] {
        assert!(
            !is_answered(&mut scene, 1, &behind(count)),
            "{count} with the filter"
        );
    }
}

/// Answers to what was opened inside come in fragments, too: they are none of an attacker's openings.
#[test]
fn answers_of_an_attacker_arrive_in_fragments() {
    skip_unless!("answers_of_an_attacker_arrive_in_fragments", Netns, Ping);
    let scene = attacked();
    let _run = start(&scene);
    for (listed, host) in LISTED.iter().zip([HOSTS[0].0, HOSTS[0].1]) {
        let address = ["addr", "add", listed, "dev", "lo"];
        scene.lab.outside.ip(&address).unwrap();
        let name = scene.lab.inside.name();
        let ping = [
            "netns", "exec", name, "ping", "-c", "1", "-W", "5", "-s", "4000", "-I", host,
        ];
        command("ip", &[&ping[..], &[listed]].concat()).unwrap();
        assert_eq!(answer_by_udp(&scene, listed, host).len(), 4_000, "{listed}");
    }
}

/// What a server at `listed` answers to a datagram of `host`: 4,000 bytes.
fn answer_by_udp(scene: &Scene, listed: &str, host: &str) -> Vec<u8> {
    let socket = |address: &str| UdpSocket::bind((address.parse::<IpAddr>().unwrap(), 0)).unwrap();
    let server = scene.lab.outside.enter(|| socket(listed)).unwrap();
    let client = scene.lab.inside.enter(|| socket(host)).unwrap();
    let patience = Some(Duration::from_secs(5));
    server.set_read_timeout(patience).unwrap();
    client.set_read_timeout(patience).unwrap();
    let to: SocketAddr = server.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (_, caller) = server.recv_from(&mut [0; 16]).unwrap();
        server.send_to(&[7; 4_000], caller).unwrap();
    });
    client.send_to(b"question", to).unwrap();
    let mut answer = vec![0; 8_000];
    let length = client.recv(&mut answer).unwrap();
    serving.join().unwrap();
    answer.truncate(length);
    answer
}
