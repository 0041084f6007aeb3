//! Small charts of runs over time, as numbers that a template writes into an SVG.

use chrono::{DateTime, TimeDelta, Utc};
use selfservice_core::models::tasks::statistics::{Course, DAYS, Outcomes, STRETCHES, STRETCHES_OF_A_DAY};

/// Units of the picture's width that one stretch of time takes.
const STEP: usize = 10;
/// Of these, the bar takes so many.
const BAR: usize = 8;

/// A picture and the same in words.
pub struct Chart {
    /// Width of the picture in its own units.
    pub width: usize,
    /// Height likewise.
    pub height: i64,
    /// The rectangles.
    pub bars: Vec<Bar>,
    /// What it shows, for those who do not see it.
    pub words: String,
}

/// One rectangle.
pub struct Bar {
    /// A word of the style sheet.
    pub tone: &'static str,
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: i64,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: i64,
}

/// A share in per cent with one digit, rounded down so that 100 % means all.
pub fn share(part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "–".to_owned();
    }
    let per_mille = part * 1000 / whole;
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// How many runs there were, as high as there were many.
pub fn of_counts(course: &Course, since: DateTime<Utc>, height: i64) -> Chart {
    let most = course.iter().map(|outcomes| outcomes.runs()).max().unwrap_or(0);
    let words = days(course, since, |sum| match sum.runs() {
        0 => "none".to_owned(),
        runs => format!("{runs}, {} of them OK", sum.ok),
    });
    chart(course, height, most, format!("Runs per day: {words}"))
}

/// How many of the runs ended well, as high as their share; where nothing ran there is a line.
pub fn of_shares(name: &str, course: &Course, since: DateTime<Utc>, height: i64) -> Chart {
    let words = days(course, since, |sum| match sum.runs() {
        0 => "none".to_owned(),
        runs => share(sum.ok, runs),
    });
    chart(course, height, 0, format!("Share of OK of {name} per day: {words}"))
}

/// `most` runs fill the height; 0: every stretch fills it.
fn chart(course: &Course, height: i64, most: i64, words: String) -> Chart {
    let mut bars = Vec::new();
    for (at, outcomes) in course.iter().enumerate() {
        let (x, width) = (at * STEP + 1, BAR);
        let whole = if most > 0 { most } else { outcomes.runs() };
        let mut y = height;
        for (tone, count) in
            [("ok", outcomes.ok), ("warning", outcomes.warning), ("critical", outcomes.failed)]
        {
            // The smallest number can be seen too.
            let part = if count > 0 { (count * height / whole).max(2) } else { 0 };
            let part = part.min(y);
            y -= part;
            if part > 0 {
                bars.push(Bar { tone, x, y, width, height: part });
            }
        }
        if outcomes.runs() == 0 {
            bars.push(Bar { tone: "none", x, y: height - 1, width, height: 1 });
        }
    }
    Chart { width: STRETCHES * STEP, height, bars, words }
}

fn days(course: &Course, since: DateTime<Utc>, say: impl Fn(Outcomes) -> String) -> String {
    let sums = course.chunks(STRETCHES_OF_A_DAY).map(|day| day.iter().copied().sum::<Outcomes>());
    let said = names(since).into_iter().zip(sums).map(|(day, sum)| format!("{day} {}", say(sum)));
    said.collect::<Vec<_>>().join("; ")
}

/// The days' names, as they stand below a chart.
pub fn names(since: DateTime<Utc>) -> Vec<String> {
    (0..i64::try_from(DAYS).unwrap_or(0))
        .map(|day| (since + TimeDelta::days(day)).format("%a %-d").to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(ok: i64, warning: i64, failed: i64) -> Outcomes {
        Outcomes { ok, warning, failed }
    }

    #[test]
    fn only_all_are_a_hundred_per_cent() {
        assert_eq!(share(2000, 2000), "100.0 %");
        assert_eq!(share(1999, 2000), "99.9 %");
        assert_eq!(share(0, 0), "–");
    }

    #[test]
    fn bars_stand_on_each_other_and_on_the_ground() {
        let mut course = Course::default();
        course[0] = outcomes(10, 5, 5);
        course[27] = outcomes(1000, 1, 0);
        let chart = of_counts(&course, DateTime::UNIX_EPOCH, 100);
        let first: Vec<_> =
            chart.bars.iter().filter(|bar| bar.x == 1).map(|bar| (bar.tone, bar.height)).collect();
        assert_eq!(first, [("ok", 2), ("warning", 2), ("critical", 2)], "few are seen beside many");
        let last: Vec<_> = chart.bars.iter().filter(|bar| bar.x == 271).collect();
        assert!(last.iter().all(|bar| bar.y >= 0 && bar.y + bar.height <= 100));
        assert_eq!(chart.bars.iter().filter(|bar| bar.tone == "none").count(), 26);
        assert!(
            chart.words.starts_with("Runs per day: Thu 1 20, 10 of them OK; Fri 2 none;"),
            "{}",
            chart.words
        );
    }

    #[test]
    fn shares_fill_the_height() {
        let mut course = Course::default();
        course[4] = outcomes(3, 0, 1);
        let chart = of_shares("x", &course, DateTime::UNIX_EPOCH, 16);
        let bars: Vec<_> =
            chart.bars.iter().filter(|bar| bar.x == 41).map(|bar| (bar.tone, bar.y, bar.height)).collect();
        assert_eq!(bars, [("ok", 4, 12), ("critical", 0, 4)]);
        assert!(chart.words.contains("Fri 2 75.0 %"), "{}", chart.words);
    }
}
