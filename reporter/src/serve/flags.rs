//! The flags of `wiguard serve`, and the units they are written in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Answer admission requests and Gatekeeper's external data, over HTTPS
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  stopped by SIGTERM or SIGINT, after the requests in flight were answered
  2  wrong usage, or a file that cannot be used
  4  wiguard itself failed
 130, 143  stopped at once by a second SIGINT or SIGTERM")]
pub struct Serve {
    /// The certificate to present, with its chain, in PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: PathBuf,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: PathBuf,
    /// Authorities, in PEM; the provider answers only clients with a certificate signed by one of them
    #[arg(long, value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,
    /// The address of the webhook and the provider
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub(super) bind: SocketAddr,
    /// The address of metrics, health and readiness, in plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(super) status_bind: SocketAddr,
    /// The settings of the policy, in YAML or JSON [default: none set]
    #[arg(long, value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,
    /// The policy module to run [default: the one within this program]
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// The trust inventory, a file or folder as `wiguard policy trust -o` writes it [default: the cluster's]
    #[arg(long, value_name = "PATH")]
    pub(super) trust: Option<PathBuf>,
    /// Ask no cluster: ServiceAccounts that a request does not carry are unknown
    #[arg(long)]
    pub(super) no_kube: bool,
    /// The kubeconfig [default: the usual one, or the pod's own account]
    #[arg(long, value_name = "FILE", conflicts_with = "no_kube")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME", conflicts_with = "no_kube")]
    pub(super) context: Option<String>,
    /// The largest request body
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = size)]
    pub(super) max_body: usize,
    /// Requests that may be judged or wait for it at once; more are told to come back
    #[arg(long, value_name = "N", default_value = "64", value_parser = count)]
    pub(super) max_requests: usize,
    /// Connections that may be open at once; more wait in the system's queue
    #[arg(long, value_name = "N", default_value = "512", value_parser = count)]
    pub(super) max_connections: usize,
    /// Requests judged at the same time [default: one for each processor, at least 4]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<usize>,
    /// How long a request may wait to be judged
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(super) max_wait: Duration,
    /// How long the module may take for one request
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(super) deadline: Duration,
    /// The memory that the module may take for one request
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub(super) memory: usize,
    /// How long a lookup in the cluster may take
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(super) lookup_timeout: Duration,
    /// How often files are looked at for changes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(super) reload_interval: Duration,
    /// How long to go on after SIGTERM, not ready, until nobody is sent here any more
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(super) grace: Duration,
    /// How long requests in flight may take to end after that
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(super) drain_timeout: Duration,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
    /// What is logged: error, warn, info, debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub(super) log_level: tracing::level_filters::LevelFilter,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

impl Serve {
    /// How many requests are judged at the same time.
    pub(super) fn judging(&self) -> usize {
        // More than processors, for some may be waiting for the cluster.
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4)))
    }
}

/// A duration as Go writes it: `500ms`, `10s`, `1m30s`, `1.5h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration; write 500ms, 10s or 1m30s");
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, more) = unit.split_at(letters);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
        rest = more;
    }
    // Nothing here lasts longer than a day, or nothing at all.
    if text.is_empty() || seconds > 86_400.0 {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is not a size; write 8MiB or 512KiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| wrong())?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" | "Ki" => 10,
        "MiB" | "Mi" => 20,
        "GiB" | "Gi" => 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(1 << shift).filter(|size| (1..=4 << 30).contains(size)).ok_or_else(wrong)
}

fn count(text: &str) -> Result<usize, String> {
    within(text, 100_000)
}

fn threads(text: &str) -> Result<usize, String> {
    within(text, 1024)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Duration, duration, size};

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("1m30s", 90_000), ("1.5s", 1_500), ("0s", 0)] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "10", "s", "10x", "-1s", "1..5s", "9999h", "NaNs", "1e3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("8MiB").unwrap(), 8 << 20);
        assert_eq!(size("512").unwrap(), 512);
        for text in ["", "0", "8MB", "MiB", "99999999999999999999", "5GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
