//! The filters that are compared, each put up from its own text file as its user would do it.

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use aya::{
    maps::{Map, MapData, PerCpuHashMap},
    programs::xdp::XdpMode,
};
use firewall::image::Image;
use tempfile::TempDir;
use tests::{
    namespace::command,
    product::{Daemon, Product, binary},
};

use crate::{
    family::Prefix,
    lists::List,
    object::Object,
    scene::{FILTERED, Scene},
    watch::{self, Took},
};

/// How long a peer may load. One more element took nft 1.0.6 80 s.
const PATIENCE: Duration = Duration::from_secs(180);

/// A filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This one, the whole product, its ledger on.
    Firewall,
    /// An XDP program that drops everything: nothing can be cheaper.
    DropAll,
    /// No filter at all: what passing costs.
    Nothing,
    /// XDP around the kernel's LPM trie.
    Lpm,
    /// nftables, a set with intervals, at the device.
    NftIngress,
    /// The same before routing.
    NftPrerouting,
    /// nftables, a set of single addresses, at the device.
    NftExactIngress,
    /// The same before routing.
    NftExactPrerouting,
    /// ipset `hash:net` in the raw table of iptables.
    Ipset,
    /// xdp-filter of xdp-tools.
    XdpFilter,
}

/// A filter that is up.
pub struct Loaded {
    /// What loading took; `None` where there is no file to load.
    pub took: Option<Took>,
    /// Who would put things back is ended first.
    product: Option<(Daemon, Product)>,
    /// Keeps its program attached.
    _object: Option<Object>,
    xdp_filter: bool,
    folder: TempDir,
    /// Where it is.
    pub scene: Scene,
}

impl Peer {
    /// Name in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firewall => "firewall",
            Self::DropAll => "xdp-drop-all",
            Self::Nothing => "no-filter",
            Self::Lpm => "lpm",
            Self::NftIngress => "nft-interval-ingress",
            Self::NftPrerouting => "nft-interval-raw",
            Self::NftExactIngress => "nft-exact-ingress",
            Self::NftExactPrerouting => "nft-exact-raw",
            Self::Ipset => "ipset-raw",
            Self::XdpFilter => "xdp-filter",
        }
    }

    /// Whether it gives verdicts; the floors are there for what they cost.
    pub const fn judges(self) -> bool {
        !matches!(self, Self::DropAll | Self::Nothing)
    }

    /// Puts it up against `list` in a namespace of its own.
    pub fn load(self, list: &List<u32>) -> Result<Loaded> {
        let mut loaded = Loaded {
            took: None,
            product: None,
            _object: None,
            xdp_filter: false,
            folder: tempfile::Builder::new()
                .prefix("firewall-bench-")
                .tempdir()?,
            scene: Scene::new(self.as_str())?,
        };
        match self {
            Self::Firewall => loaded.put_up_product(list)?,
            Self::DropAll => loaded.attach("bench_drop", &[])?,
            Self::Nothing => loaded.scene.receive_without_program()?,
            Self::Lpm => loaded.attach("bench_lpm", &list.entries)?,
            Self::NftIngress => loaded.put_up_nft(list, "flags interval;", INGRESS)?,
            Self::NftPrerouting => loaded.put_up_nft(list, "flags interval;", PREROUTING)?,
            Self::NftExactIngress => loaded.put_up_nft(list, "", INGRESS)?,
            Self::NftExactPrerouting => loaded.put_up_nft(list, "", PREROUTING)?,
            Self::Ipset => loaded.put_up_ipset(list)?,
            Self::XdpFilter => loaded.put_up_xdp_filter(list)?,
        }
        Ok(loaded)
    }

    /// One more address, as its user would add it.
    pub fn add(self, loaded: &Loaded, address: Ipv4Addr) -> Result<Took> {
        let address = address.to_string();
        let tool = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        };
        let element = format!("{{ {address} }}");
        let command = match self {
            Self::Firewall => match &loaded.product {
                Some((_, product)) => product.command(&["block", &address]),
                None => bail!("the product is not up"),
            },
            Self::NftIngress | Self::NftExactIngress => tool(
                "nft",
                &["add", "element", "netdev", "bench", "listed", &element],
            ),
            Self::NftPrerouting | Self::NftExactPrerouting => tool(
                "nft",
                &["add", "element", "ip", "bench", "listed", &element],
            ),
            Self::Ipset => tool("ipset", &["add", "listed", &address]),
            Self::XdpFilter => tool("xdp-filter", &["ip", "--mode", "src", &address]),
            Self::DropAll | Self::Nothing | Self::Lpm => bail!("there is no command for that"),
        };
        watch::run(&loaded.scene.namespace, command, PATIENCE)
    }
}

/// Family and hook of an nft chain.
const INGRESS: (&str, &str) = (
    "netdev",
    "type filter hook ingress device bench1 priority 0;",
);
const PREROUTING: (&str, &str) = ("ip", "type filter hook prerouting priority raw;");

