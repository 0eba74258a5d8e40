//! The command line: clap types and nothing else.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{Direction, Mode, duration},
    export::Format as ExportFormat,
    feed::{
        format::{Column, Format, Options as FormatOptions, Separator},
        store::Name,
    },
    subject::{Subject, parse_address},
};

/// XDP packet filter for Linux gateways: drops traffic to and from command-and-control addresses
/// and names the infected host inside.
///
/// Exit codes: 0 done, or the good answer; 1 the other answer (blocked, something to look at); 2 error;
/// 3 stored, but not in force because nothing is attached.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Configuration file [default: /etc/firewall/firewall.toml, with conf.d/*.toml beside it]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of lists, feeds and locks
    #[arg(long, global = true, value_name = "DIR", default_value = crate::state::DEFAULT_PATH)]
    pub state_dir: PathBuf,
    /// Where the BPF file system with our pins is mounted
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/run/firewall/bpf"
    )]
    pub bpffs: PathBuf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load, enforce and refresh feeds until told to stop; stopping leaves the filter in force
    Run(Run),
    /// Do a job of 'run' or 'feeds', which start it
    #[command(hide = true)]
    Worker,
    /// Detach and remove every pin (asks a live run to stop first)
    Unload,
    /// Block addresses: traffic to and from them is dropped
    Block(Add),
    /// Remove entries from the block list
    Unblock(Remove),
    /// Allow addresses: whatever feeds say, they are never the reason for a drop
    Allow(Allow),
    /// Remove entries from the allow list
    Disallow(Remove),
    /// List the operator's entries, and what feeds list and in which mode
    List(List),
    /// Say what is attached, what is in force and whether that is what the files say
    Status,
    /// Count packets by interface and reason, and hits by source
    Stats,
    /// Name the inside hosts that talked to listed addresses
    Hosts,
    /// Say whether an address is blocked, by whom and since when, or why not
    Why(Why),
    /// Say what the filter would do with the packets of a capture
    Replay(Replay),
    /// Look after feeds; alone it lists them
    Feeds(Feeds),
    /// Print what is dropped here, for another gateway's feed or for another program
    Export(Export),
    /// Look after the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Take the configuration and the lists into force, and tell a live run to read them again
    Reload,
}

/// `run`
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Attach to this interface instead of the configured ones; may be given several times
    #[arg(long, value_name = "IF")]
    pub interface: Vec<String>,
    /// Load the build of the kernel program that logs each hit; for finding faults only
    #[arg(long)]
    pub trace_kernel: bool,
}

/// `block` and `allow`
#[derive(Debug, Args)]
pub struct Add {
    /// What it is about.
    #[command(flatten)]
    pub prefixes: Prefixes,
    /// End the entry after this time, such as 2h or 7d
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Why, in your words; shown by 'why' and 'list'
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub reason: Option<String>,
    /// Accept a prefix wider than /8 (IPv4) or /19 (IPv6)
    #[arg(long)]
    pub force: bool,
}

/// `allow`
#[derive(Debug, Args)]
pub struct Allow {
    /// The entries.
    #[command(flatten)]
    pub add: Add,
    /// Pass all packets to and from these addresses, even those of a blocked other end
    #[arg(long)]
    pub exempt: bool,
}

/// `unblock` and `disallow`
#[derive(Debug, Args)]
pub struct Remove {
    /// What it is about.
    #[command(flatten)]
    pub prefixes: Prefixes,
}

/// Prefixes on the command line or in a file.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Prefixes {
    /// Address, prefix or port of an address, such as 192.0.2.7, 2001:db8::/32, 192.0.2.7:4444/tcp
    #[arg(value_name = "PREFIX")]
    pub prefixes: Vec<Subject>,
    /// Read more from FILE, one a line, or from standard input if FILE is -
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `list`
#[derive(Debug, Args)]
pub struct List {
    /// Only the operator's own lists
    #[arg(long, conflicts_with = "feed")]
    pub local: bool,
    /// Only this feed
    #[arg(long, value_name = "NAME")]
    pub feed: Option<String>,
}

/// `why`
#[derive(Debug, Args)]
pub struct Why {
    /// Addresses to explain, without ports
    #[arg(value_name = "ADDRESS", required = true, value_parser = parse_address)]
    pub addresses: Vec<IpAddr>,
}

/// `replay`
#[derive(Debug, Args)]
pub struct Replay {
    /// Capture of an Ethernet device, pcap or pcapng
    pub file: PathBuf,
    /// Judge by this list alone instead of by what is in force; nothing is protected then
    #[arg(long, value_name = "FILE")]
    pub blocklist: Option<PathBuf>,
    /// Print a line for each packet
    #[arg(long)]
    pub each: bool,
    /// Do not load the program into the kernel; judge by the same code here alone
    #[arg(long)]
    pub no_kernel: bool,
}

/// `export`
#[derive(Debug, Args)]
pub struct Export {
    /// What to write; plain unless --json asks for json
    #[arg(long)]
    pub format: Option<ExportFormat>,
    /// Only what a feed of this direction would drop: out (C&C addresses) or in (attackers)
    #[arg(long, value_parser = parse_direction)]
    pub direction: Option<Direction>,
    /// What is only monitored as well
    #[arg(long)]
    pub monitored: bool,
}

