//! What a worker can still do is tried in a process of its own, which has nothing to lose.

use std::{
    fs,
    net::{TcpListener, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    process::Command,
    thread,
};

use jiff::Timestamp;
use rustix::net::{AddressFamily, SocketType, socket};

use super::*;

/// Tells a test that it is in a process of its own.
const ALONE: &str = "FIREWALL_TEST_ALONE";

/// Does `test`, which has this name, in a process of its own.
fn alone(name: &str, test: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let name = format!("feed::worker::confine::tests::{name}");
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn job(task: Task) -> Job {
    Job {
        parent: getppid().unwrap().as_raw_pid() as u32,
        ..Job::new(task, Timestamp::UNIX_EPOCH)
    }
}

#[test]
fn a_worker_that_fetches_can_reach_servers_and_little_else() {
    alone(
        "a_worker_that_fetches_can_reach_servers_and_little_else",
        fetches,
    );
}

fn fetches() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends by itself, and somebody who could would end it before.
    let mut child = Command::new("sleep")
        .arg("5")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let victim = rustix::process::Pid::from_child(&child);
    confine(&job(Task::fetch(&"http://localhost".parse().unwrap()))).unwrap();

    assert!(
        ("localhost", 80).to_socket_addrs().is_ok(),
        "names are found"
    );
    assert!(TcpStream::connect(address).is_ok(), "servers are reached");
    assert!(
        thread::spawn(|| true).join().unwrap(),
        "threads can be made"
    );

    assert!(
        fs::read("/etc/passwd").is_err(),
        "other files are out of reach"
    );
    assert!(fs::read_dir("/proc").is_err() && fs::read_dir("/").is_err());
    assert!(fs::write("/tmp/worker", "x").is_err(), "nothing is written");
    assert!(
        TcpListener::bind("127.0.0.1:0").is_err(),
        "nobody is served"
    );
    assert!(UnixStream::connect("/run/x").unwrap_err().raw_os_error() == Some(libc::ENOSYS));
    assert!(
        Command::new("/bin/true").status().is_err(),
        "no program is started"
    );
    let limit = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    assert!(rustix::process::prlimit(Some(victim), Resource::Cpu, limit).is_err());
    assert!(rustix::process::kill_process(victim, Signal::TERM).is_err());
    assert!(
        set_parent_process_death_signal(None).is_err(),
        "it dies with its parent"
    );
    let sctp = rustix::net::ipproto::SCTP;
    assert!(socket(AddressFamily::INET, SocketType::STREAM, Some(sctp)).is_err());
    let writes = fs::File::options().append(true).open("/etc/hosts");
    assert!(writes.unwrap_err().raw_os_error() == Some(libc::ENOSYS));
    assert!(child.wait().is_err(), "not even that");
    let huge = Vec::<u8>::new().try_reserve_exact(8 << 30);
    assert!(huge.is_err(), "memory has an end");
}

#[test]
fn a_worker_that_only_reads_can_do_nothing_else() {
    alone("a_worker_that_only_reads_can_do_nothing_else", reads);
}

fn reads() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    confine(&job(Task::Read)).unwrap();
    assert!(TcpStream::connect(address).is_err(), "no server is reached");
    assert!(fs::read("/etc/hosts").is_err(), "no file is read");
}

#[test]
fn a_worker_that_nobody_waits_for_does_nothing() {
    alone("a_worker_that_nobody_waits_for_does_nothing", || {
        let left = Job {
            parent: 1 << 23,
            ..job(Task::Read)
        };
        let refused = format!("{:#}", confine(&left).unwrap_err());
        assert!(refused.contains("who started it is gone"), "{refused}");
    });
}

#[test]
fn a_worker_that_may_have_less_is_content_with_it() {
    alone("a_worker_that_may_have_less_is_content_with_it", || {
        let little = Some(100);
        for resource in [Resource::Nofile, Resource::Nproc] {
            setrlimit(
                resource,
                Rlimit {
                    current: little,
                    maximum: little,
                },
            )
            .unwrap();
        }
        give_up_privileges(job(Task::Read).parent).unwrap();
        limit(&job(Task::Read)).unwrap();
        assert_eq!(getrlimit(Resource::Nproc).maximum, little);
        assert_eq!(getrlimit(Resource::Nofile).maximum, Some(64));
    });
}
