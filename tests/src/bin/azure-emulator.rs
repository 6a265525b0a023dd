//! A made-up estate behind emulated services of Azure, for measuring and for trying by hand.
//!
//! `azure-emulator [--identities N] [--credentials N] [--subscriptions N] [--applications N]
//! [--factor F] [--port P]`. It prints how to scan it, and every ten seconds what was asked.

#![allow(clippy::indexing_slicing, reason = "an emulated cloud has a caller and a tenant")]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use wiguard_tests::cloud::{Cloud, Estate, Options, Record, Size, Verdict};

const SEED: u64 = 7;

fn main() -> ExitCode {
    match plan(env::args().skip(1)) {
        Ok((size, options)) => serve(size, options),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<(Size, Options), String> {
    let mut size = Size { subscriptions: 20, identities: 20_000, credentials: 10, applications: 100 };
    let mut options = Options { factor: 1.0, port: 9400, ..Options::default() };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{flag}` needs a number"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("`{flag} {value}`: {error}"));
        match flag.as_str() {
            "--identities" => size.identities = number()?,
            "--credentials" => size.credentials = number()?,
            "--subscriptions" => size.subscriptions = number()?.max(1),
            "--applications" => size.applications = number()?,
            "--factor" => options.factor = value.parse().map_err(|error| format!("`{flag} {value}`: {error}"))?,
            "--port" => options.port = value.parse().map_err(|error| format!("`{flag} {value}`: {error}"))?,
            _ => return Err(format!("there is no `{flag}`")),
        }
    }
    Ok((size, options))
}

fn serve(size: Size, options: Options) -> ! {
    let cloud = Cloud::start(Estate::made(SEED, size), options);
    let (identities, credentials) = cloud.estate().size();
    let caller = &cloud.callers()[0];
    let (authority, assertion) = cloud.files();
    println!("{identities} identities with {credentials} credentials, {} times the documented limits", options.factor);
    println!("export SSL_CERT_FILE={} AZURE_FEDERATED_TOKEN_FILE={}", authority.display(), assertion.display());
    println!("export AZURE_CLIENT_ID={} AZURE_TENANT_ID={}", caller.client_id, cloud.estate().tenants[0].id);
    println!("wiguard scan {}", cloud.arguments().join(" "));
    let mut before = 0;
    loop {
        std::thread::sleep(Duration::from_secs(10));
        let record = cloud.record();
        if record.0.len() > before {
            report(&record, record.0.len() - before);
            before = record.0.len();
        }
    }
}

fn report(record: &Record, fresh: usize) {
    let lists = record.credential_lists();
    println!(
        "{} requests ({fresh} in 10 s), {} throttled; {} lists of credentials, {:.1} a second",
        record.0.len(),
        record.count(Verdict::Throttled),
        lists.count(Verdict::Served),
        lists.steady_rate(),
    );
}
