//! Servers over TLS: who is who he says, and who is not. By the program itself, which is told by
//! `SSL_CERT_FILE` whom to trust.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    sync::Arc,
    thread,
};

use rcgen::{CertificateParams, DnType, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::scene::LIST;

/// Somebody who vouches for servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(parameters, key),
            pem,
        }
    }

    /// The configuration of a server called `name` until `year`.
    fn vouch(&self, name: &str, year: i32) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_after = date_time_ymd(year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A server that answers one request; its port.
fn serve(config: ServerConfig, answer: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        // A client that does not believe us closes the connection.
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer.as_bytes());
        connection.send_close_notify();
        let _ = connection.complete_io(&mut socket);
    });
    port
}

fn list() -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{LIST}",
        LIST.len()
    )
}

/// What `feeds try` says of a server at `localhost`, trusting `authority` alone.
fn tries(authority: &Authority, port: u16) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    fs::write(&trusted, &authority.pem).unwrap();
    // No configuration of this machine, and no folder of it.
    fs::write(folder.path().join("none.toml"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_firewall"))
        .args([
            "--config",
            "none.toml",
            "--state-dir",
            "state",
            "--bpffs",
            "bpf",
        ])
        .args(["feeds", "try", &format!("https://localhost:{port}/list")])
        .current_dir(folder.path())
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_server_that_somebody_vouches_for_is_believed() {
    let authority = Authority::new("known");
    let (taken, said) = tries(
        &authority,
        serve(authority.vouch("localhost", 2100), list()),
    );
    assert!(taken && said.contains("entries             3"), "{said}");
}

#[test]
fn others_are_not() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let table = [
        (
            "nobody vouches for it",
            unknown.vouch("localhost", 2100),
            "UnknownIssuer",
        ),
        (
            "it is another one",
            known.vouch("feeds.example", 2100),
            "not valid for name",
        ),
        (
            "its time is over",
            known.vouch("localhost", 2020),
            "expired",
        ),
    ];
    for (case, config, words) in table {
        let (taken, said) = tries(&known, serve(config, list()));
        assert!(!taken && said.contains(words), "{case}: {said}");
        assert!(said.contains("https://localhost"), "{case}: {said}");
        assert!(said.contains("cannot prove who it is"), "{case}: {said}");
    }
}

#[test]
fn encryption_is_not_taken_away() {
    let authority = Authority::new("known");
    let redirect =
        "HTTP/1.1 302 Found\r\nLocation: http://localhost/list\r\nContent-Length: 0\r\n\r\n";
    let port = serve(authority.vouch("localhost", 2100), redirect.to_owned());
    let (taken, said) = tries(&authority, port);
    assert!(!taken && said.contains("from https to http"), "{said}");
}
