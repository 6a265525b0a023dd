//! Faults on demand: what services do on bad days, and what hostile ones would.

use std::time::Duration;

use super::record::Service;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum What {
    /// This status, with a body as the service writes it.
    Status(u16),
    /// 429 with this Retry-After, in seconds.
    Busy(u64),
    /// JSON whose second half is missing, sent as if it were whole.
    Halved,
    /// Something that is no JSON, called JSON.
    Garbage,
    /// The connection breaks in the middle of the body.
    Cut,
    /// The answer comes late.
    Late(Duration),
    /// No answer ever comes.
    Silence,
    /// The link to the next page leads to a host elsewhere.
    HostileNext,
    /// A redirect elsewhere.
    Redirect,
    /// A page for people, with status 200.
    Html,
    /// The right body, said to be text.
    WrongType,
    /// Status 200 and nothing.
    Empty,
    /// The link to the next page leads to this page again.
    Cycle,
    /// The link to the next page leads to ever new pages without end.
    Endless,
    /// What is asked for is gone: 404.
    Gone,
    /// The service has no such type in any version: 404.
    NoType,
    /// The token is refused: 401.
    Refused,
}

/// A fault, and where it strikes.
#[derive(Clone, Debug)]
pub struct Fault {
    service: Service,
    part: String,
    skip: usize,
    times: usize,
    what: What,
}

// === impl Fault ===

impl Fault {
    /// Strikes every request for a service whose path holds this, in whatever case, and that would be
    /// answered with what it asks for: what is refused or throttled anyway stays so.
    #[must_use]
    pub fn on(service: Service, part: &str, what: What) -> Self {
        Self { service, part: part.to_ascii_lowercase(), skip: 0, times: usize::MAX, what }
    }

    /// Strikes only so often.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// What it does to this request, if it strikes.
    pub(super) fn strike(&mut self, service: Service, path: &str) -> Option<What> {
        if service != self.service || !path.to_ascii_lowercase().contains(&self.part) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.what.clone())
    }
}
