//! One promise each, broken on purpose at one place.

mod commits;
mod crashes;
mod managers;
mod outages;
mod queue;
mod restarts;

use libtest_mimic::Trial;
use std::time::Duration;
use test_support::Fault;

/// How much the scenarios do that can do more.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Commits that are cut.
    pub cuts: usize,
    /// Tasks that managers share.
    pub tasks: usize,
    /// Restarts of every manager.
    pub restarts: usize,
    /// Tasks that are asked for while the GUI and the server are killed.
    pub posts: usize,
    /// How often manager, launcher and keeper are killed under a plugin that resists.
    pub kills: usize,
}

impl Size {
    /// For every test run.
    pub const SMALL: Self = Self { cuts: 40, tasks: 300, restarts: 3, posts: 160, kills: 1 };
    /// As the guarantees name them: for a soak.
    pub const LARGE: Self = Self { cuts: 500, tasks: 10_000, restarts: 100, posts: 10_000, kills: 250 };
}

type Sized = (&'static str, fn(&Size));

/// The scenarios that have a size.
pub fn sized(size: Size) -> Vec<Trial> {
    let scenarios: [Sized; 5] = [
        (
            "crashes::what_was_acknowledged_survives_the_gui_and_the_server",
            crashes::what_was_acknowledged_survives_the_gui_and_the_server,
        ),
        (
            "commits::a_lost_acknowledgement_neither_loses_nor_doubles",
            commits::a_lost_acknowledgement_neither_loses_nor_doubles,
        ),
        (
            "managers::four_managers_and_a_zombie_share_many_tasks",
            managers::four_managers_and_a_zombie_share_many_tasks,
        ),
        ("crashes::nothing_survives_manager_and_launcher", crashes::nothing_survives_manager_and_launcher),
        ("restarts::a_rolling_restart_loses_nothing", restarts::a_rolling_restart_loses_nothing),
    ];
    let trial = |(name, scenario): Sized| {
        Trial::test(name, move || {
            scenario(&size);
            Ok(())
        })
    };
    scenarios.into_iter().map(trial).collect()
}

/// One for each kind of trouble with the network.
fn networks() -> Vec<Trial> {
    let faults = [
        ("latency_5_s", Fault::Latency(Duration::from_secs(5))),
        ("blackhole", Fault::Blackhole),
        ("half_open", Fault::HalfOpen),
        ("bandwidth_10_kb_s", Fault::Bandwidth(10_000)),
        ("reset", Fault::Reset),
        ("refused", Fault::Refuse),
        ("slices", Fault::Slices(1)),
    ];
    let trial = |(name, fault): (&str, Fault)| {
        Trial::test(format!("outages::nothing_hangs_at_{name}"), move || {
            outages::nothing_hangs(fault);
            Ok(())
        })
    };
    faults.into_iter().map(trial).collect()
}

/// Every scenario in its small size, the long ones first.
pub fn all() -> Vec<Trial> {
    let scenarios: &[(&str, fn())] = &[
        ("crashes::a_manager_dies_at_each_of_its_points", crashes::a_manager_dies_at_each_of_its_points),
        ("crashes::a_launcher_dies_at_each_of_its_points", crashes::a_launcher_dies_at_each_of_its_points),
        (
            "crashes::a_stopping_manager_dies_at_each_of_its_points",
            crashes::a_stopping_manager_dies_at_each_of_its_points,
        ),
        ("crashes::a_scheduler_dies_at_each_of_its_points", crashes::a_scheduler_dies_at_each_of_its_points),
        (
            "crashes::a_manager_dies_at_each_of_its_spool_points",
            crashes::a_manager_dies_at_each_of_its_spool_points,
        ),
        (
            "crashes::a_scheduler_dies_with_a_slot_that_it_has_taken",
            crashes::a_scheduler_dies_with_a_slot_that_it_has_taken,
        ),
        (
            "outages::what_runs_while_the_server_only_reads_is_stored_afterwards",
            outages::what_runs_while_the_server_only_reads_is_stored_afterwards,
        ),
        (
            "outages::a_spool_that_cannot_be_written_once_loses_nothing",
            outages::a_spool_that_cannot_be_written_once_loses_nothing,
        ),
        (
            "outages::an_outage_is_known_on_a_server_that_speaks_another_language",
            outages::an_outage_is_known_on_a_server_that_speaks_another_language,
        ),
        (
            "outages::a_full_disk_makes_plugins_wait_and_nobody_crash",
            outages::a_full_disk_makes_plugins_wait_and_nobody_crash,
        ),
        ("crashes::the_gui_dies_at_each_of_its_points", crashes::the_gui_dies_at_each_of_its_points),
        (
            "managers::who_was_frozen_after_a_claim_starts_nothing_that_is_lost",
            managers::who_was_frozen_after_a_claim_starts_nothing_that_is_lost,
        ),
        (
            "queue::a_notification_wakes_at_once_also_after_the_listener_was_killed",
            queue::a_notification_wakes_at_once_also_after_the_listener_was_killed,
        ),
        ("queue::tasks_start_without_any_notification", queue::tasks_start_without_any_notification),
        (
            "queue::ten_thousand_queued_tasks_are_never_searched_through",
            queue::ten_thousand_queued_tasks_are_never_searched_through,
        ),
        (
            "queue::fifty_requests_with_one_key_make_one_task",
            queue::fifty_requests_with_one_key_make_one_task,
        ),
        (
            "queue::a_wrong_clock_of_the_gui_neither_expires_tasks_nor_keeps_them",
            queue::a_wrong_clock_of_the_gui_neither_expires_tasks_nor_keeps_them,
        ),
        ("model::finds_what_is_broken", crate::model::finds_what_is_broken),
        ("points::are_all_listed", crate::points::are_all_listed),
    ];
    let trial = |(name, scenario): &(&str, fn())| {
        let scenario = *scenario;
        Trial::test(*name, move || {
            scenario();
            Ok(())
        })
    };
    sized(Size::SMALL).into_iter().chain(networks()).chain(scenarios.iter().map(trial)).collect()
}
