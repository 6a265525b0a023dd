//! One line on a terminal that says what the program is doing: all there is to show where nothing
//! is read but files.

use std::io::Write as _;

use super::Tasks;

#[derive(Debug)]
pub(super) struct Bars;

impl Bars {
    pub(super) const fn on_stderr() -> Self {
        Self
    }

    pub(super) fn say(&mut self, what: &str) {
        let dots = if what.is_empty() { "" } else { " …" };
        // Nobody is left to be told that it failed.
        let _ = write!(std::io::stderr(), "\r\u{1b}[K{what}{dots}");
    }

    pub(super) fn aside(&self, print: impl FnOnce()) {
        let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        print();
    }

    pub(super) fn clear(&mut self) {
        self.say("");
    }

    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as bars have it")]
    pub(super) const fn arrange(&mut self, _: &Tasks) {}

    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "as bars have it")]
    pub(super) const fn changed(&mut self, _: u64, _: &Tasks) {}
}
