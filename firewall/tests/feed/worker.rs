//! The process that fetches and parses, as others see it.

use std::{fs, io::Write as _, path::Path, process::Command, thread, time::Duration};

use firewall::feed::Outcome;

use crate::scene::{Answer, LIST, Scene, ok};

/// A server that answers after `look` has seen the worker that waits for it: the lines of its
/// `/proc/PID/status`, and the PID. Its worker is a child of the thread that calls this.
fn slow(look: impl Fn(&str, &str) + Send + 'static) -> Answer {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    let children = Path::new("/proc").join(thread).join("children");
    Box::new(move |_, stream| {
        let pid = fs::read_to_string(&children)?.trim().to_owned();
        look(&fs::read_to_string(format!("/proc/{pid}/status"))?, &pid);
        let length = LIST.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{LIST}"
        )
    })
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name}")).trim()
}

#[test]
fn it_has_no_privileges() {
    let scene = Scene::new();
    scene.answers(slow(|status, _| {
        for capabilities in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(field(status, capabilities), "0000000000000000");
        }
        assert_eq!(field(status, "NoNewPrivs"), "1");
        assert_eq!(field(status, "Seccomp"), "2");
        let mut users = field(status, "Uid").split_whitespace();
        assert!(users.all(|user| user != "0"), "{status}");
    }));
    assert!(matches!(scene.update(0), Outcome::Changed(..)));
}

#[test]
fn one_that_is_killed_leaves_the_last_good_copy() {
    let scene = Scene::with_copy();
    scene.answers(slow(|_, pid| {
        let killed = Command::new("kill").args(["-9", pid]).status();
        assert!(killed.unwrap().success());
        thread::sleep(Duration::from_millis(50));
    }));
    let Outcome::Failed(said) = scene.update(1) else {
        panic!()
    };
    assert!(
        said.contains("the worker that reads it died (signal: 9"),
        "{said}"
    );
    scene.assert_copy_stays();
    scene.answers(ok(LIST.as_bytes()));
    assert_eq!(scene.update(2), Outcome::Unchanged);
}
