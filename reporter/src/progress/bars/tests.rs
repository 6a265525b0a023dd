#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressDrawTarget, ProgressStyle, TermLike};

use super::{Bars, HEAD, LINES, MEASURED, MORE, OPEN, rate};
use crate::progress::{Progress, Screen, Work};

/// Its columns.
const WIDTH: usize = 100;

/// A terminal as far as lines need one.
#[derive(Clone, Debug, Default)]
struct Terminal(Arc<Mutex<Grid>>);

#[derive(Debug, Default)]
struct Grid {
    rows: Vec<String>,
    row: usize,
    /// The most that was ever on it.
    tallest: usize,
}

impl Terminal {
    fn with<R>(&self, change: impl FnOnce(&mut Grid) -> R) -> R {
        change(&mut self.0.lock().unwrap())
    }

    /// What can be seen.
    fn rows(&self) -> Vec<String> {
        self.with(|grid| grid.rows.iter().map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect())
    }

    fn progress() -> (Self, Progress) {
        let terminal = Self::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (terminal, Progress::on(Screen::Bars(Bars::on(target))))
    }
}

impl Grid {
    fn here(&mut self) -> &mut String {
        let row = self.row;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, String::new());
        }
        self.rows.get_mut(row).unwrap()
    }

    /// Writes on, and goes to the next row where one is full.
    fn write(&mut self, text: &str) {
        for letter in text.chars() {
            if self.here().chars().count() >= WIDTH {
                self.row += 1;
                self.here().clear();
            }
            self.here().push(letter);
        }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        WIDTH.try_into().unwrap()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.row = grid.row.saturating_sub(n));
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.row += n);
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.with(|grid| {
            grid.write(text);
            grid.row += 1;
        });
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.with(|grid| {
            grid.write(text);
            let seen = grid.rows.iter().filter(|row| !row.trim().is_empty()).count();
            grid.tallest = grid.tallest.max(seen);
        });
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.with(|grid| grid.here().clear());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_template_is_one() {
    for template in [HEAD, OPEN, MEASURED, MORE] {
        assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
    }
}

#[test]
fn work_has_a_line_with_its_name_its_count_and_what_it_is_doing() {
    let (terminal, progress) = Terminal::progress();
    let open = progress.task("prod-weu", None);
    let measured = progress.task("dev-\u{1b}[2Jneu", Some(10));
    open.add(12_345);
    open.say("pods");
    measured.total(2_000);
    measured.add(1_000);
    let rows = terminal.rows();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let row = |name: &str| rows.iter().find(|row| row.contains(name)).unwrap_or_else(|| panic!("{name}: {rows:#?}"));
    assert!(row("reading").starts_with(['|', '/', '-', '\\']), "{rows:#?}");
    assert!(row("prod-weu").contains("12,345") && row("prod-weu").ends_with("pods"), "{rows:#?}");
    assert!(row("dev-\u{fffd}[2Jneu").contains("1,000/2,000 [========>"), "{rows:#?}");
}

#[test]
fn more_than_was_expected_is_no_more_than_all() {
    let (terminal, progress) = Terminal::progress();
    let task = progress.task("prod", Some(10));
    task.add(15);
    assert!(terminal.rows().iter().any(|row| row.contains("15/15")), "{:#?}", terminal.rows());
}

#[test]
fn the_rest_is_counted_in_one_line_and_moves_up_as_others_end() {
    let (terminal, progress) = Terminal::progress();
    let mut tasks: Vec<_> = (0..52).map(|n| Some(progress.task(&format!("cluster-{n:02}"), None))).collect();
    let rows = terminal.rows();
    assert_eq!(rows.len(), LINES + 2, "{rows:#?}");
    assert!(rows.last().unwrap().contains("and 40 more"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("cluster-11")) && !rows.iter().any(|row| row.contains("cluster-12")));
    tasks.get_mut(3).unwrap().take();
    let rows = terminal.rows();
    assert!(rows.last().unwrap().contains("and 39 more"), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.contains("cluster-03")) && rows.iter().any(|row| row.contains("cluster-12")));
    tasks.truncate(12);
    assert!(!terminal.rows().iter().any(|row| row.contains("more")), "{:#?}", terminal.rows());
    assert!(terminal.with(|grid| grid.tallest) <= LINES + 2, "never more lines than there is room for");
}

#[test]
fn nothing_is_left_on_the_terminal_at_the_end() {
    let (terminal, progress) = Terminal::progress();
    progress.say("reading");
    let task = progress.task("prod", None);
    task.add(1);
    assert_eq!(terminal.rows().len(), 2);
    drop(task);
    assert_eq!(terminal.rows().len(), 1);
    progress.say("");
    assert!(terminal.rows().is_empty(), "{:#?}", terminal.rows());

    // Nor if something fails while work goes on.
    let task = progress.task("prod", None);
    progress.say("judging");
    assert!(!terminal.rows().is_empty());
    progress.clear();
    assert!(terminal.rows().is_empty(), "{:#?}", terminal.rows());
    drop((task, progress));
    assert!(terminal.rows().is_empty(), "{:#?}", terminal.rows());
}

#[test]
fn a_rate_is_told_once_a_second_has_passed() {
    let since = Instant::now();
    let work = Work { name: "prod".into(), done: 1_000, total: None, doing: String::new(), since };
    assert_eq!(rate(&work, since), None);
    assert_eq!(rate(&work, since + Duration::from_secs(4)), Some(250));
}
