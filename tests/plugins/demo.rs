//! The plugins that look at the machine itself or only show something.

use crate::run::Plugin;

#[test]
fn demo_result_ends_as_told() {
    for (word, code) in [("ok", 0), ("warning", 1), ("critical", 2), ("unknown", 3)] {
        let ended = Plugin::new("demo_result.sh").args(["--result", word, "--message", "it's; $(id)"]).run();
        assert_eq!(ended.code, code);
        assert_eq!(ended.text(), format!("{} - it's; $(id)\n", word.to_uppercase()));
    }
    assert_eq!(Plugin::new("demo_result.sh").args(["--result", "fine"]).run().code, 3);
    assert_eq!(Plugin::new("demo_result.sh").run().code, 3);
}

#[test]
fn disk_usage_tells_each_result() {
    for (warning, critical, code, word) in
        [("100", "100", 0, "OK - "), ("0", "100", 1, "WARNING - "), ("0", "0", 2, "CRITICAL - ")]
    {
        let ended = Plugin::new("disk_usage.sh")
            .args(["--path", "/", "--warning", warning, "--critical", critical])
            .run();
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.first_line().starts_with(word), "{ended:?}");
        assert!(ended.first_line().contains("| 'used'="), "{ended:?}");
    }
}

#[test]
fn disk_usage_refuses_what_is_not_there_and_thresholds_the_wrong_way_round() {
    for path in ["/no/such/path", "--help", "$(id)", "*"] {
        let ended = Plugin::new("disk_usage.sh").args(["--path", path]).run();
        assert_eq!(ended.code, 3, "{ended:?}");
    }
    let ended = Plugin::new("disk_usage.sh").args(["--warning", "90", "--critical", "80"]).run();
    assert_eq!(ended.code, 3);
    for number in ["", "-1", "101", "x", "99999999999999999999"] {
        assert_eq!(Plugin::new("disk_usage.sh").args(["--warning", number]).run().code, 3, "{number}");
    }
}

#[test]
fn load_tells_each_result() {
    for (warning, critical, code) in [("90000", "99999.99", 0), ("0", "99999", 1), ("0", "0.00", 2)] {
        let ended = Plugin::new("load.sh").args(["--warning", warning, "--critical", critical]).run();
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.first_line().contains("'load_per_processor'="), "{ended:?}");
    }
    for number in ["", "1.", ".5", "1.234", "-1", "1e3"] {
        assert_eq!(Plugin::new("load.sh").args(["--warning", number]).run().code, 3, "{number}");
    }
}

#[test]
fn steps_says_where_it_was_stopped() {
    let mut running = Plugin::new("steps.sh").args(["--seconds", "3600"]).start();
    running.wait_for_line("step Prepare");
    running.cancel();
    let ended = running.end();
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("CRITICAL - stopped in step Prepare"), "{ended:?}");
}
