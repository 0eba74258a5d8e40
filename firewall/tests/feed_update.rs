//! Updating a feed from servers that mean no good: the last good copy stays, and the feed says why.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use firewall::{
    address::Prefix,
    feed::{
        self, Feed, Outcome,
        fetch::{Limits, Location},
        format::Format,
        guard::Protected,
        journal::Since,
        store::{Meta, Store},
    },
};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use tempfile::TempDir;

const LIST: &str = "192.0.2.1\n198.51.100.0/24\n2001:db8::/32\n";

type Answer = Box<dyn Fn(&str, &mut TcpStream) -> io::Result<()> + Send>;

/// A server on loopback whose behaviour can be changed while it runs, and a feed from it.
struct Scene {
    state: TempDir,
    feed: Feed,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(ok(LIST.as_bytes())));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (shared, log) = (Arc::clone(&answer), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = request(&mut stream);
                log.lock().unwrap().push(request.clone());
                // A client that has seen enough closes the connection.
                let _ = shared.lock().unwrap()(&request, &mut stream);
            }
        });
        let feed = feed_at(&format!(
            "http://127.0.0.1:{}/list?key=secret",
            address.port()
        ));
        Self {
            state: tempfile::tempdir().unwrap(),
            feed,
            answer,
            requests,
        }
    }

    /// A scene with a last good copy.
    fn with_copy() -> Self {
        let scene = Self::new();
        assert!(matches!(scene.update(0), Outcome::Changed(_)));
        scene
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn update(&self, second: i64) -> Outcome {
        feed::update(&self.feed, self.state.path(), &[], time(second)).unwrap()
    }

    fn store(&self) -> Store {
        Store::new(self.state.path(), &self.feed.name)
    }

    fn meta(&self) -> Meta {
        self.store().meta().unwrap()
    }

    fn assert_copy_stays(&self) {
        assert_eq!(self.store().content().unwrap().unwrap(), LIST.as_bytes());
        let loaded = feed::load(self.state.path(), &self.feed.name, &[])
            .unwrap()
            .unwrap();
        assert_eq!((loaded.guarded.v4.len(), loaded.guarded.v6.len()), (2, 1));
    }
}

fn feed_at(location: &str) -> Feed {
    Feed {
        name: "list".parse().unwrap(),
        location: location.parse().unwrap(),
        format: None,
        limits: Limits {
            transfer: 100_000,
            content: 100_000,
            time: Duration::from_secs(2),
        },
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_446_000 + second).unwrap()
}

/// The head of a request; all of them are without body.
fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// An answer of fixed bytes with its length.
fn fixed(status: &'static str, headers: &'static str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let answer = [head.as_bytes(), body].concat();
    Box::new(move |_, stream| stream.write_all(&answer))
}

fn ok(body: &[u8]) -> Answer {
    fixed(
        "200 OK",
        "ETag: \"one\"\r\nLast-Modified: Mon, 23 Nov 2026 15:00:00 GMT\r\n",
        body,
    )
}

