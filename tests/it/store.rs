//! Object storage: snapshots and reports go there and come back, signed, and no key is ever told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::program::{Folder, KNOWN, Ran, command, run};

const KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";

/// A bucket behind the REST API of S3, as much of it as is used: it stores what is signed.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Bucket {
    /// Serves it on a port of this machine.
    fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let bucket = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let bucket = bucket.clone();
                thread::spawn(move || bucket.connection(&stream));
            }
        });
        address
    }

    fn connection(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let header = |name: &str| {
                let line = lines.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
                line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).unwrap_or_default()
            };
            let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let signed = header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
                && header("x-amz-content-sha256").len() == 64
                && header("x-amz-date").len() == 16;
            let (status, answer) = if signed { self.answer(&lines[0], body) } else { (403, b"<Error/>".to_vec()) };
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: \"1\"\r\nLast-Modified: Mon, 21 Sep 2026 14:13:20 GMT\r\n\r\n",
                answer.len()
            );
            let mut stream = stream;
            let body = if lines[0].starts_with("HEAD ") { &[][..] } else { &answer };
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(key) = path.strip_prefix("/fleet").map(|key| key.trim_start_matches('/')) else {
            return (404, b"<Error><Code>NoSuchBucket</Code></Error>".to_vec());
        };
        let mut objects = self.0.lock().unwrap();
        if query.contains("list-type=2") {
            let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
            let prefix = prefix.replace("%2F", "/");
            let listed: String = objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, object)| format!("<Contents><Key>{key}</Key><LastModified>2026-09-21T14:13:20.000Z</LastModified><ETag>\"1\"</ETag><Size>{}</Size></Contents>", object.len()))
                .collect();
            return (
                200,
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>").into_bytes(),
            );
        }
        match (method, objects.get(key)) {
            ("PUT", _) => {
                objects.insert(key.into(), body);
                (200, Vec::new())
            }
            ("GET" | "HEAD", Some(object)) => (200, object.clone()),
            _ => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        }
    }
}

/// Runs the program as one who may use the bucket at this address.
fn at(folder: &Folder, address: &str, arguments: &[&str]) -> Ran {
    let mut command = command(folder.path(), arguments);
    command.env("AWS_ENDPOINT_URL", address).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "eu-central-1");
    command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", KEY);
    let ran = run(command);
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY), "{ran:?}");
    ran
}

#[test]
fn snapshots_and_reports_go_to_a_bucket_and_come_back() {
    let bucket = Bucket::default();
    let address = bucket.serve();
    let folder = Folder::of(&[("in/a.yaml", KNOWN)]);
    let local = folder.run(&["scan", "in", "-o", "json"]).findings();
    for name in ["a.gz", "b.gz"] {
        let ran = at(&folder, &address, &["collect", "in", "-o", &format!("s3://fleet/night/{name}")]);
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    assert_eq!(at(&folder, &address, &["scan", "s3://fleet/night/a.gz", "-o", "json"]).findings(), local);
    let merged = at(&folder, &address, &["merge", "s3://fleet/night", "-o", "s3://fleet/all.gz"]);
    assert_eq!(merged.status, 0, "{merged:?}");
    let scanned = at(
        &folder,
        &address,
        &["scan", "s3://fleet/all.gz", "-o", "json=s3://fleet/r/report.json", "-o", "csv=s3://fleet/r/csv"],
    );
    assert_eq!(scanned.status, 1, "{scanned:?}");
    let keys: Vec<String> = bucket.0.lock().unwrap().keys().cloned().collect();
    for key in ["all.gz", "night/a.gz", "r/report.json", "r/csv/findings.csv", "r/csv/coverage.csv"] {
        assert!(keys.iter().any(|known| known == key), "{key}: {keys:?}");
    }
    let file = format!("file://{}", folder.path().join("local.gz").display());
    assert_eq!(folder.run(&["collect", "in", "-o", &file]).status, 0);
    assert_eq!(folder.run(&["scan", &file, "-o", "json"]).findings(), local);
}

#[test]
fn what_a_store_refuses_is_told_with_what_to_do() {
    let bucket = Bucket::default();
    let address = bucket.serve();
    let folder = Folder::of(&[("in/a.yaml", KNOWN)]);
    let ran = at(&folder, &address, &["scan", "s3://fleet/nothing", "in", "-o", "json"]);
    assert_eq!((ran.status, ran.findings().len()), (3, 1), "the rest is judged: {ran:?}");
    assert!(ran.coverage("s3://fleet/nothing").1.contains("check the URL"), "{ran:?}");

    let mut stranger = command(folder.path(), &["collect", "in", "-o", "s3://fleet/x.gz"]);
    stranger.env("AWS_ENDPOINT_URL", &address).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "eu-central-1");
    stranger.env("AWS_ACCESS_KEY_ID", "SOMEBODY").env("AWS_SECRET_ACCESS_KEY", KEY);
    let ran = run(stranger);
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.err.contains("s3://fleet/x.gz") && ran.err.contains("s3:PutObject"), "{ran:?}");
    assert!(bucket.0.lock().unwrap().is_empty());

    for (url, says) in [
        ("az://c/x?sv=2026&sig=c2lnbmF0dXJl", "AZURE_STORAGE_SAS_TOKEN"),
        ("gs://c/x", "az, s3 and file"),
        ("az:///x", "az://CONTAINER/PATH"),
    ] {
        for arguments in
            [&["scan", url][..], &["collect", "in", "-o", url], &["scan", "in", "-o", &format!("json={url}")]]
        {
            let ran = folder.run(arguments);
            assert!(ran.status == 2 && ran.err.contains(says), "{arguments:?}: {ran:?}");
            assert!(!ran.err.contains("c2lnbmF0dXJl"), "{ran:?}");
        }
    }
}
