//! Stop: the user has had enough, or the machine has. What was read is still reported.

use tokio::sync::watch;

/// Tells whether to stop. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops at the first Ctrl-C or SIGTERM; the second ends the process.
    pub fn on_signal() -> Self {
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if sender.send_replace(true) {
                    std::process::exit(130);
                }
            }
        });
        Self(receiver)
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
