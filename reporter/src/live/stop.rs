//! Stop: the user has had enough, or the machine has. What was read is still reported.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tokio::sync::watch;

use crate::progress::{Faint, Progress};

/// What a shell says of a process that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// What a shell says of a process that SIGTERM has ended.
const TERMINATED: i32 = 143;

/// Said once, when it begins.
const STOPPING: &str =
    "stopping: what was read is reported, and what was not is in its coverage; press Ctrl-C again to end at once";

/// Tells whether to stop. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Whoever reads now.
struct Reading {
    stop: watch::Sender<bool>,
    progress: Faint,
}

static READING: Mutex<Option<Reading>> = Mutex::new(None);

impl Stop {
    /// Stops at the first Ctrl-C or SIGTERM. The second ends the process, and so does the first as
    /// soon as nobody reads any more: everything that could be told to stop has been dropped.
    ///
    /// # Errors
    /// If signals cannot be waited for.
    pub fn on_signal(progress: &Progress) -> io::Result<Self> {
        static LISTENING: Once = Once::new();
        let (stop, receiver) = watch::channel(false);
        *READING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { stop, progress: progress.faint() });
        let mut listening = Ok(());
        LISTENING.call_once(|| listening = listen());
        listening?;
        Ok(Self(receiver))
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is time to stop, and not before.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes every signal from now on: once taken, a signal never again ends the process by itself,
/// so this goes on for as long as the process does.
fn listen() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                let status = signals.next().await;
                signalled(status);
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

/// Has reading stop, or ends the process with this status.
fn signalled(status: i32) {
    let reading = READING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Reading { stop, progress }) = &*reading {
        if !stop.is_closed() && !*stop.borrow() {
            // Said first: whoever reads may be at its end at once, and then shows nothing any more.
            if let Some(progress) = progress.get() {
                progress.note(STOPPING);
            }
            stop.send_replace(true);
            return;
        }
        if let Some(progress) = progress.get() {
            progress.clear();
        }
    }
    std::process::exit(status);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    interrupt_hard: tokio::signal::windows::CtrlBreak,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_shutdown};
        Ok(Self { interrupt: ctrl_c()?, interrupt_hard: ctrl_break()?, shutdown: ctrl_shutdown()? })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.interrupt_hard.recv() => INTERRUPTED,
            _ = self.shutdown.recv() => TERMINATED,
        }
    }
}
