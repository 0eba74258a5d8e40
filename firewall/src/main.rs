//! `firewall`: parse the command line, do it, print an error once, exit.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;
use firewall::{
    cli::Cli,
    command::{self, Ending},
};

/// Exit code of an error.
const ERROR: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = BufWriter::new(io::stdout().lock());
    let result = command::run(cli, &mut output);
    let result = result.and_then(|ending| Ok(output.flush().map(|()| ending)?));
    match result {
        Ok(ending) => ExitCode::from(ending as u8),
        // Whoever reads our output has enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(Ending::Success as u8),
        Err(error) => {
            eprintln!("firewall: {error:#}");
            ExitCode::from(ERROR)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| {
        let json = cause.downcast_ref::<serde_json::Error>();
        let io = cause.downcast_ref::<io::Error>();
        json.and_then(serde_json::Error::io_error_kind)
            .or(io.map(io::Error::kind))
    };
    error
        .chain()
        .any(|cause| kind(cause) == Some(ErrorKind::BrokenPipe))
}
