//! Progress: what long work says of itself on a terminal, and nothing anywhere else.

use std::io::IsTerminal as _;

/// A line on standard error, if that is a terminal.
#[derive(Clone, Debug)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Shown on a terminal alone.
    pub fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    /// Says what is being done; nothing any more, if it is empty.
    pub fn say(&self, what: &str) {
        if self.shown {
            let dots = if what.is_empty() { "" } else { " …" };
            eprint!("\r\u{1b}[K{what}{dots}");
        }
    }

    /// Work of its own, such as a cluster or a subscription, and how much of it there is if known.
    pub fn task(&self, name: &str, total: Option<u64>) -> Task {
        let _ = (name, total);
        Task
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Work under way; it has ended when this is dropped.
#[derive(Debug)]
pub struct Task;

impl Task {
    /// So much more was done.
    pub fn add(&self, done: u64) {
        let _ = done;
    }

    /// So much there is to do in all.
    pub fn total(&self, total: u64) {
        let _ = total;
    }

    /// What it is doing now.
    pub fn say(&self, what: &str) {
        let _ = what;
    }
}
