//! One line on standard error for each event, for people or for machines. What comes from outside
//! is quoted, so that no request can write a line of its own.

use std::fmt::{self, Debug, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::flags::LogFormat;

/// The longest text that is taken from an event's field.
const LONGEST: usize = 2_048;

/// Starts logging; once in a process.
pub(super) fn start(format: LogFormat, level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Line(format))
        .finish();
    // Somebody who embeds this has chosen where lines go, and keeps what was chosen.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct Line(LogFormat);

/// The fields of an event, in their order.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = metadata.level().as_str().to_ascii_lowercase();
        let foreign = !metadata.target().starts_with("wiguard");
        match self.0 {
            LogFormat::Json => {
                let mut line = Map::new();
                line.insert("time".into(), time.into());
                line.insert("level".into(), level.into());
                if foreign {
                    line.insert("target".into(), metadata.target().into());
                }
                line.extend(fields.0.into_iter().map(|(name, value)| (name.to_owned(), value)));
                writeln!(writer, "{}", Value::Object(line))
            }
            LogFormat::Text => {
                write!(writer, "{time} {level:<5}")?;
                if foreign {
                    write!(writer, " {}:", metadata.target())?;
                }
                for (name, value) in &fields.0 {
                    match (*name, value) {
                        ("message", Value::String(text)) if is_printable(text) => write!(writer, " {text}")?,
                        ("message", value) => write!(writer, " {value}")?,
                        (name, Value::String(text)) if is_plain(text) => write!(writer, " {name}={text}")?,
                        (name, value) => write!(writer, " {name}={value}")?,
                    }
                }
                writeln!(writer)
            }
        }
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        self.put(field, cut(&text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Whether it needs no quotes after an equals sign.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '=')
}

/// Whether it stays on its line and does nothing to a terminal.
fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
