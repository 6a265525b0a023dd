//! Progress on a terminal: a line for what the program is doing, one for each cluster and
//! subscription, and nothing of it left at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Tasks, Work};

/// So many have a line of their own; the rest are counted in one.
const LINES: usize = 12;

/// A sign of life while nothing else changes.
const TICK: Duration = Duration::from_millis(200);

const HEAD: &str = "{spinner} {elapsed:>4} {wide_msg}";
const OPEN: &str = "  {prefix:28!} {human_pos:>10} {wide_msg}";
const MEASURED: &str = "  {prefix:28!} {human_pos:>10}/{human_len} [{bar:16}] {wide_msg}";
const MORE: &str = "  {wide_msg}";

/// The lines.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    head: Option<ProgressBar>,
    /// By the number of their work.
    lines: BTreeMap<u64, ProgressBar>,
    more: Option<ProgressBar>,
    /// What the program says of itself; may be empty.
    said: String,
}

impl Bars {
    pub(super) fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        Self { all, head: None, lines: BTreeMap::new(), more: None, said: String::new() }
    }

    pub(super) fn say(&mut self, what: &str) {
        what.clone_into(&mut self.said);
        self.head();
    }

    /// Prints above the lines.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    /// Gives the oldest tasks their lines.
    pub(super) fn arrange(&mut self, tasks: &Tasks) {
        let ended: Vec<u64> = self.lines.keys().filter(|id| !tasks.contains_key(id)).copied().collect();
        for id in ended {
            if let Some(line) = self.lines.remove(&id) {
                self.remove(&line);
            }
        }
        // Lines stand in the order of their work, since only the last can be new.
        for (id, work) in tasks.iter().take(LINES) {
            if !self.lines.contains_key(id) {
                let line = match &self.more {
                    Some(more) => self.all.insert_before(more, ProgressBar::no_length()),
                    None => self.all.add(ProgressBar::no_length()),
                };
                show(&line, work);
                self.lines.insert(*id, line);
            }
        }
        match (tasks.len().saturating_sub(LINES), self.more.take()) {
            (0, Some(more)) => self.remove(&more),
            (0, None) => {}
            (hidden, more) => {
                let more = more.unwrap_or_else(|| {
                    let more = self.all.add(ProgressBar::no_length());
                    more.set_style(style(MORE));
                    more
                });
                more.set_message(format!("and {hidden} more"));
                self.more = Some(more);
            }
        }
        self.head();
    }

    pub(super) fn changed(&mut self, id: u64, tasks: &Tasks) {
        if let (Some(line), Some(work)) = (self.lines.get(&id), tasks.get(&id)) {
            show(line, work);
        }
    }

    /// Takes every line away.
    pub(super) fn clear(&mut self) {
        self.said.clear();
        for line in std::mem::take(&mut self.lines).into_values().chain(self.more.take()).chain(self.head.take()) {
            self.remove(&line);
        }
    }

    /// There is a first line while anything goes on.
    fn head(&mut self) {
        if self.said.is_empty() && self.lines.is_empty() {
            if let Some(head) = self.head.take() {
                self.remove(&head);
            }
            return;
        }
        let head = self.head.get_or_insert_with(|| {
            let head = self.all.insert(0, ProgressBar::no_length());
            head.set_style(style(HEAD));
            head.enable_steady_tick(TICK);
            head
        });
        head.set_message(if self.said.is_empty() { "reading".to_owned() } else { self.said.clone() });
    }

    fn remove(&self, line: &ProgressBar) {
        line.finish_and_clear();
        self.all.remove(line);
    }
}

/// Writes into a line how far the work is.
fn show(line: &ProgressBar, work: &Work) {
    // More than was expected may turn out to be there.
    let total = work.total.map(|total| total.max(work.done));
    if line.length() != total || line.prefix().is_empty() {
        line.set_prefix(work.name.clone());
        line.set_style(style(if total.is_some() { MEASURED } else { OPEN }));
        match total {
            Some(total) => line.set_length(total),
            None => line.unset_length(),
        }
    }
    line.set_message(match rate(work, Instant::now()) {
        Some(rate) => format!("{rate}/s {}", work.doing),
        None => work.doing.clone(),
    });
    line.set_position(work.done);
}

/// Objects in a second, once there is something to divide by.
fn rate(work: &Work, now: Instant) -> Option<u64> {
    work.done.checked_div(now.saturating_duration_since(work.since).as_secs())
}

fn style(template: &str) -> ProgressStyle {
    // The templates are our own; if one were wrong, a test would say so.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").tick_chars("|/-\\ ")
}

#[cfg(test)]
mod tests;