fn parse_direction(name: &str) -> Result<Direction, String> {
    match name {
        "out" => Ok(Direction::Out),
        "in" => Ok(Direction::In),
        _ => Err(format!("'{name}' is neither out nor in")),
    }
}

/// `feeds`
#[derive(Debug, Args)]
pub struct Feeds {
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<FeedsCommand>,
}

/// The commands of `feeds`.
#[derive(Debug, Subcommand)]
pub enum FeedsCommand {
    /// List the feeds, how large and how old they are, and what is wrong with them
    List,
    /// Fetch now and take into force what changed
    Update(Update),
    /// Show every decision about a feed: its state, what is left out and why, what is in quarantine
    Show {
        /// The feed
        name: String,
    },
    /// Put in force what is in quarantine of a feed, what waits and what is held back
    Accept {
        /// The feed
        name: String,
    },
    /// Read a file as a feed would be read, and say what is in it; changes nothing
    Parse(Parse),
    /// Say what each feed is worth beside the others: size, overlap, churn, hits
    Compare,
    /// Say what would change if a list were a feed that drops; changes nothing
    Try(Try),
    /// Show the feeds that can be switched on by name, or all that is known about one
    Catalogue {
        /// Only this feed
        name: Option<Name>,
    },
    /// Switch a feed of the catalogue on: writes conf.d/feed-NAME.toml and takes it into force
    Enable(Enable),
    /// Switch off what 'enable' switched on
    Disable {
        /// Name in the catalogue
        name: Name,
    },
}

/// `feeds update`
#[derive(Debug, Args)]
pub struct Update {
    /// Only this feed
    pub name: Option<String>,
    /// Ask also where the provider wants to be left alone for longer
    #[arg(long)]
    pub force: bool,
}

/// `feeds enable`
#[derive(Debug, Args)]
pub struct Enable {
    /// Name in the catalogue
    pub name: Name,
    /// What is done with its addresses: monitor (count and report) or enforce (drop)
    /// [default: monitor]
    #[arg(long, value_parser = parse_mode)]
    pub mode: Option<Mode>,
    /// File with the key, for a feed that needs one
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

fn parse_mode(name: &str) -> Result<Mode, String> {
    let modes = [Mode::Monitor, Mode::Enforce];
    let found = modes.into_iter().find(|mode| mode.as_str() == name);
    found.ok_or_else(|| format!("'{name}' is neither monitor nor enforce"))
}

/// `feeds parse`
#[derive(Debug, Args)]
pub struct Parse {
    /// File; gzip, zstd and zip are unpacked
    pub file: PathBuf,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
}

/// `feeds try`
#[derive(Debug, Args)]
pub struct Try {
    /// File or http(s) address; gzip, zstd and zip are unpacked
    #[arg(value_name = "FILE|URL")]
    pub source: String,
    /// How it is read.
    #[command(flatten)]
    pub reading: Reading,
    /// What its addresses are: called from inside (out) or attackers (in)
    #[arg(long, default_value = "out", value_parser = parse_direction)]
    pub direction: Direction,
}

/// How a list is read: what a `[[feed]]` says of it.
#[derive(Debug, Args)]
pub struct Reading {
    /// Format of the file, one of those in docs/feeds.md; auto finds it out
    #[arg(long, default_value = "auto", value_parser = parse_format)]
    pub format: Wanted,
    /// csv: column with the address, its number from 1 or its name
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,
    /// csv: what separates columns
    #[arg(long, value_name = "SEPARATOR", value_parser = parse_separator)]
    pub separator: Option<Separator>,
    /// json: where addresses are, such as 'prefixes[].ip_prefix'; may be given several times
    #[arg(long, value_name = "PATH")]
    pub json_path: Vec<String>,
    /// ipsum: lists that must name an address; threatfox and stix: confidence
    #[arg(long, value_name = "NUMBER")]
    pub minimum: Option<u32>,
}

/// A format, or nothing where it is to be found out.
#[derive(Clone, Copy, Debug)]
pub struct Wanted(pub Option<Format>);

impl Reading {
    /// What the format needs to know.
    pub fn options(&self) -> FormatOptions {
        let column = |text: &String| match text.parse() {
            Ok(number) => Column::Number(number),
            Err(_) => Column::Name(text.clone()),
        };
        FormatOptions {
            column: self.column.as_ref().map(column),
            separator: self.separator,
            json_path: self.json_path.clone(),
            minimum: self.minimum,
        }
    }
}

fn parse_format(name: &str) -> anyhow::Result<Wanted> {
    Format::or_auto(name).map(Wanted)
}

fn parse_separator(name: &str) -> Result<Separator, String> {
    let all = Separator::ALL;
    let found = all.into_iter().find(|separator| separator.name() == name);
    let names = all.map(Separator::name).join(", ");
    found.ok_or_else(|| format!("'{name}' is none of {names}"))
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is valid; changes nothing
    Check,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = duration::parse(text)?;
    if duration.is_zero() {
        return Err(format!(
            "'{text}' is over at once; write for example 30m, 2h or 7d"
        ));
    }
    Ok(duration.unsigned_abs())
}

fn parse_reason(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("a reason is one line of text".into());
    }
    Ok(text.trim().to_owned())
}