/// An answer that sends `piece` again and again, with a pause before each.
fn endless(piece: &'static [u8], pause: Duration) -> Answer {
    Box::new(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            thread::sleep(pause);
            stream.write_all(piece)?;
        }
        Ok(())
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The answer must fail the update with this reason, and nothing else may change.
fn assert_fails(answer: Answer, reason: &str) {
    let scene = Scene::with_copy();
    let before = scene.meta();
    scene.answers(answer);
    let start = Instant::now();
    let Outcome::Failed(said) = scene.update(1) else {
        panic!("taken; expected: {reason}")
    };
    assert!(start.elapsed() < Duration::from_secs(8), "{reason}");
    println!("{said}");
    assert!(said.contains(reason), "said: {said}\nexpected: {reason}");
    assert!(
        said.contains("http://127.0.0.1") && !said.contains("secret"),
        "{said}"
    );
    scene.assert_copy_stays();
    let meta = scene.meta();
    assert_eq!((meta.copy, meta.checked_at), (before.copy, Some(time(1))));
    let stalled = meta.stalled.unwrap();
    assert_eq!((stalled.since, stalled.reason), (time(1), said));
}

#[test]
fn statuses_that_are_no_success() {
    assert_fails(
        fixed("404 Not Found", "", b"192.0.2.9\n"),
        "status 404; the list has moved",
    );
    assert_fails(
        fixed("500 Oops", "", b"192.0.2.9\n"),
        "status 500; the fault is the server's",
    );
    assert_fails(
        fixed("429 Slow Down", "", b""),
        "status 429; the provider wants fewer",
    );
    assert_fails(fixed("403 Forbidden", "", b""), "status 403; check the key");
    assert_fails(fixed("206 Partial", "", b"192.0.2.9\n"), "status 206");
}

#[test]
fn bodies_that_are_no_list() {
    assert_fails(ok(b"<html>\n192.0.2.9\n</html>"), "HTML or XML page");
    assert_fails(ok(b""), "empty body");
    assert_fails(ok(b"\n\n"), "the content is empty");
    assert_fails(ok(b"# only a comment\n"), "all 1 lines are comments");
    assert_fails(
        ok(b"Umm... every 30 minutes\n"),
        "the format is unknown: 1 of 1 lines",
    );
    assert_fails(ok(b"192.0.2.9\n0.0.0.0/0\n"), "line 2 lists 0.0.0.0/0");
    assert_fails(
        ok(b"{\"cidr\":\"192.0.2.0/24\"}\n"),
        "no metadata record at the end of 1 records",
    );
}

#[test]
fn bodies_that_are_too_much() {
    assert_fails(ok(&gzip(&vec![0; 10_000_000])), "limit of 100000 bytes");
    assert_fails(ok(&gzip(&gzip(LIST.as_bytes()))), "compressed twice");
    assert_fails(
        endless(&[b'1'; 10_000], Duration::ZERO),
        "limit of 100000 bytes",
    );
    assert_fails(ok(&vec![b'\n'; 100_001]), "limit of 100000 bytes");
}

#[test]
fn transfers_that_do_not_end_well() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n192.0.2.9\n";
    assert_fails(Box::new(|_, stream| stream.write_all(cut)), "cannot fetch");
    assert_fails(ok(&gzip(LIST.as_bytes())[..20]), "damaged or cut off");
    assert_fails(endless(b"1", Duration::from_millis(50)), "longer than 2s");
    let silent = |_: &str, _: &mut TcpStream| {
        thread::sleep(Duration::from_secs(3));
        Ok(())
    };
    assert_fails(Box::new(silent), "longer than 2s");
    assert_fails(Box::new(|_, _| Ok(())), "cannot fetch");
    assert_fails(
        Box::new(|_, stream| stream.write_all(b"220 mail ready\r\n")),
        "cannot fetch",
    );
    let header = |_: &str, stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        stream.write_all(&[b'x'; 1_000_000])
    };
    assert_fails(Box::new(header), "cannot fetch");
}

#[test]
fn redirects_that_lead_nowhere() {
    let redirect = |to| fixed("302 Found", to, b"");
    assert_fails(
        redirect("Location: /list?key=secret\r\n"),
        "more than 3 redirects",
    );
    assert_fails(redirect("Location: file:///etc/passwd\r\n"), "cannot fetch");
    assert_fails(
        redirect("Location: http://[::1/?key=secret\r\n"),
        "cannot fetch",
    );
    assert_fails(redirect(""), "cannot fetch");
}

#[test]
fn encryption_is_not_optional() {
    let scene = Scene::with_copy();
    let location = String::from(scene.feed.location.clone()).replace("http:", "https:");
    let outcome = feed::update(&feed_at(&location), scene.state.path(), &[], time(1)).unwrap();
    assert!(matches!(outcome, Outcome::Failed(said) if said.contains("cannot fetch https:")));
    scene.assert_copy_stays();
}

#[test]
fn nobody_listens() {
    let scene = Scene::with_copy();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let feed = feed_at(&format!("http://127.0.0.1:{free}/list?key=secret"));
    let outcome = feed::update(&feed, scene.state.path(), &[], time(1)).unwrap();
    assert!(matches!(outcome, Outcome::Failed(said) if said.contains("the connection failed")));
    scene.assert_copy_stays();
}

#[test]
fn unchanged_is_asked_for_and_understood() {
    let scene = Scene::with_copy();
    scene.answers(fixed("304 Not Modified", "", b""));
    assert_eq!(scene.update(1), Outcome::Unchanged);
    let request = scene.requests.lock().unwrap().pop().unwrap().to_lowercase();
    assert!(request.contains("if-none-match: \"one\""), "{request}");
    assert!(
        request.contains("if-modified-since: mon, 23 nov 2026 15:00:00 gmt"),
        "{request}"
    );
    assert!(request.contains("user-agent: firewall/"), "{request}");
    let copy = scene.meta().copy.unwrap();
    assert_eq!((copy.changed_at, copy.fetched_at), (time(0), time(1)));
}

#[test]
fn the_same_bytes_again_are_unchanged() {
    let scene = Scene::with_copy();
    scene.answers(fixed("200 OK", "ETag: \"two\"\r\n", &gzip(LIST.as_bytes())));
    assert_eq!(scene.update(1), Outcome::Unchanged);
    assert_eq!(
        scene.meta().copy.unwrap().version.etag.as_deref(),
        Some("\"two\"")
    );
}

