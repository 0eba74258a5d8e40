//! Which tests a guest runs. Each guest boots for minutes at most, under a tenth of the speed of this
//! machine: tests that prove something about a kernel are worth it, tests of the commands are not.

/// Some tests of one test program.
#[derive(Debug)]
pub struct Check {
    /// The test program, of `tests/tests`.
    pub target: &'static str,
    /// Its tests whose name has one of these; all of them where there is none.
    pub only: &'static [&'static str],
}

/// What every guest runs.
pub const CHECKS: &[Check] = &[
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
            "force::",
            "names::an_inside_host_that_calls_out_is_named_with_all_feeds",
            "own_traffic::",
            "swaps::an_install_that_ended_between_two_interfaces_is_brought_forward",
            "swaps::swapping_generations_under_traffic_leaks_nothing_and_loses_nothing",
            "wishes::one_port_of_an_address_is_blocked_and_unblocked",
        ],
    },
];

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
