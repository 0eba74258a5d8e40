//! Which tests a guest runs. Each guest boots for minutes at most, under a tenth of the speed of this
//! machine: tests that prove something about a kernel are worth it, tests of the commands are not.

use anyhow::{Result, bail};

/// Some tests of one test program.
#[derive(Debug)]
pub struct Check {
    /// The test program, of `tests/tests`.
    pub target: &'static str,
    /// Its tests whose name has one of these; all of them where there is none.
    pub only: &'static [&'static str],
}

/// What every guest runs.
const CHECKS: &[Check] = &[
    Check {
        target: "stack",
        only: &["the_deepest_calls_stay_below_what_every_kernel_allows"],
    },
    all("budget"),
    all("bpftool"),
    all("trace"),
    all("corpus"),
    all("verdicts"),
    Check {
        target: "oracle",
        only: &["the_kernel_agrees_with_looking_at_every_entry"],
    },
    Check {
        target: "namespaces",
        only: &[
            "devices::a_deleted_device_is_said_and_the_other_one_still_takes_changes",
            "devices::another_program_on_an_interface_is_named_and_nothing_is_replaced",
            "devices::where_the_driver_has_no_native_mode_the_generic_one_is_taken_and_said",
            "evasion::",
            "force::a_blocked_address_is_cut_off_and_an_unblocked_one_is_not",
            "force::a_killed_run_leaves_the_filter_in_force",
            "force::a_restart_adopts_what_is_pinned",
            "force::stopping_leaves_the_filter_in_force_and_commands_still_work",
            "force::unload_stops_a_live_run_and_leaves_nothing",
            "names::an_inside_host_that_calls_out_is_named_with_all_feeds",
            "own_traffic::what_comes_in_by_a_device_without_ethernet_header_is_judged_at_tcx",
            "own_traffic::what_the_gateway_itself_sends_is_judged_where_it_leaves_if_that_is_asked_for",
            "own_traffic::what_the_gateway_sends_into_a_tunnel_is_judged",
            "swaps::an_install_that_ended_between_two_interfaces_is_brought_forward",
            "swaps::swapping_generations_under_traffic_leaks_nothing_and_loses_nothing",
            "wishes::one_port_of_an_address_is_blocked_and_unblocked",
        ],
    },
];

/// The checks of the test programs that have these names; all where none is named.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Check>> {
    let all = || CHECKS.iter();
    if let Some(unknown) = names
        .iter()
        .find(|name| all().all(|it| it.target != **name))
    {
        let known: Vec<&str> = all().map(|check| check.target).collect();
        bail!(
            "guests run no test program '{unknown}'; say one of {}",
            known.join(", ")
        );
    }
    let is_chosen = |check: &&Check| names.is_empty() || names.iter().any(|it| it == check.target);
    Ok(all().filter(is_chosen).collect())
}

const fn all(target: &'static str) -> Check {
    Check { target, only: &[] }
}

impl Check {
    /// The line of the list that the first process of a guest reads: the program and its arguments.
    /// One test at a time, as everywhere: they share the kernel.
    pub fn line(&self) -> String {
        let fixed = [self.target, "--show-output", "--test-threads=1"];
        let words: Vec<&str> = fixed.into_iter().chain(self.only.iter().copied()).collect();
        words.join(" ") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_chosen_by_the_name_of_their_program() {
        assert_eq!(chosen(&[]).unwrap().len(), CHECKS.len());
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(&names).map(|it| it.iter().map(|check| check.target).collect::<Vec<_>>())
        };
        assert_eq!(
            names(&["verdicts", "budget"]).unwrap(),
            ["budget", "verdicts"]
        );
        let error = names(&["budget", "cli"]).unwrap_err().to_string();
        assert!(
            error.contains("'cli'") && error.contains("verdicts"),
            "{error}"
        );
    }

    #[test]
    fn a_program_gets_the_names_of_its_tests() {
        let check = Check {
            target: "namespaces",
            only: &["force::", "swaps::"],
        };
        let line = "namespaces --show-output --test-threads=1 force:: swaps::\n";
        assert_eq!(check.line(), line);
    }
}
