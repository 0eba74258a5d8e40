//! How often, and how many at once, `run` asks the servers of feeds; and that it waits for none of them.

use std::{
    fmt::Write as _,
    fs,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use firewall::state::State;
use tests::skip_unless;

use super::scene::{BOTH, Scene, eventually};

/// A server on the loopback of the gateway.
#[derive(Default)]
struct Server {
    /// Whether it answers, or lets everybody wait.
    answers: AtomicBool,
    /// Requests that wait.
    waiting: AtomicUsize,
    /// Requests that it got.
    asked: AtomicUsize,
}

impl Server {
    /// One that lets everybody wait.
    fn start(scene: &Scene) -> Arc<Self> {
        let listener = scene
            .lab
            .gateway
            .enter(|| TcpListener::bind("127.0.0.1:8080"))
            .unwrap()
            .unwrap();
        let server = Arc::new(Self::default());
        let shared = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = Arc::clone(&shared);
                // A client that is gone needs no answer.
                thread::spawn(move || stream.and_then(|stream| server.serve(stream)));
            }
        });
        server
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        self.asked.fetch_add(1, SeqCst);
        self.waiting.fetch_add(1, SeqCst);
        let mut is_there = true;
        while is_there && !self.answers.load(SeqCst) {
            is_there = match stream.read(&mut [0; 1000]) {
                Ok(read) => read > 0,
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
        }
        self.waiting.fetch_sub(1, SeqCst);
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n203.0.113.7\n",
        )
    }

    fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

/// A gateway with so many feeds of that server.
fn with_feeds(count: u32) -> (Arc<Server>, Scene) {
    let mut text = BOTH.to_owned();
    for number in 0..count {
        write!(
            text,
            "[[feed]]\nname = 'feed{number}'\nurl = 'http://127.0.0.1:8080/{number}'\n\
             internal = true\ninterval = '1h'\n"
        )
        .unwrap();
    }
    let scene = Scene::new(&text);
    (Server::start(&scene), scene)
}

/// Long enough for `run` to look at its feeds again.
fn several_looks() {
    thread::sleep(Duration::from_secs(4));
}

#[test]
fn a_state_folder_that_takes_nothing_does_not_make_run_ask_without_end() {
    skip_unless!(
        "a_state_folder_that_takes_nothing_does_not_make_run_ask_without_end",
        Netns
    );
    let (server, scene) = with_feeds(1);
    server.answers.store(true, SeqCst);
    // No file can be written there; a full disk has the same end.
    fs::create_dir_all(scene.product.state().join("feeds/feed0.log")).unwrap();
    let mut run = scene.start();
    run.wait_for("feed feed0: cannot").unwrap();
    several_looks();
    assert_eq!(server.asked(), 1);
    // By hand it is asked at once.
    fs::remove_dir(scene.product.state().join("feeds/feed0.log")).unwrap();
    scene.done(&["feeds", "update"]);
    assert_eq!(server.asked(), 2);
}

#[test]
fn a_few_updates_are_made_at_once_and_the_others_after_them() {
    skip_unless!(
        "a_few_updates_are_made_at_once_and_the_others_after_them",
        Netns
    );
    let (server, scene) = with_feeds(10);
    let _run = scene.start();
    eventually("four wait for an answer", || server.waiting() == 4);
    several_looks();
    assert_eq!((server.waiting(), server.asked()), (4, 4));
    server.answers.store(true, SeqCst);
    eventually("all are asked", || server.asked() == 10);
    eventually("all are stored", || {
        let feeds = scene.json(&["feeds"]);
        feeds.iter().all(|feed| feed["entries"] == 1)
    });
    several_looks();
    assert_eq!(server.asked(), 10, "each once");
}

#[test]
fn run_stops_at_once_whatever_a_server_does() {
    skip_unless!("run_stops_at_once_whatever_a_server_does", Netns);
    let (server, scene) = with_feeds(2);
    let run = scene.start();
    eventually("two wait for an answer", || server.waiting() == 2);
    let state = State::new(&scene.product.state());
    assert_eq!(state.running(), Some(run.pid().cast_signed()));
    let asked = Instant::now();
    assert_eq!(run.stop().unwrap(), 0);
    // The server would let it wait for a minute.
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(state.running(), None, "the lock is given back");
    eventually("the workers are gone", || server.waiting() == 0);
    // The next one takes over.
    server.answers.store(true, SeqCst);
    let _run = scene.start();
    eventually("it asks anew", || server.asked() == 4);
}
