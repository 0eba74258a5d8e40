//! One command, one file. Data goes to the writer that is handed in (standard output), messages to
//! standard error.

mod advice;
mod config;
mod coverage;
mod edit;
mod export;
mod feeds;
mod hosts;
mod list;
mod reload;
mod remark;
mod replay;
mod run;
mod sight;
mod stats;
mod status;
mod table;
mod unload;
mod why;

use std::io::Write;

use anyhow::Result;

use crate::{
    cli::{Cli, Command, Options},
    config::Config,
    dataplane::{Change, Dataplane, Object, driver_says, plain},
    filter::{Filter, Outcome},
    local::Verb,
    state::State,
};

/// How a command ended; the number is the exit code. An error is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// Done, or the good answer.
    Success = 0,
    /// The other answer: blocked, or something to look at.
    Negative = 1,
    /// Stored, but not in force because nothing is attached.
    NotInForce = 3,
}

/// Does what the command line says; data is written to `output`.
pub fn run(cli: Cli, output: &mut dyn Write) -> Result<Ending> {
    let options = &cli.options;
    let json = options.json;
    match cli.command {
        Command::Run(arguments) => run::run(options, &arguments),
        Command::Worker => {
            crate::feed::worker::run(output)?;
            Ok(Ending::Success)
        }
        Command::Unload => unload::run(&filter(options, Config::default())),
        Command::Block(arguments) => edit::block(&open_or_kept(options)?, arguments, json, output),
        Command::Allow(arguments) => edit::allow(&open_or_kept(options)?, arguments, json, output),
        Command::Unblock(arguments) => edit::remove(
            &open_or_kept(options)?,
            Verb::Unblock,
            arguments,
            json,
            output,
        ),
        Command::Disallow(arguments) => edit::remove(
            &open_or_kept(options)?,
            Verb::Disallow,
            arguments,
            json,
            output,
        ),
        Command::List(arguments) => list::run(&open_or_kept(options)?, &arguments, json, output),
        Command::Status => status::run(&open_or_kept(options)?, json, output),
        Command::Stats => stats::run(&open_or_kept(options)?, json, output),
        Command::Hosts => hosts::run(&open_or_kept(options)?, json, output),
        Command::Why(arguments) => why::run(&open_or_kept(options)?, &arguments, json, output),
        Command::Replay(arguments) => {
            replay::run(&open_or_kept(options)?, &arguments, json, output)
        }
        Command::Feeds(arguments) => feeds::run(options, arguments.command, output),
        Command::Export(arguments) => {
            export::run(&open_or_kept(options)?, &arguments, json, output)
        }
        Command::Config(_) => config::check(options, output),
        Command::Reload => reload::run(&open(options)?),
    }
}

/// The filter that the options name.
fn open(options: &Options) -> Result<Filter> {
    let kept = State::new(&options.state_dir).configuration();
    let config = Config::load_over(options.config.as_deref(), &kept)?;
    Ok(filter(options, config))
}

/// The same; a mistake in the configuration is said, and that in force is used. For what only shows, or
/// changes the operator's lists: in an emergency it has to work.
fn open_or_kept(options: &Options) -> Result<Filter> {
    let kept = State::new(&options.state_dir).configuration();
    let config = Config::load_or_kept(options.config.as_deref(), &kept)?;
    if let Some(stand_in) = &config.stand_in {
        eprintln!("{}", stand_in.sentence());
    }
    Ok(filter(options, config))
}

fn filter(options: &Options, config: Config) -> Filter {
    Filter {
        config,
        state: State::new(&options.state_dir),
        dataplane: Dataplane::new(&options.bpffs),
        object: Object::Shipped,
    }
}

/// Writes one JSON object and ends the line.
fn write_json(output: &mut dyn Write, value: &impl serde::Serialize) -> Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    Ok(writeln!(output)?)
}

/// Says on standard error what an install did that people want to know.
fn report(outcome: &Outcome) {
    let Outcome::Installed {
        record,
        changes,
        detached,
        not_dropped,
        not_retired,
    } = outcome
    else {
        if let Outcome::Unchanged(not_judged) = outcome {
            not_judged.iter().for_each(|it| eprintln!("{it}"));
        }
        return;
    };
    for (interface, change) in changes {
        if let Some(text) = said(interface, *change) {
            eprintln!("{text}");
        }
    }
    for sentence in not_dropped {
        eprintln!("{sentence}");
    }
    if let Some(failure) = not_retired {
        eprintln!("in force, but what was counted before is not added up yet: {failure:#}");
    }
    if let Some(text) = advice::shared(record) {
        eprintln!("{text}");
    }
    for interface in detached {
        let interface = plain(interface);
        eprintln!("{interface}: detached, it is no longer in the configuration");
    }
}

/// What became of an interface, if people want to know.
fn said(attachment: &str, change: Change) -> Option<String> {
    let interface = &plain(attachment);
    Some(match change {
        Change::AttachedNative => format!("{interface}: attached, in the driver (native)"),
        Change::AttachedGeneric { answer: None } => {
            format!("{interface}: attached in generic mode, each packet costs more")
        }
        Change::AttachedGeneric { answer } => format!(
            "{interface}: attached in generic mode, each packet costs more: {}",
            driver_says(interface, answer)
        ),
        Change::FellBack { answer } => format!(
            "{interface}: attached anew in generic mode, each packet costs more; what came in between was \
             not judged: {}",
            driver_says(interface, answer)
        ),
        Change::AttachedTcx => format!("{interface}: attached, to TCX"),
        Change::TakenOff => format!("{interface}: detached, for what is attached below it"),
        Change::Gone => format!("{interface}: detached, its device is gone"),
        Change::Moved => return None,
    })
}

/// Says that more is in force now than was asked for: what was edited in the configuration meanwhile.
fn say_edited(filter: &Filter, outcome: &Outcome) {
    if filter.config.is_edited() && matches!(outcome, Outcome::Installed { .. }) {
        eprintln!(
            "the configuration was edited since it was put in force last: that is in force now as well"
        );
    }
}

/// The ending of a command that stored something, with a word if it is not in force.
fn ending(outcome: &Outcome) -> Ending {
    report(outcome);
    match outcome {
        Outcome::NothingAttached => {
            eprintln!("stored, NOT in force: nothing is attached; run 'firewall run'");
            Ending::NotInForce
        }
        Outcome::Unchanged(_) | Outcome::Installed { .. } => Ending::Success,
    }
}
