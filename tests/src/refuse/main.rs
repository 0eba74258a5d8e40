//! Stands between a process and the kernel (ptrace(2)) and answers some of its bpf(2) calls with an
//! error, as kernels and drivers do that this machine does not have.
//!
//! `refuse PROCESS COMMAND:ATTACH_TYPE:FLAGS:ERRNO…`: each rule says which calls, `*` for any.

#[cfg(target_arch = "x86_64")]
mod trace;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let process = arguments.next().unwrap_or_default().parse()?;
    let rules: Vec<String> = arguments.collect();
    trace::follow(process, &rules)
}

/// Only where registers are known by name.
#[cfg(not(target_arch = "x86_64"))]
mod trace {
    pub fn follow(_: i32, _: &[String]) -> anyhow::Result<()> {
        anyhow::bail!("this machine's registers are not known here: write trace.rs for it")
    }
}
