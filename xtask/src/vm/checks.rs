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

/// What `--long` adds: tests of what routers have for devices, and of what becomes of it.
const SHAPES: &[Check] = &[Check {
    target: "namespaces",
    only: &[
        "bridges::",
        "devices::a_live_run_follows_a_device_that_goes_and_comes_back",
        "moving::a_device_in_another_namespace_keeps_its_filter_and_comes_back_with_it",
        "moving::a_renamed_device_keeps_its_filter_and_is_shown_by_its_new_name",
        "shapes::",
        "vlans::what_has_two_tags_is_judged_at_the_ports_below_their_devices",
    ],
    except: &["shapes::cards::"],
}];

/// Likewise, where wires are network cards and not a device of the kernel.
const CARDS: &[Check] = &[only("namespaces", &["shapes::cards::"])];

/// A guest that each kernel boots: what it is called beside the kernel, its network cards, what it runs.
#[derive(Debug)]
pub struct Plan {
    /// Nothing for what is always run.
    pub name: &'static str,
    /// The model of its network cards as QEMU calls it, if it has any.
    pub cards: Option<&'static str>,
    /// Its tests.
    pub checks: Vec<&'static Check>,
}

/// Name, model of the cards, tests; those after the first are long.
type Row = (&'static str, Option<&'static str>, &'static [Check]);
const PLANS: &[Row] = &[
    ("", None, CHECKS),
    ("shapes", None, SHAPES),
    ("virtio", Some("virtio-net-pci"), CARDS),
    ("vmxnet3", Some("vmxnet3"), CARDS),
    ("e1000e", Some("e1000e"), CARDS),
];

/// The guests of each kernel, the long ones if that is asked for: all that they run, or of what has a name
/// among these, a test program or a long guest.
pub fn chosen(names: &[String], long: bool) -> Result<Vec<Plan>> {
    let is_named = |name: &str| names.iter().any(|it| it == name);
    let is_asked_for = |(number, row): &(usize, &Row)| long || *number == 0 || is_named(row.0);
    let rows = PLANS.iter().enumerate().filter(is_asked_for);
    let plan = |(_, &(name, cards, checks)): (usize, &Row)| Plan {
        name,
        cards,
        checks: checks
            .iter()
            .filter(|check| names.is_empty() || is_named(check.target) || is_named(name))
            .collect(),
    };
    let mut plans: Vec<Plan> = rows.map(plan).collect();
    plans.retain(|plan| !plan.checks.is_empty());
    let runs = |plan: &Plan, name: &String| {
        plan.name == name || plan.checks.iter().any(|check| check.target == name)
    };
    match names
        .iter()
        .find(|name| !plans.iter().any(|plan| runs(plan, name)))
    {
        Some(unknown) => bail!(
            "guests run no test program '{unknown}'; say one of {}",
            known().join(", ")
        ),
        None => Ok(plans),
    }
}

/// What can be named.
fn known() -> Vec<&'static str> {
    let targets = CHECKS.iter().map(|check| check.target);
    let guests = PLANS.iter().skip(1).map(|(name, ..)| *name);
    targets.chain(guests).collect()
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
        let targets = |names: &[&str], long| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let plans = chosen(&names, long)?;
            let of = |plan: &Plan| plan.checks.iter().map(|check| check.target).collect();
            Ok::<_, anyhow::Error>(plans.iter().map(of).collect::<Vec<Vec<_>>>())
        };
        assert_eq!(targets(&[], false).unwrap()[0].len(), CHECKS.len());
        assert_eq!(
            targets(&["verdicts", "budget"], true).unwrap(),
            [["budget", "verdicts"]]
        );
        assert_eq!(targets(&["namespaces"], false).unwrap(), [["namespaces"]]);
        assert_eq!(
            targets(&["namespaces"], true).unwrap(),
            vec![["namespaces"]; PLANS.len()]
        );
        assert_eq!(targets(&["vmxnet3"], false).unwrap(), [["namespaces"]]);
        let error = targets(&["budget", "cli"], true).unwrap_err().to_string();
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
