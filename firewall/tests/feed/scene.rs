//! A server on loopback whose behaviour can be changed while it runs, and a feed from it.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use firewall::{
    config,
    feed::{
        self, Feed, Means, Outcome,
        fetch::Limits,
        format::Options,
        guard::{Guarded, gates::Gates},
        records::Records,
        store::{Meta, Store},
        worker::Worker,
    },
    inputs::StoredFeed,
    protected::Protected,
    state::State,
};
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use tempfile::TempDir;

/// The list of the last good copy.
pub const LIST: &str = "192.0.2.1\n198.51.100.0/24\n2001:db8::/32\n";

pub type Answer = Box<dyn Fn(&str, &mut TcpStream) -> io::Result<()> + Send>;

/// A server on loopback whose behaviour can be changed while it runs, and a feed from it.
pub struct Scene {
    pub state: TempDir,
    pub feed: Feed,
    answer: Arc<Mutex<Answer>>,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    pub fn new() -> Self {
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
    pub fn with_copy() -> Self {
        let scene = Self::new();
        assert!(matches!(scene.update(0), Outcome::Changed(..)));
        scene
    }

    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn update(&self, second: i64) -> Outcome {
        update(&self.feed, self.state.path(), &[], time(second)).unwrap()
    }

    pub fn store(&self) -> Store {
        Store::new(self.state.path(), &self.feed.name)
    }

    pub fn meta(&self) -> Meta {
        self.store().meta().unwrap()
    }

    /// The records of the last good copy.
    pub fn records(&self) -> Records {
        let path = self.state.path().join("feeds/list.records");
        Records::decode(&std::fs::read(path).unwrap()).unwrap().1
    }

    pub fn assert_copy_stays(&self) {
        assert_eq!(self.store().content().unwrap().unwrap(), LIST.as_bytes());
        let guarded = self.guarded(&[]).unwrap();
        assert_eq!((guarded.v4.len(), guarded.v6.len()), (2, 1));
    }

    /// What may be put in force of the last good copy.
    pub fn guarded(&self, protected: &[Protected]) -> Option<Guarded> {
        let feed = config::Feed {
            direction: config::Direction::Out,
            connectionless: config::Connectionless::Monitor,
            ports: None,
            name: self.feed.name.clone(),
            location: self.feed.location.clone(),
            format: None,
            options: Options::default(),
            mode: config::Mode::Enforce,
            interval: Duration::from_secs(3600),
            minimum_interval: Duration::ZERO,
            catalogued: None,
            server: None,
            collection: None,
            key: None,
            internal: true,
            gates: Gates::default(),
            max_age: None,
            max_unchanged: None,
            when_old: config::WhenOld::Keep,
            hold: true,
            group: None,
            stage: None,
        };
        let stored = StoredFeed::read(&feed, &State::new(self.state.path())).unwrap();
        stored.map(|stored| stored.guarded(protected).unwrap())
    }
}

pub fn feed_at(location: &str) -> Feed {
    Feed {
        name: "list".parse().unwrap(),
        location: location.parse().unwrap(),
        format: None,
        options: Options::default(),
        server: None,
        collection: None,
        key: None,
        limits: Limits {
            transfer: 100_000,
            content: 100_000,
            time: Duration::from_secs(2),
            internal: true,
            connected: Vec::new(),
        },
        gates: Gates::default(),
    }
}

/// An update by the real worker.
pub fn update(
    feed: &Feed,
    state: &Path,
    protected: &[Protected],
    now: Timestamp,
) -> anyhow::Result<Outcome> {
    with_means(protected, now, |means| feed::update(feed, state, means))
}

/// What is done with the real worker.
pub fn with_means<T>(
    protected: &[Protected],
    now: Timestamp,
    work: impl FnOnce(&Means<'_>) -> T,
) -> T {
    let worker = Worker::Program(File::open(env!("CARGO_BIN_EXE_firewall")).unwrap());
    work(&Means {
        worker: &worker,
        protected,
        now,
    })
}

pub fn time(second: i64) -> Timestamp {
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
pub fn fixed(status: &str, headers: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let answer = [head.as_bytes(), body].concat();
    Box::new(move |_, stream| stream.write_all(&answer))
}

pub fn ok(body: &[u8]) -> Answer {
    fixed(
        "200 OK",
        "ETag: \"one\"\r\nLast-Modified: Mon, 23 Nov 2026 15:00:00 GMT\r\n",
        body,
    )
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
