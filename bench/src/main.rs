//! `make bench`: measures the run path and the popup against what the machine itself can do in the same run, prints a
//! table and writes `target/bench.json`. See `bench/README.md`.

mod drain;
mod flood;
mod http;
mod load;
mod long_output;
mod output;
mod plugins;
mod popup;
mod queue;
mod raw;
mod remote;
mod report;
mod resources;
mod start;
mod stats;
mod world;

use clap::{Parser, ValueEnum};
use report::Report;
use std::path::PathBuf;
use world::World;

/// A group of figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// `commit_to_process`
    Commit,
    /// `button_to_process`
    Button,
    /// `popup_page`, `popup_api`
    Popup,
    /// `line_to_row`, `line_to_popup`
    Lines,
    /// `line_to_row` alone, without the GUI
    Rows,
    /// `remote_line_to_popup`
    Remote,
    /// `cancel_remote`, `cancel_remote_stubborn`
    Cancel,
    /// `drain_true`, `drain_launcher`
    Drain,
    /// `idle_rss`, `idle_cpu`
    Idle,
    /// `scheduler_rss`, `scheduler_cpu`
    Scheduler,
    /// `running_1000`
    Running,
    /// `flood_rss`, `flood_delay`
    Flood,
    /// `output_200k_lines`
    Output,
    /// `plugin_start_ssh`, `plugin_start_http`, `plugin_start_jenkins`, `plugin_start_sql`
    Plugins,
    /// `load_100k`, `load_100k_again`, `load_100k_rss`
    Load,
    /// `queue_100k`
    Queue,
}

/// Where nothing is named. The queue comes last: it fills the database.
const ALL: [Group; 15] = [
    Group::Commit,
    Group::Button,
    Group::Popup,
    Group::Lines,
    Group::Remote,
    Group::Cancel,
    Group::Drain,
    Group::Idle,
    Group::Scheduler,
    Group::Running,
    Group::Flood,
    Group::Output,
    Group::Plugins,
    Group::Load,
    Group::Queue,
];

/// Measures the programs that were built beside this one, with a durable PostgreSQL of its own.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Measure these groups only
    #[arg(value_name = "GROUP")]
    groups: Vec<Group>,
    /// Rounds of each figure; the medians count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Tasks in a round of `drain`, at most 5,000
    #[arg(long, default_value_t = world::HOSTS)]
    tasks: i64,
    /// Queued tasks of `queue`, at least 10,000 for three rounds
    #[arg(long, default_value_t = 100_000)]
    queued: i64,
    /// Finished tasks of `queue`; five millions take some minutes and gigabytes
    #[arg(long, default_value_t = 5_000_000)]
    finished: i64,
    /// The file with the figures
    #[arg(long, default_value = "target/bench.json")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let groups = if arguments.groups.is_empty() { ALL.to_vec() } else { arguments.groups.clone() };
    let world = World::new()?;
    let mut report = Report::default();
    for group in groups {
        println!("{group:?}");
        measure(group, &world, &mut report, &arguments)?;
        report.write(&arguments.output)?;
    }
    report.print();
    Ok(())
}

fn measure(group: Group, world: &World, report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let rounds = arguments.rounds.max(1);
    match group {
        Group::Commit => start::commit_to_process(world, report, rounds),
        Group::Button => start::button_to_process(world, report, rounds),
        Group::Popup => popup::popup(world, report, rounds),
        Group::Lines => output::lines(world, report, rounds, true),
        Group::Rows => output::lines(world, report, rounds, false),
        Group::Remote => remote::lines(world, report, rounds),
        Group::Cancel => remote::cancels(world, report, rounds),
        Group::Drain => drain::drain(world, report, rounds, arguments.tasks),
        Group::Idle => resources::idle(world, report, rounds),
        Group::Scheduler => resources::scheduler(world, report, rounds),
        Group::Running => resources::running(world, report),
        Group::Flood => flood::flood(world, report, rounds),
        Group::Output => long_output::output(world, report, rounds),
        Group::Plugins => plugins::plugin_start(report, rounds),
        Group::Load => load::load(world, report, rounds),
        Group::Queue => {
            let size = queue::Size { queued: arguments.queued, finished: arguments.finished };
            queue::claims(world, report, rounds, &size)
        }
    }
}
