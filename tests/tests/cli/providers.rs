//! Providers that want to be left alone.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{product, run};

/// A server that answers once that it is busy and then with a list, how often it was asked, and its port.
fn busy_server() -> (Arc<AtomicUsize>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer = match count.fetch_add(1, Ordering::SeqCst) {
                0 => "429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
                _ => "200 OK\r\nContent-Length: 10\r\n\r\n192.0.2.1\n",
            };
            let _ = write!(stream, "HTTP/1.1 {answer}");
        }
    });
    (asked, port)
}

#[test]
fn who_asked_to_be_left_alone_is_not_asked_by_hand_either() {
    let product = product("");
    let (asked, port) = busy_server();
    let feed = |path: &str| {
        format!(
            "[[feed]]\nname = 'mine'\nurl = 'http://127.0.0.1:{port}/{path}'\ninternal = true\n"
        )
    };
    product.configure(&feed("list")).unwrap();
    let table = [
        (
            &["feeds", "update"][..],
            "mine: failed, nothing of it is in force yet: ",
            1,
        ),
        (
            &["feeds", "update", "mine"],
            "mine: not asked: the server asked not to be asked again",
            1,
        ),
        (
            &["feeds", "update", "--json"],
            "\"result\":\"not-asked\"",
            1,
        ),
        (
            &["feeds", "update", "mine", "--force"],
            "mine: changed, 1 entry",
            2,
        ),
    ];
    for (arguments, part, count) in table {
        let said = run(&product, arguments);
        assert!(said.stdout.contains(part), "{arguments:?}: {}", said.stdout);
        assert_eq!(asked.load(Ordering::SeqCst), count, "{arguments:?}");
        // Nothing is attached here; what was asked in vain is in no better state by not asking.
        assert_eq!(said.code, 3, "{arguments:?}");
    }
}

#[test]
fn a_feed_that_moved_need_not_wait_for_who_had_it() {
    let product = product("");
    let (asked, port) = busy_server();
    for (path, part) in [("list", "failed"), ("other", "changed")] {
        let feed = format!(
            "[[feed]]\nname = 'mine'\nurl = 'http://127.0.0.1:{port}/{path}'\ninternal = true\n"
        );
        product.configure(&feed).unwrap();
        let said = run(&product, &["feeds", "update"]);
        assert!(said.stdout.contains(part), "{path}: {}", said.stdout);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
