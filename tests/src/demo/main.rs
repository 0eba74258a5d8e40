//! The demo: a gateway between an inside and an outside network, feeds loaded, traffic sent to
//! listed and to ordinary addresses, and an account of what arrived, what was dropped and because
//! of whom. Exit 0 only if every listed packet was dropped and every ordinary one arrived.

mod account;
mod feeds;
mod picture;
mod policy;
mod stages;
mod swaps;
mod traffic;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result};
use clap::Parser;
use tests::{lab::Lab, product::Product};

use stages::Stages;

/// Shows the filter at work between three network namespaces that nothing leads out of.
#[derive(Debug, Parser)]
struct Arguments {
    /// Load every file of this folder whose format is known, instead of the small ones of the
    /// project
    #[arg(long, value_name = "DIR")]
    feeds: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// Leave the lab up and say how to play with it
    #[arg(long)]
    hold: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let begin = Instant::now();
    let binary = std::env::current_exe()?.with_file_name("firewall");
    let folder = match &arguments.feeds {
        Some(folder) => folder.clone(),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/feeds")),
    };
    say("building three network namespaces with no way out");
    let mut lab = Lab::new("firewall-demo").context(
        "cannot build the lab; if an earlier one was held, remove it: for it in inside gateway \
         outside; do ip netns del firewall-demo-$it; done",
    )?;
    let feeds = feeds::known(&folder)?;
    let mut product = Product::new(&binary, &feeds::configuration(&feeds))?;
    let account = Stages::new(&lab, &product).run(&feeds)?;
    // The last line of standard output is for machines where they ask for it.
    match arguments.json {
        true => eprint!("{}", picture::draw(&account)),
        false => print!("{}", picture::draw(&account)),
    }
    say(&format!("took {:.0} s", begin.elapsed().as_secs_f32()));
    if arguments.json {
        println!("{}", account.to_json());
    }
    if arguments.hold {
        lab.keep();
        product.keep();
        hold(&lab, &product);
    }
    Ok(account.is_good())
}

/// Progress, for people.
fn say(text: &str) {
    eprintln!("· {text}");
}

/// Says how to play with what was left behind.
fn hold(lab: &Lab, product: &Product) {
    let options = product.options().join(" ");
    let binary = std::env::current_exe()
        .unwrap_or_default()
        .with_file_name("firewall");
    let gateway = format!(
        "nsenter --net=/run/netns/{} {} {options}",
        lab.gateway.name(),
        binary.display()
    );
    eprintln!(
        "\nThe lab is up, and the filter in force. To play:\n  \
         fw() {{ {gateway} \"$@\"; }}\n  \
         fw status; fw hosts; fw block 203.0.113.99\n  \
         nsenter --net=/run/netns/{} ping -c 1 203.0.113.99\n\
         To remove it:\n  \
         fw unload; umount {}; rm -r {}\n  \
         for it in inside gateway outside; do ip netns del firewall-demo-$it; done",
        lab.inside.name(),
        product.bpffs().display(),
        product.folder().display(),
    );
}
