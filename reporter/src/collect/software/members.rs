//! Members: a document read one entry at a time, so that a bill of a hundred thousand components
//! costs no more than the largest of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What is to become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is read whole.
    Whole,
    /// Its elements or members are read one by one.
    Apart,
    /// It is passed over.
    Nothing,
}

/// Who reads a document.
pub(super) trait Document {
    /// What is to become of a member at the top.
    fn wants(&self, member: &str) -> Wanted;
    /// A member, or an entry of one: its key is empty in a list, and for the member as a whole.
    fn take(&mut self, member: &str, key: &str, value: &Value);
}

/// Reads a document.
///
/// # Errors
/// If it is no JSON, or a member that is read apart is neither list nor object.
pub(super) fn read(json: &[u8], document: &mut impl Document) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    parser.deserialize_map(Top(document))?;
    parser.end()
}

struct Top<'d, D>(&'d mut D);

struct Entries<'d, D> {
    document: &'d mut D,
    member: &'d str,
}

impl<'de, D: Document> Visitor<'de> for Top<'_, D> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key::<String>()? {
            match self.0.wants(&member) {
                Wanted::Whole => {
                    let value: Value = map.next_value()?;
                    self.0.take(&member, "", &value);
                }
                Wanted::Apart => map.next_value_seed(Entries { document: &mut *self.0, member: &member })?,
                Wanted::Nothing => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de, D: Document> DeserializeSeed<'de> for Entries<'_, D> {
    type Value = ();

    fn deserialize<P: Deserializer<'de>>(self, parser: P) -> Result<(), P::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de, D: Document> Visitor<'de> for Entries<'_, D> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list or an object as `{}`", self.member)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Value>()? {
            self.document.take(self.member, "", &value);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let value: Value = map.next_value()?;
            self.document.take(self.member, &key, &value);
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
