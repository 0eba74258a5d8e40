//! Real servers on the loopback of a namespace, for feeds that ask. `cargo xtask setup` unpacks them.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::namespace::Namespace;

/// Where setup unpacks them (`xtask/src/setup/steps.rs`).
const FOLDER: &str = "/opt/firewall-peers";

/// For a server to begin to listen; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the servers are there.
pub fn are_there() -> bool {
    let folder = Path::new(FOLDER);
    folder.join("crowdsec/usr/bin/crowdsec").is_file()
        && folder.join("medallion/bin/medallion").is_file()
}

/// A process that is ended when dropped.
#[derive(Debug)]
struct Process(Child);

impl Process {
    /// Starts `command` in `namespace` and waits until it listens on `port` of loopback.
    fn listening(namespace: &Namespace, command: &mut Command, port: u16) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Self(
            namespace
                .enter(|| command.spawn())?
                .context("cannot start a server")?,
        );
        let start = Instant::now();
        while namespace
            .enter(|| TcpStream::connect(("127.0.0.1", port)))?
            .is_err()
        {
            ensure!(
                start.elapsed() < PATIENCE,
                "the server never listened on port {port}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A CrowdSec Local API without any connection to the Central API.
#[derive(Debug)]
pub struct Crowdsec {
    process: Option<Process>,
    folder: TempDir,
}

impl Crowdsec {
    /// Its address.
    pub const URL: &str = "http://127.0.0.1:18080";
    const PORT: u16 = 18_080;

    /// Starts one; the key of a bouncer is in [`Self::key`].
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let mut server = Self {
            process: None,
            folder: tempfile::Builder::new().prefix("crowdsec-").tempdir()?,
        };
        server.configure()?;
        let credentials = server.path("etc/local_api_credentials.yaml");
        let credentials = credentials.display().to_string();
        let machine = [
            "machines",
            "add",
            "tests",
            "--auto",
            "-f",
            &credentials,
            "-u",
            Self::URL,
        ];
        server.cscli(namespace, &machine)?;
        let key = "0123456789abcdef0123456789abcdef";
        server.cscli(namespace, &["bouncers", "add", "firewall", "-k", key])?;
        fs::write(server.key(), format!("{key}\n"))?;
        server.resume(namespace)?;
        Ok(server)
    }

    /// The file with the key.
    pub fn key(&self) -> PathBuf {
        self.path("key")
    }

    /// Decides, or takes a decision back: `["add", "-i", "192.0.2.7", "-d", "1h"]`.
    pub fn decisions(&self, namespace: &Namespace, arguments: &[&str]) -> Result<()> {
        self.cscli(namespace, &[&["decisions"], arguments].concat())
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again, with what it knew.
    pub fn resume(&mut self, namespace: &Namespace) -> Result<()> {
        let mut command = Command::new(binary("crowdsec"));
        command
            .arg("-c")
            .arg(self.path("config.yaml"))
            .arg("-no-cs");
        self.process = Some(Process::listening(namespace, &mut command, Self::PORT)?);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) -> Result<()> {
        for name in ["etc", "data", "hub", "notifications", "plugins"] {
            fs::create_dir(self.path(name))?;
        }
        for name in ["profiles.yaml", "simulation.yaml"] {
            let packaged = Path::new(FOLDER).join("crowdsec/etc/crowdsec").join(name);
            fs::copy(packaged, self.path("etc").join(name))?;
        }
        fs::write(self.path("hub/.index.json"), "{}")?;
        let root = self.folder.path().display().to_string();
        let configuration = CONFIGURATION
            .replace("@ROOT@", &root)
            .replace("@PORT@", &Self::PORT.to_string());
        Ok(fs::write(self.path("config.yaml"), configuration)?)
    }

    fn cscli(&self, namespace: &Namespace, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(binary("cscli"));
        command
            .arg("-c")
            .arg(self.path("config.yaml"))
            .args(arguments);
        let output = namespace.enter(|| command.output())??;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "cscli {}: {said}",
            arguments.join(" ")
        );
        Ok(())
    }
}

/// A TAXII 2.1 server: medallion, by OASIS.
#[derive(Debug)]
pub struct Medallion {
    process: Option<Process>,
    folder: TempDir,
}

impl Medallion {
    /// Its address, that of the discovery.
    pub const URL: &str = "http://127.0.0.1:15900/taxii2/";
    /// Who may read, with the key that is in [`Self::key`].
    pub const USER: &str = "reader";
    const PORT: u16 = 15_900;

    /// One without anything; [`Self::serve`] starts it.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("medallion-").tempdir()?;
        fs::write(folder.path().join("key"), format!("{PASSWORD}\n"))?;
        let configuration = json!({
            "backend": {
                "module": "medallion.backends.memory_backend",
                "module_class": "MemoryBackend",
                "filename": folder.path().join("data.json"),
            },
            "users": { Self::USER: PASSWORD },
            "taxii": { "max_page_size": 10 },
        });
        fs::write(
            folder.path().join("medallion.json"),
            configuration.to_string(),
        )?;
        Ok(Self {
            process: None,
            folder,
        })
    }

    /// The file with the key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Serves these collections, (title, objects), anew. An object is added when it was modified.
    pub fn serve(&mut self, namespace: &Namespace, collections: &[(&str, &[Value])]) -> Result<()> {
        self.process = None;
        let collections: Vec<Value> = collections.iter().enumerate().map(collection).collect();
        let root = format!("http://127.0.0.1:{}/root/", Self::PORT);
        let data = json!({
            "/discovery": { "title": "tests", "default": root, "api_roots": [root] },
            "root": {
                "information": { "title": "root", "versions": [TAXII], "max_content_length": 1 << 20 },
                "status": [], "collections": collections,
            },
        });
        fs::write(self.folder.path().join("data.json"), data.to_string())?;
        let installed = Path::new(FOLDER).join("medallion");
        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", &installed)
            .arg(installed.join("bin/medallion"));
        command.args(["--host", "127.0.0.1", "--port", &Self::PORT.to_string()]);
        command.arg(self.folder.path().join("medallion.json"));
        self.process = Some(Process::listening(namespace, &mut command, Self::PORT)?);
        Ok(())
    }
}

const PASSWORD: &str = "open-sesame";
const STIX: &str = "application/stix+json;version=2.1";
const TAXII: &str = "application/taxii+json;version=2.1";

/// A collection as medallion keeps it.
fn collection((number, (title, objects)): (usize, &(&str, &[Value]))) -> Value {
    let manifest = objects.iter().map(|object| {
        json!({
            "id": object["id"], "date_added": object["modified"],
            "version": object["modified"], "media_type": STIX,
        })
    });
    json!({
        "id": format!("91a7b528-80eb-42ed-a74d-c6fbd5a2611{number}"), "title": title,
        "can_read": true, "can_write": false, "media_types": [STIX],
        "manifest": manifest.collect::<Vec<_>>(), "objects": objects,
    })
}

fn binary(name: &str) -> PathBuf {
    Path::new(FOLDER).join("crowdsec/usr/bin").join(name)
}

const CONFIGURATION: &str = "
common: { daemonize: false, log_media: stdout, log_level: info }
config_paths:
  config_dir: @ROOT@/etc/
  data_dir: @ROOT@/data/
  simulation_path: @ROOT@/etc/simulation.yaml
  hub_dir: @ROOT@/hub/
  index_path: @ROOT@/hub/.index.json
  notification_dir: @ROOT@/notifications/
  plugin_dir: @ROOT@/plugins/
crowdsec_service: { enable: false }
cscli: { output: human }
db_config: { type: sqlite, db_path: @ROOT@/data/crowdsec.db, log_level: info }
api:
  client: { insecure_skip_verify: false, credentials_path: @ROOT@/etc/local_api_credentials.yaml }
  server: { log_level: info, listen_uri: '127.0.0.1:@PORT@', profiles_path: @ROOT@/etc/profiles.yaml }
prometheus: { enabled: false }
";