impl Loaded {
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn put_up_product(&mut self, list: &List<u32>) -> Result<()> {
        let interfaces = format!("interfaces = ['{FILTERED}']\n");
        let product = Product::new(&binary()?, &interfaces)?;
        let daemon = product.start(&self.scene.namespace)?;
        let path = self.write(
            "list.txt",
            &text(&list.entries, |text, entry| {
                let _ = writeln!(text, "{entry}");
            }),
        )?;
        // A first copy: one that had grown from few entries would wait in quarantine.
        product.configure(&format!(
            "{interfaces}[[feed]]\nname = 'bench'\nmax_coverage = 4294967296\npath = {path:?}\n\
             mode = 'enforce'\n"
        ))?;
        let update = product.command(&["feeds", "update"]);
        self.took = Some(watch::run(&self.scene.namespace, update, PATIENCE)?);
        daemon.hang_up()?;
        self.product = Some((daemon, product));
        Ok(())
    }

    fn attach(&mut self, program: &str, trie: &[Prefix<u32>]) -> Result<()> {
        let image = Image::compile(&firewall::ruleset::Ruleset::default())?;
        let mut object = Object::new::<u32>(&image, trie, 1)?;
        object.load(program)?;
        let index = self.scene.filtered()?;
        let attached = self.scene.namespace.enter(|| {
            let xdp = object.program_mut(program)?;
            xdp.attach_to_if_index(index, XdpMode::Driver)
                .context("cannot attach a program of the bench")
        })?;
        attached?;
        self._object = Some(object);
        Ok(())
    }

    fn put_up_nft(
        &mut self,
        list: &List<u32>,
        flags: &str,
        (family, hook): (&str, &str),
    ) -> Result<()> {
        let elements = text(&list.outermost(), |text, entry| {
            let _ = writeln!(text, "{entry},");
        });
        let path = self.write(
            "list.nft",
            &format!(
                "table {family} bench {{\nset listed {{ type ipv4_addr; {flags}\nelements = {{ \
                 {elements} }}\n}}\nchain bench {{ {hook} policy accept;\nip saddr @listed \
                 drop\nip daddr @listed drop\n}}\n}}\n"
            ),
        )?;
        self.scene.receive_without_program()?;
        let mut load = Command::new("nft");
        load.arg("-f").arg(path);
        self.took = Some(watch::run(&self.scene.namespace, load, PATIENCE)?);
        Ok(())
    }

    fn put_up_ipset(&mut self, list: &List<u32>) -> Result<()> {
        let entries = list.outermost();
        let buckets = (entries.len() / 2).next_power_of_two();
        let adds = text(&entries, |text, entry| {
            let _ = writeln!(text, "add listed {entry}");
        });
        let path = self.write(
            "list.ipset",
            &format!(
                "create listed hash:net family inet hashsize {buckets} maxelem {}\n{adds}",
                2 * entries.len()
            ),
        )?;
        self.scene.receive_without_program()?;
        let mut load = Command::new("ipset");
        load.args(["restore", "-file"]).arg(path);
        self.took = Some(watch::run(&self.scene.namespace, load, PATIENCE)?);
        for direction in ["src", "dst"] {
            let rule = ["-t", "raw", "-A", "PREROUTING", "-m", "set", "--match-set"];
            let rule = [&rule[..], &["listed", direction, "-j", "DROP"]].concat();
            let done = self
                .scene
                .namespace
                .enter(|| command("iptables-legacy", &rule))?;
            done?;
        }
        Ok(())
    }

    /// Through its map: its own command takes one address at a time, 4 ms each.
    fn put_up_xdp_filter(&mut self, list: &List<u32>) -> Result<()> {
        let in_there = |arguments: &[&str]| {
            let done = self
                .scene
                .namespace
                .enter(|| command("xdp-filter", arguments));
            done?
        };
        in_there(&["load", "--mode", "native", "--features", "ipv4", FILTERED])?;
        self.xdp_filter = true;
        let sample = Ipv4Addr::new(192, 0, 2, 1);
        for mode in ["src", "dst"] {
            in_there(&["ip", "--mode", mode, &sample.to_string()])?;
        }
        let pin = Path::new("/sys/fs/bpf/xdp-filter/filter_ipv4");
        let map = MapData::from_pin(pin).context("xdp-filter has no map of addresses")?;
        let mut map: PerCpuHashMap<_, u32, u64> = PerCpuHashMap::try_from(Map::PerCpuHashMap(map))?;
        let value = map.get(&u32::from_ne_bytes(sample.octets()), 0)?;
        for &(address, _) in &list.entries {
            let value = value.iter().copied().collect::<Vec<u64>>().try_into()?;
            map.insert(address.to_be(), value, 0)
                .context("xdp-filter takes no more addresses")?;
        }
        Ok(())
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if self.xdp_filter {
            // Its pins outlive the namespace otherwise.
            let unload = || command("xdp-filter", &["unload", FILTERED]);
            let _ = self.scene.namespace.enter(unload);
            // libxdp leaves its folder; one that somebody uses is not empty and stays.
            let _ = fs::remove_dir("/sys/fs/bpf/xdp");
        }
    }
}

/// Entries as text, each written by `line`.
pub fn text(entries: &[Prefix<u32>], mut line: impl FnMut(&mut String, &str)) -> String {
    let mut text = String::with_capacity(entries.len() * 20);
    for &(address, length) in entries {
        let address = Ipv4Addr::from_bits(address);
        match length {
            32 => line(&mut text, &address.to_string()),
            _ => line(&mut text, &format!("{address}/{length}")),
        }
    }
    text
}

/// Whether a program is in the path.
pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
