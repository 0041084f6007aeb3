//! One promise each, broken on purpose at one place.

mod commits;
mod crashes;
mod managers;
mod queue;
mod restarts;

use libtest_mimic::Trial;

/// Every scenario, the long ones first.
pub fn all() -> Vec<Trial> {
    let scenarios: &[(&str, fn())] = &[
        ("crashes::a_manager_dies_at_each_of_its_points", crashes::a_manager_dies_at_each_of_its_points),
        ("crashes::a_launcher_dies_at_each_of_its_points", crashes::a_launcher_dies_at_each_of_its_points),
        (
            "crashes::a_stopping_manager_dies_at_each_of_its_points",
            crashes::a_stopping_manager_dies_at_each_of_its_points,
        ),
        ("crashes::a_scheduler_dies_at_each_of_its_points", crashes::a_scheduler_dies_at_each_of_its_points),
        ("crashes::the_gui_dies_at_each_of_its_points", crashes::the_gui_dies_at_each_of_its_points),
        (
            "crashes::what_was_acknowledged_survives_the_gui_and_the_server",
            crashes::what_was_acknowledged_survives_the_gui_and_the_server,
        ),
        ("crashes::nothing_survives_manager_and_launcher", crashes::nothing_survives_manager_and_launcher),
        (
            "commits::a_lost_acknowledgement_neither_loses_nor_doubles",
            commits::a_lost_acknowledgement_neither_loses_nor_doubles,
        ),
        (
            "managers::four_managers_and_a_zombie_share_many_tasks",
            managers::four_managers_and_a_zombie_share_many_tasks,
        ),
        ("restarts::a_rolling_restart_loses_nothing", restarts::a_rolling_restart_loses_nothing),
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
    scenarios.iter().map(trial).collect()
}
