//! Servers that mean no good: the last good copy stays, and the feed says why.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use firewall::feed::Outcome;

use crate::scene::{Answer, LIST, Scene, feed_at, fixed, gzip, ok, time, update};

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
        "a message of the server: 1 of 1 lines",
    );
    assert_fails(ok(b"192.0.2.9\n0.0.0.0/0\n"), "line 2 lists 0.0.0.0/0");
    assert_fails(
        ok(b"{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\"}\n"),
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

/// An answer of these bytes, and then the end.
fn raw(bytes: &'static [u8]) -> Answer {
    Box::new(move |_, stream| stream.write_all(bytes))
}

#[test]
fn lengths_and_chunks_that_lie() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    for headers in [
        "Content-Length: 10\r\nContent-Length: 20",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: ten",
        "Content-Length: 40",
        "Transfer-Encoding: chunked",
    ] {
        let answer = format!("{OK}{headers}\r\n\r\n192.0.2.9\n192.0.2.10\n");
        assert_fails(
            Box::new(move |_, stream| stream.write_all(answer.as_bytes())),
            "cannot fetch",
        );
    }
    for chunks in [
        "a\r\n192.0.2.9\n\r\n",
        "a\r\n192.0.2.9\n\r\n5\r\n192",
        "zz\r\n192.0.2.9\n\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n192.0.2.9\n",
        "-a\r\n192.0.2.9\n\r\n0\r\n\r\n",
        "a\r\n192.0.2.9\nxx0\r\n\r\n",
    ] {
        let answer = format!("{OK}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_fails(
            Box::new(move |_, stream| stream.write_all(answer.as_bytes())),
            "cannot fetch",
        );
    }
    assert_fails(raw(b"HTTP/9.9 200 OK\r\n\r\n192.0.2.9\n"), "cannot fetch");
    assert_fails(raw(b"HTTP/1.1 2000 OK\r\n\r\n192.0.2.9\n"), "cannot fetch");
}

#[test]
fn headers_that_do_not_end() {
    let dripping = |_: &str, stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(50));
            stream.write_all(b"x")?;
        }
        Ok(())
    };
    assert_fails(Box::new(dripping), "longer than 2s");
    let not_yet = |_: &str, stream: &mut TcpStream| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")?;
        }
        Ok(())
    };
    assert_fails(Box::new(not_yet), "cannot fetch");
    let many = |_: &str, stream: &mut TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        (0..100_000).try_for_each(|number| write!(stream, "X-{number}: y\r\n"))?;
        stream.write_all(b"\r\n192.0.2.9\n")
    };
    assert_fails(Box::new(many), "cannot fetch");
}

#[test]
fn a_bomb_of_ten_gigabytes_is_cut_at_the_limit() {
    const MEMBERS: usize = 1_000;
    let mut scene = Scene::with_copy();
    scene.feed.limits.transfer = 20_000_000;
    scene.answers(ok(&gzip(&vec![0; 10_000_000]).repeat(MEMBERS)));
    let outcome = scene.update(1);
    assert!(
        matches!(&outcome, Outcome::Failed(said) if said.contains("limit of 100000 bytes")),
        "{outcome:?}"
    );
    scene.assert_copy_stays();
}

#[test]
fn a_name_that_nobody_knows() {
    let scene = Scene::with_copy();
    // Reserved for names that do not exist (RFC 6761 §6.4).
    let feed = feed_at("http://feeds.invalid/list?key=secret");
    let outcome = update(&feed, scene.state.path(), &[], time(1)).unwrap();
    assert!(
        matches!(&outcome, Outcome::Failed(said)
            if said.contains("cannot fetch http://feeds.invalid") && !said.contains("secret")),
        "{outcome:?}"
    );
    scene.assert_copy_stays();
}

#[test]
fn redirects_that_lead_nowhere() {
    let redirect = |to| fixed("302 Found", to, b"");
    assert_fails(
        redirect("Location: /list?key=secret\r\n"),
        "more than 3 redirects",
    );
    assert_fails(
        redirect("Location: file:///etc/passwd\r\n"),
        "leads to no valid address",
    );
    assert_fails(
        redirect("Location: http://[::1/?key=secret\r\n"),
        "leads to no valid address",
    );
    assert_fails(redirect(""), "does not say where to");
    assert_fails(
        redirect("Location: https://feeds.example/list?key=secret\r\n"),
        "from http to https (feeds.example)",
    );
    assert_fails(
        redirect("Location: gopher://feeds.example/\r\n"),
        "from http to gopher (feeds.example)",
    );
}

#[test]
fn encryption_is_not_optional() {
    let scene = Scene::with_copy();
    let location = String::from(scene.feed.location.clone()).replace("http:", "https:");
    let outcome = update(&feed_at(&location), scene.state.path(), &[], time(1)).unwrap();
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
    let outcome = update(&feed, scene.state.path(), &[], time(1)).unwrap();
    assert!(matches!(outcome, Outcome::Failed(said) if said.contains("the connection failed")));
    scene.assert_copy_stays();
}
