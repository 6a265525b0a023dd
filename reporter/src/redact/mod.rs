//! Redaction: names become pseudonyms, the same name always the same one, so that what pointed to
//! each other still does, and what nearly did nearly does.
//!
//! A pseudonym is made of HMAC-SHA256 with a key that is not kept: who has the snapshot alone
//! cannot try names out. A text is cut into words at whatever is no letter and no digit, and each
//! word is replaced by itself; so case, slashes, spaces and the order of words survive.

mod access;
mod apply;
mod azure;
mod key;
mod text;
mod words;

pub(crate) use key::Redact;
pub(crate) use text::Redactor;
