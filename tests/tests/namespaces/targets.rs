//! Where a fetch may lead: through redirects, and through a proxy.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Output,
    sync::{Arc, Mutex},
    thread,
};

use tests::{
    namespace::Namespace,
    product::{Product, binary},
    skip_unless,
};

/// A public address, as documentation ranges count as public; and three that are not: one of them is
/// public to others, but ours.
const PUBLIC: &str = "192.0.2.80";
const OWN: &str = "192.0.2.99";
const METADATA: &str = "169.254.169.254";
const INSIDE: &str = "10.0.0.1";

/// A namespace that is all of those and loopback, with one server on them that also is a proxy.
struct Internet {
    namespace: Namespace,
    /// First line and host of each request.
    asked: Arc<Mutex<Vec<String>>>,
    product: Product,
}

impl Internet {
    fn new(name: &str) -> Self {
        let namespace = Namespace::new(&format!("{name}-{}", std::process::id())).unwrap();
        for address in [OWN, METADATA, INSIDE] {
            let arguments = ["addr", "add", address, "dev", "lo"];
            namespace.ip(&arguments).unwrap();
        }
        // It is served here, but no device has it: far away, as far as anybody can tell.
        let arguments = ["route", "add", "local", PUBLIC, "dev", "lo"];
        namespace.ip(&arguments).unwrap();
        let listener = namespace
            .enter(|| TcpListener::bind("0.0.0.0:8080"))
            .unwrap()
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has seen enough closes the connection.
                let _ = stream.and_then(|stream| answer(stream, &log));
            }
        });
        Self {
            namespace,
            asked,
            product: Product::new(&binary().unwrap(), "").unwrap(),
        }
    }

    /// What an update of a feed at `url` says, and what was asked for it.
    fn update(&self, url: &str, more: &str, environment: &[(&str, &str)]) -> (String, Vec<String>) {
        let text = format!("[[feed]]\nname = 'list'\nurl = '{url}'\n{more}");
        self.product.configure(&text).unwrap();
        self.asked.lock().unwrap().clear();
        let _ = std::fs::remove_dir_all(self.product.state().join("feeds"));
        let update = || -> std::io::Result<Output> {
            let mut command = self.product.command(&["feeds", "update"]);
            command.envs(environment.iter().copied()).output()
        };
        let output = self.namespace.enter(update).unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (said, self.asked.lock().unwrap().clone())
    }
}

/// Answers one request, behind `CONNECT` as well: a list, or a redirect by the name of the path.
fn answer(stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let first = head.first().cloned().unwrap_or_default();
        let host = head
            .iter()
            .find(|line| line.to_lowercase().starts_with("host:"));
        let host = host.map_or("", |host| host["host:".len()..].trim());
        log.lock().unwrap().push(format!("{first} {host}"));
        if first.starts_with("CONNECT ") {
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            continue;
        }
        let path = first.split(' ').nth(1).unwrap_or_default();
        let to = match path {
            "/metadata" => format!("http://{METADATA}:8080/list"),
            "/own" => format!("http://{OWN}:8080/list"),
            "/inside" => format!("http://{INSIDE}:8080/list"),
            "/localhost" => "http://localhost:8080/list".to_owned(),
            "/again" => format!("http://{PUBLIC}:8080/list"),
            _ => String::new(),
        };
        let (status, headers, body) = match to.as_str() {
            "" => ("200 OK", String::new(), "198.51.100.7\n"),
            to => ("302 Found", format!("Location: {to}\r\n"), ""),
        };
        let length = body.len();
        return write!(
            reader.get_mut(),
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }
}

/// A name that /etc/hosts has for loopback, and that does not say so by itself; the well-known one if
/// there is no other.
fn name_of_loopback() -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts
        .lines()
        .filter_map(|line| line.strip_prefix("127."))
        .flat_map(|line| line.split_whitespace().skip(1));
    let mut others = names.filter(|name| !name.starts_with(['#', 'l']));
    others.next().unwrap_or("localhost").to_owned()
}

#[test]
fn a_redirect_leads_nowhere_inside_unless_the_feed_is_internal() {
    skip_unless!(
        "a_redirect_leads_nowhere_inside_unless_the_feed_is_internal",
        Netns
    );
    let internet = Internet::new("redirects");
    for (path, why) in [
        ("list", ""),
        ("again", ""),
        (
            "metadata",
            "169.254.169.254 is no public address (link-local)",
        ),
        ("inside", "10.0.0.1 is no public address (private)"),
        (
            "own",
            "192.0.2.99 is no public address (this machine or a neighbour of it)",
        ),
        ("localhost", "localhost is this machine"),
    ] {
        let url = format!("http://{PUBLIC}:8080/{path}");
        let (said, asked) = internet.update(&url, "", &[]);
        match why {
            "" => assert!(said.contains("changed, 1 entry"), "{path}: {said}"),
            why => {
                assert!(
                    said.contains(why) && said.contains("set internal = true"),
                    "{said}"
                );
                assert_eq!(asked, [format!("GET /{path} HTTP/1.1 {PUBLIC}:8080")]);
            }
        }
        let (said, asked) = internet.update(&url, "internal = true\n", &[]);
        // A server of one's own may not send the gateway to its cloud, nor to itself.
        let is_led = !["metadata", "localhost"].contains(&path);
        assert_eq!(said.contains("changed, 1 entry"), is_led, "{path}: {said}");
        assert!(is_led || asked.len() == 1, "{path}: {asked:?}");
    }
}

#[test]
fn a_proxy_may_be_inside_and_leads_nowhere_inside() {
    skip_unless!("a_proxy_may_be_inside_and_leads_nowhere_inside", Netns);
    let internet = Internet::new("proxies");
    let proxy = format!("http://{INSIDE}:8080");
    let through = [("ALL_PROXY", proxy.as_str())];
    let list = format!("http://{PUBLIC}:8080/list");
    let (said, asked) = internet.update(&list, "", &through);
    assert!(said.contains("changed, 1 entry"), "{said}");
    assert!(
        asked[0].starts_with(&format!("CONNECT {PUBLIC}:8080")),
        "{asked:?}"
    );
    // A name that the proxy alone knows.
    let (said, asked) = internet.update("http://feeds.example/list", "", &through);
    assert!(said.contains("changed, 1 entry"), "{said}");
    assert!(
        asked[0].starts_with("CONNECT feeds.example:80"),
        "{asked:?}"
    );
    let (said, asked) = internet.update(&list, "", &[through[0], ("NO_PROXY", PUBLIC)]);
    assert!(said.contains("changed, 1 entry"), "{said}");
    assert!(asked[0].starts_with("GET /list"), "{asked:?}");
    let metadata = format!("http://{PUBLIC}:8080/metadata");
    for (url, environment, requests) in [
        (format!("http://{METADATA}/list"), &through[..], 0),
        ("http://localhost:8080/list".to_owned(), &through[..], 0),
        ("http://2130706433:8080/list".to_owned(), &through[..], 0),
        // CONNECT and the request in it, and no more.
        (metadata, &through[..], 2),
        // Its own address is exempt as the proxy only.
        (
            format!("http://{INSIDE}:8080/list"),
            &[through[0], ("NO_PROXY", INSIDE)][..],
            0,
        ),
        (
            format!("http://{}:8080/list", name_of_loopback()),
            &[through[0], ("NO_PROXY", "*")][..],
            0,
        ),
    ] {
        let (said, asked) = internet.update(&url, "", environment);
        assert!(said.contains("failed"), "{url}: {said}");
        assert_eq!(asked.len(), requests, "{url}: {asked:?}");
    }
}
