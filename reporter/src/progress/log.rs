//! Progress in a log: a line where work starts and one where it ends, and in between one now and then.

use std::fmt::{self, Debug, Formatter};
use std::io::Write;
use std::time::{Duration, Instant};

use super::{Tasks, Work};

/// So long nothing is said of work that goes on.
const EVERY: Duration = Duration::from_secs(10);

/// So many are named where more go on.
const NAMED: usize = 3;

/// Where lines go.
pub(super) struct Log {
    out: Box<dyn Write + Send>,
    now: fn() -> Instant,
    /// When the last line was written.
    last: Option<Instant>,
}

impl Log {
    pub(super) fn on_stderr() -> Self {
        Self::to(Box::new(std::io::stderr()), Instant::now)
    }

    fn to(out: Box<dyn Write + Send>, now: fn() -> Instant) -> Self {
        Self { out, now, last: None }
    }

    pub(super) fn started(&mut self, work: &Work) {
        self.line(&format!("{}: started", work.name));
    }

    pub(super) fn ended(&mut self, work: &Work) {
        let seconds = (self.now)().saturating_duration_since(work.since).as_secs();
        self.line(&format!("{}: ended, {} objects in {seconds} s", work.name, work.done));
    }

    pub(super) fn changed(&mut self, tasks: &Tasks) {
        let quiet = self.last.map(|last| (self.now)().saturating_duration_since(last));
        if quiet.is_some_and(|quiet| quiet < EVERY) {
            return;
        }
        let mut line = tasks.values().take(NAMED).map(how_far).collect::<Vec<_>>().join("; ");
        if let Some(more @ 1..) = tasks.len().checked_sub(NAMED) {
            line = format!("{line}; and {more} more");
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        // Nobody is left to be told that it failed.
        let _ = writeln!(self.out, "{line}");
        self.last = Some((self.now)());
    }
}

/// How far it is, in a few words.
fn how_far(work: &Work) -> String {
    let of = work.total.map(|total| format!(" of {total}")).unwrap_or_default();
    let doing = if work.doing.is_empty() { String::new() } else { format!(" ({})", work.doing) };
    format!("{}: {}{of} objects{doing}", work.name, work.done)
}

impl Debug for Log {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::cell::Cell;
    use std::io::Write;
    use std::sync::{Arc, LazyLock, Mutex};
    use std::time::{Duration, Instant};

    use super::Log;
    use crate::progress::{Progress, Screen};

    thread_local! {
        static PASSED: Cell<u64> = const { Cell::new(0) };
    }

    /// As many seconds after the beginning as the test says.
    fn now() -> Instant {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        *BEGINNING + Duration::from_secs(PASSED.get())
    }

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn new() -> (Self, Progress) {
            let paper = Self::default();
            (paper.clone(), Progress::on(Screen::Log(Log::to(Box::new(paper), now))))
        }

        /// What was written since it was last asked.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    #[test]
    fn a_log_has_a_line_for_each_start_and_end_and_one_in_ten_seconds_between() {
        let (paper, progress) = Paper::new();
        progress.say("reading");
        assert!(paper.lines().is_empty(), "work without a name of its own is over soon");
        let prod = progress.task("prod", None);
        assert_eq!(paper.lines(), ["prod: started"]);
        for second in 0..10 {
            PASSED.set(second);
            prod.add(100);
            prod.say("pods");
        }
        assert!(paper.lines().is_empty(), "ten seconds have not passed");
        PASSED.set(10);
        prod.total(5_000);
        prod.add(1);
        assert_eq!(paper.lines(), ["prod: 1000 of 5000 objects (pods)"]);
        PASSED.set(21);
        prod.add(1);
        assert_eq!(paper.lines(), ["prod: 1002 of 5000 objects (pods)"]);
        drop(prod);
        assert!(paper.lines().pop().unwrap().starts_with("prod: ended, 1002 objects in "));
    }

    #[test]
    fn a_log_names_the_oldest_work_and_counts_the_rest() {
        let (paper, progress) = Paper::new();
        let tasks: Vec<_> = (0..5).map(|n| progress.task(&format!("c{n}"), None)).collect();
        assert_eq!(paper.lines().len(), 5);
        PASSED.set(30);
        tasks.last().unwrap().add(7);
        assert_eq!(paper.lines(), ["c0: 0 objects; c1: 0 objects; c2: 0 objects; and 2 more"]);
    }

    #[test]
    fn no_name_can_write_a_line_of_its_own() {
        let (paper, progress) = Paper::new();
        let task = progress.task("a\nb\u{1b}[2J", None);
        PASSED.set(60);
        task.say("c\r\u{7}");
        drop(task);
        let lines = paper.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }
}
