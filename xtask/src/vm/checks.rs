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
    /// But not those whose name has one of these.
    pub except: &'static [&'static str],
}

/// What every guest runs.
const CHECKS: &[Check] = &[
    only(
        "stack",
        &["the_deepest_calls_stay_below_what_every_kernel_allows"],
    ),
    only("budget", &[]),
    only("bpftool", &[]),
    only("trace", &[]),
    only("corpus", &[]),
    Check {
        target: "verdicts",
        only: &[],
        // It loads the program for each of its cases, to show what other tests of the ledger show as well.
        except: &["ledger::an_entry_is_about_the_port_of_the_service"],
    },
    only("oracle", &["the_kernel_agrees_with_looking_at_every_entry"]),
    only(
        "namespaces",
        &[
            "devices::a_deleted_device_is_said_and_the_other_one_still_takes_changes",
            "devices::another_program_on_an_interface_is_named_and_nothing_is_replaced",
            "devices::where_the_driver_has_no_native_mode_the_generic_one_is_taken_and_said",
            "evasion::an_attacker_opens_no_connection_in_fragments",
            "evasion::no_number_of_priority_tags_hides_a_packet",
            "force::a_blocked_address_is_cut_off_and_an_unblocked_one_is_not",
            "force::a_killed_run_leaves_the_filter_in_force",
            "force::a_restart_adopts_what_is_pinned",
            "force::unload_leaves_no_link_no_program_and_no_map_in_the_kernel",
            "kernel::",
            "modes::",
            "own_traffic::what_comes_in_by_a_device_without_ethernet_header_is_judged_at_tcx",
            "own_traffic::what_the_gateway_itself_sends_is_judged_where_it_leaves_if_that_is_asked_for",
            "own_traffic::what_the_gateway_sends_into_a_tunnel_is_judged",
            "swaps::an_install_that_ended_between_two_interfaces_is_brought_forward",
            "swaps::swapping_generations_under_traffic_leaks_nothing_and_loses_nothing",
            "vlans::what_vlan_devices_carry",
        ],
    ),
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

const fn only(target: &'static str, only: &'static [&'static str]) -> Check {
    Check {
        target,
        only,
        except: &[],
    }
}

impl Check {
    /// The line of the list that the first process of a guest reads: the program and its arguments.
    /// One test at a time, as everywhere: they share the kernel.
    pub fn line(&self) -> String {
        let fixed = [self.target, "--show-output", "--test-threads=1"];
        let except = self.except.iter().flat_map(|name| ["--skip", name]);
        let only = self.only.iter().copied();
        let words: Vec<&str> = fixed.into_iter().chain(except).chain(only).collect();
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
            except: &["swaps::a_hundred"],
        };
        let line =
            "namespaces --show-output --test-threads=1 --skip swaps::a_hundred force:: swaps::\n";
        assert_eq!(check.line(), line);
    }
}
