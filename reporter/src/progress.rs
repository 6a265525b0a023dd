//! Progress: what long work says of itself on standard error: lines that move on a terminal, lines
//! of a log anywhere else, and nothing if that was asked for.

#[cfg(feature = "live")]
mod bars;
#[cfg(not(feature = "live"))]
#[path = "progress/line.rs"]
mod bars;
mod log;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use clap::Args;

use bars::Bars;
use log::Log;

/// How it is to be shown, as typed.
#[derive(Clone, Copy, Debug, Default, Args)]
#[group(id = "progress-flags")]
pub struct Flags {
    /// Show no progress
    #[arg(short, long, conflicts_with = "progress")]
    quiet: bool,
    /// How to show progress, on standard error
    #[arg(long, value_enum, default_value_t = How::Auto, value_name = "HOW")]
    progress: How,
}

/// How to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum How {
    /// Bars on a terminal, log lines elsewhere
    #[default]
    Auto,
    /// Log lines
    Log,
    /// Not at all
    None,
}

/// Shows what is under way. Clones show it in the same place; with the last of them it ends.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Mutex<Board>>);

/// Progress that may have ended.
#[derive(Clone, Debug)]
pub struct Faint(Weak<Mutex<Board>>);

/// Work under way; it has ended when this is dropped.
#[derive(Debug)]
pub struct Task {
    id: u64,
    board: Arc<Mutex<Board>>,
}

/// Everything under way, and where it is shown.
#[derive(Debug)]
struct Board {
    screen: Screen,
    /// The next task's number.
    next: u64,
    tasks: Tasks,
}

/// What is under way, by number: the oldest comes first.
type Tasks = BTreeMap<u64, Work>;

/// A cluster or a subscription, say, and how far it is.
#[derive(Debug)]
struct Work {
    name: String,
    /// Objects that were read.
    done: u64,
    /// How many there are, if that is known.
    total: Option<u64>,
    /// What it is doing now; may be empty.
    doing: String,
    since: Instant,
}

#[derive(Debug)]
enum Screen {
    None,
    Log(Log),
    Bars(Bars),
}

/// Only printable characters: names come from outside, and must not move anybody's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

// === impl Flags ===

impl Flags {
    /// Begins to show.
    pub fn show(self) -> Progress {
        let terminal = || std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Progress::on(match self.progress {
            _ if self.quiet => Screen::None,
            How::None => Screen::None,
            How::Auto if terminal() => Screen::Bars(Bars::on_stderr()),
            How::Auto | How::Log => Screen::Log(Log::on_stderr()),
        })
    }
}

// === impl Progress ===

impl Progress {
    /// Bars on a terminal, log lines elsewhere.
    pub fn new() -> Self {
        Flags::default().show()
    }

    fn on(screen: Screen) -> Self {
        Self(Arc::new(Mutex::new(Board { screen, next: 0, tasks: Tasks::new() })))
    }

    /// Says what the program is doing; nothing any more, and the place is left clean, if it is empty.
    /// A log does not repeat it.
    pub fn say(&self, what: &str) {
        let mut board = board(&self.0);
        if let Screen::Bars(bars) = &mut board.screen {
            bars.say(&printable(what));
        }
    }

    /// Says what the user must know whatever is shown, in a line that stays.
    pub fn note(&self, line: &str) {
        let line = printable(line);
        let print = || {
            // Nobody is left to be told that it failed.
            let _ = writeln!(std::io::stderr(), "{line}");
        };
        match &board(&self.0).screen {
            Screen::Bars(bars) => bars.aside(print),
            Screen::None | Screen::Log(_) => print(),
        }
    }

    /// Work of its own, such as a cluster or a subscription, and how many objects it has if known.
    pub fn task(&self, name: &str, total: Option<u64>) -> Task {
        let mut board = board(&self.0);
        let id = board.next;
        board.next += 1;
        let work = Work { name: printable(name), done: 0, total, doing: String::new(), since: Instant::now() };
        if let Screen::Log(log) = &mut board.screen {
            log.started(&work);
        }
        board.tasks.insert(id, work);
        board.arrange();
        Task { id, board: Arc::clone(&self.0) }
    }

    /// The same, without keeping it up.
    pub fn faint(&self) -> Faint {
        Faint(Arc::downgrade(&self.0))
    }

    /// Leaves nothing on the terminal.
    pub fn clear(&self) {
        if let Screen::Bars(bars) = &mut board(&self.0).screen {
            bars.clear();
        }
    }
}

impl Faint {
    /// What it was, unless it has ended.
    pub fn get(&self) -> Option<Progress> {
        self.0.upgrade().map(Progress)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

fn board(shared: &Mutex<Board>) -> MutexGuard<'_, Board> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Task ===

impl Task {
    /// So many more objects were read.
    pub fn add(&self, done: u64) {
        self.change(|work| work.done = work.done.saturating_add(done));
    }

    /// So many objects there are in all.
    pub fn total(&self, total: u64) {
        self.change(|work| work.total = Some(total));
    }

    /// What it is doing now.
    pub fn say(&self, what: &str) {
        self.change(|work| work.doing = printable(what));
    }

    fn change(&self, change: impl FnOnce(&mut Work)) {
        let board = &mut *board(&self.board);
        if let Some(work) = board.tasks.get_mut(&self.id) {
            change(work);
        }
        match &mut board.screen {
            Screen::None => {}
            Screen::Log(log) => log.changed(&board.tasks),
            Screen::Bars(bars) => bars.changed(self.id, &board.tasks),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut board = board(&self.board);
        let ended = board.tasks.remove(&self.id);
        if let (Screen::Log(log), Some(work)) = (&mut board.screen, ended) {
            log.ended(&work);
        }
        board.arrange();
    }
}

// === impl Board ===

impl Board {
    fn arrange(&mut self) {
        if let Screen::Bars(bars) = &mut self.screen {
            bars.arrange(&self.tasks);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Screen::Bars(bars) = &mut self.screen {
            bars.clear();
        }
    }
}