#[test]
fn unchanged_counts_only_for_what_is_here() {
    let scene = Scene::with_copy();
    std::fs::remove_file(scene.state.path().join("feeds/list")).unwrap();
    scene.answers(fixed("304 Not Modified", "", b""));
    assert!(matches!(scene.update(1), Outcome::Failed(said) if said.contains("status 304")));
    scene.answers(ok(LIST.as_bytes()));
    assert!(matches!(scene.update(2), Outcome::Changed(_)));
    scene.assert_copy_stays();
}

#[test]
fn another_location_or_format_is_fetched_anew() {
    let mut scene = Scene::with_copy();
    scene.feed.format = Some(Format::FeodoCsv);
    assert!(matches!(scene.update(1), Outcome::Failed(said) if said.contains("no header")));
    scene.assert_copy_stays();
    scene.feed.format = Some(Format::Plain);
    assert_eq!(scene.update(2), Outcome::Unchanged);
    let path = scene.state.path().join("mine.txt");
    std::fs::write(&path, gzip(LIST.as_bytes())).unwrap();
    scene.feed.location = Location::File(path);
    assert!(matches!(scene.update(3), Outcome::Changed(_)));
    assert_eq!(scene.update(4), Outcome::Unchanged);
}

#[test]
fn stalled_since_the_first_failure_until_the_next_success() {
    let scene = Scene::with_copy();
    scene.answers(fixed("500 Oops", "", b""));
    scene.update(1);
    scene.update(2);
    assert_eq!(scene.meta().stalled.unwrap().since, time(1));
    scene.answers(fixed("304 Not Modified", "", b""));
    scene.update(3);
    assert_eq!(scene.meta().stalled, None);
}

#[test]
fn since_when_an_address_is_listed() {
    let scene = Scene::with_copy();
    scene.answers(ok(b"192.0.2.1\n192.0.2.7\n"));
    assert!(matches!(scene.update(1), Outcome::Changed(_)));
    let since = |address| scene.store().since(Prefix::V4(address, 32)).unwrap();
    assert_eq!(since(0xc000_0201), Some(Since::FirstLoad(time(0))));
    assert_eq!(since(0xc000_0207), Some(Since::Added(time(1))));
}

#[test]
fn protected_addresses_are_counted_at_update_and_left_out_at_load() {
    let scene = Scene::new();
    let own = [Protected {
        prefix: Prefix::V4(0xc000_0201, 32),
        kind: "own".to_owned(),
    }];
    let update = feed::update(&scene.feed, scene.state.path(), &own, time(0)).unwrap();
    let Outcome::Changed(copy) = update else {
        panic!("{update:?}")
    };
    assert_eq!(
        (copy.entries, copy.v4, copy.v6, copy.left_out),
        (3, 2, 1, 1)
    );
    let load = |protected| feed::load(scene.state.path(), &scene.feed.name, protected);
    assert_eq!(load(&own).unwrap().unwrap().guarded.v4.len(), 1);
    assert_eq!(load(&[]).unwrap().unwrap().guarded.v4.len(), 2);
}

#[test]
fn before_the_first_copy_there_is_nothing_to_load() {
    let scene = Scene::new();
    scene.answers(fixed("500 Oops", "", b""));
    assert!(matches!(scene.update(0), Outcome::Failed(_)));
    assert_eq!(
        feed::load(scene.state.path(), &scene.feed.name, &[]).unwrap(),
        None
    );
    assert!(scene.meta().stalled.is_some());
}

#[test]
fn a_full_disk_leaves_the_old_copy() {
    // Writing to /dev/full fails like a full disk does, and the journal is written first.
    let scene = Scene::with_copy();
    let journal = scene.state.path().join("feeds/list.log");
    std::fs::remove_file(&journal).unwrap();
    std::os::unix::fs::symlink("/dev/full", &journal).unwrap();
    scene.answers(ok(b"192.0.2.9\n"));
    let error = feed::update(&scene.feed, scene.state.path(), &[], time(1)).unwrap_err();
    assert!(error.to_string().contains("check space"), "{error:#}");
    scene.assert_copy_stays();
    assert!(only_the_files_of_the_feed(scene.state.path()));
}

fn only_the_files_of_the_feed(state: &Path) -> bool {
    let files = std::fs::read_dir(state.join("feeds")).unwrap();
    files
        .map(|it| it.unwrap().file_name())
        .all(|it| !it.to_string_lossy().starts_with('.'))
}
