//! A JSON value being read, one member at a time. It is apart so that what reads an object is plain
//! code over one object-safe trait: the parser behind it is compiled once, not once for each shape,
//! and whatever nobody asks for is skipped without being built.
//!
//! It is a crate of its own so that the policy module, which is otherwise built for size, has its
//! parsing built for speed.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value, still unread. It is read once, by the method that says what it should be; one that is
/// left unread is skipped. `null` stands for a thing that is not there, whatever it should be.
pub trait Json<'de> {
    /// Reads the value as `wanted`; false if it is `null`.
    fn read(&mut self, wanted: Wanted<'_, 'de>) -> Result<bool, Fault>;
}

/// What a value should be, and who takes it.
pub enum Wanted<'w, 'de> {
    /// An object, by its members.
    Members(&'w mut Each<'w, 'de>),
    /// An array, by its elements, which have no key.
    Elements(&'w mut Each<'w, 'de>),
    /// An object's keys; any other value has none.
    Keys(&'w mut dyn FnMut(&str)),
    /// A scalar of some type.
    Scalar(Type, &'w mut Scalar<'de>),
    /// A scalar of any type; of any other value nothing is taken.
    #[cfg(feature = "audit")]
    IfScalar(&'w mut Option<Scalar<'de>>),
}

/// Takes a member: its key and its value.
pub type Each<'f, 'de> = dyn FnMut(&str, &mut dyn Json<'de>) -> Result<(), Fault> + 'f;

/// Takes a value.
pub type Take<'f, 'de> = dyn FnMut(&mut dyn Json<'de>) -> Result<(), Fault> + 'f;

/// A member that is looked for: its key, and who takes its value.
pub type Member<'f, 'de> = (&'static str, &'f mut Take<'f, 'de>);

/// The type of scalar that belongs somewhere.
#[derive(Clone, Copy)]
pub enum Type {
    /// A text.
    Text,
    /// An integer.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Whatever a text can be written as without quotes.
    Any,
}

/// A scalar. A text is borrowed where it holds no escape.
pub enum Scalar<'de> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// An integer that is too large for the other.
    Large(u64),
    /// A number with a fraction or an exponent.
    Fraction,
    /// A text.
    Text(Cow<'de, str>),
}

/// Why reading stopped.
pub enum Fault {
    /// The parser knows.
    Parser,
    /// What was read is not what it should be.
    Said(String),
}

/// A scalar where a text belongs.
pub struct Loose<'de> {
    /// What the quotes would hold.
    pub text: Cow<'de, str>,
    /// Whether there are any.
    pub is_string: bool,
}

/// Reads one document.
///
/// # Errors
/// Says what is wrong, with line and column.
pub fn read<'de>(json: &'de [u8], take: &mut Take<'_, 'de>) -> Result<(), serde_json::Error> {
    // One look at all the bytes is cheaper than one at each text.
    let text = core::str::from_utf8(json).map_err(|error| serde_json::Error::custom(format!("not UTF-8: {error}")))?;
    let mut parser = serde_json::Deserializer::from_str(text);
    Taker { key: "", take: &mut |_, json| take(json) }.deserialize(&mut parser)?;
    parser.end()
}

// === impl Json ===

#[expect(clippy::missing_errors_doc, reason = "all say that the value is not what it should be")]
impl<'de> dyn Json<'de> + '_ {
    /// Reads the members of an object.
    pub fn members(&mut self, each: &mut Each<'_, 'de>) -> Result<(), Fault> {
        self.members_if_any(each).map(drop)
    }

    /// Reads the members of an object; false if there is no object.
    pub fn members_if_any(&mut self, each: &mut Each<'_, 'de>) -> Result<bool, Fault> {
        self.read(Wanted::Members(each))
    }

    /// Reads some members of an object, each of which it may have once.
    pub fn object(&mut self, known: &mut [Member<'_, 'de>]) -> Result<(), Fault> {
        self.object_if_any(known).map(drop)
    }

    /// Reads some members of an object, each of which it may have once; false if there is no object.
    pub fn object_if_any(&mut self, known: &mut [Member<'_, 'de>]) -> Result<bool, Fault> {
        self.known_members(known, false)
    }

    /// Reads the members of an object that may have no others, and each of these once.
    pub fn exact_object(&mut self, known: &mut [Member<'_, 'de>]) -> Result<(), Fault> {
        self.exact_object_if_any(known).map(drop)
    }

    /// The same; false if there is no object.
    pub fn exact_object_if_any(&mut self, known: &mut [Member<'_, 'de>]) -> Result<bool, Fault> {
        self.known_members(known, true)
    }

    fn known_members(&mut self, known: &mut [Member<'_, 'de>], no_others: bool) -> Result<bool, Fault> {
        let mut seen: u32 = 0;
        self.read(Wanted::Members(&mut |key, json| match known.iter().position(|(name, _)| *name == key) {
            Some(index) if seen & (1 << index) != 0 => Err(Fault::duplicate_field(key)),
            Some(index) => {
                seen |= 1 << index;
                known.get_mut(index).map_or(Ok(()), |(_, take)| take(json))
            }
            None if no_others => {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                Err(Fault::unknown("field", key, &names))
            }
            None => Ok(()),
        }))
    }

    /// Reads the elements of an array.
    pub fn elements(&mut self, each: &mut Take<'_, 'de>) -> Result<(), Fault> {
        self.elements_if_any(each).map(drop)
    }

    /// Reads the elements of an array; false if there is no array.
    pub fn elements_if_any(&mut self, each: &mut Take<'_, 'de>) -> Result<bool, Fault> {
        self.read(Wanted::Elements(&mut |_, json| each(json)))
    }

    /// Reads the keys of an object; any other value has none.
    pub fn keys(&mut self, each: &mut dyn FnMut(&str)) -> Result<(), Fault> {
        self.read(Wanted::Keys(each)).map(drop)
    }

    /// Reads a text.
    pub fn text(&mut self) -> Result<Option<Cow<'de, str>>, Fault> {
        match self.scalar(Type::Text)? {
            Scalar::Text(text) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// Reads a text to be kept; empty if there is none.
    pub fn string(&mut self) -> Result<String, Fault> {
        Ok(self.text()?.map(Cow::into_owned).unwrap_or_default())
    }

    /// Reads an array of texts in place of `list`.
    pub fn texts<T: From<String>>(&mut self, list: &mut Vec<T>) -> Result<(), Fault> {
        let mut texts = Vec::new();
        let is_there = self.elements_if_any(&mut |json| {
            texts.extend(json.text()?.map(|text| T::from(text.into_owned())));
            Ok(())
        })?;
        if is_there {
            *list = texts;
        }
        Ok(())
    }

    /// Reads an integer.
    pub fn integer(&mut self) -> Result<Option<i64>, Fault> {
        match self.scalar(Type::Integer)? {
            Scalar::Integer(number) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    /// Reads a boolean.
    pub fn boolean(&mut self) -> Result<Option<bool>, Fault> {
        match self.scalar(Type::Boolean)? {
            Scalar::Boolean(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// Reads any scalar where a text belongs; an empty text for `null`.
    pub fn loose(&mut self) -> Result<Loose<'de>, Fault> {
        Ok(self.scalar(Type::Any)?.loose())
    }

    /// Reads a scalar that may be written without quotes; none if it is an object or an array.
    #[cfg(feature = "audit")]
    pub fn loose_if_scalar(&mut self) -> Result<Option<Loose<'de>>, Fault> {
        let mut scalar = None;
        let is_there = self.read(Wanted::IfScalar(&mut scalar))?;
        Ok(if is_there { scalar } else { Some(Scalar::Null) }.map(Scalar::loose))
    }

    /// Reads any scalar, and says whether it is there.
    pub fn is_present(&mut self) -> Result<bool, Fault> {
        self.read(Wanted::Scalar(Type::Any, &mut Scalar::Null))
    }

    fn scalar(&mut self, wanted: Type) -> Result<Scalar<'de>, Fault> {
        let mut scalar = Scalar::Null;
        self.read(Wanted::Scalar(wanted, &mut scalar))?;
        Ok(scalar)
    }
}

// === impl Scalar ===

impl<'de> Scalar<'de> {
    fn loose(self) -> Loose<'de> {
        let (text, is_string) = match self {
            Self::Null => ("".into(), true),
            Self::Text(text) => (text, true),
            Self::Boolean(true) => ("true".into(), false),
            Self::Boolean(false) => ("false".into(), false),
            Self::Integer(number) => (number.to_string().into(), false),
            Self::Large(number) => (number.to_string().into(), false),
            // Formatting it would cost the policy module more than the digits are worth.
            Self::Fraction => ("(a number with a fraction)".into(), false),
        };
        Loose { text, is_string }
    }
}

// === impl Fault ===

impl Fault {
    /// A member stands twice in its object.
    pub fn duplicate_field(name: &str) -> Self {
        Self::Said(alloc::format!("duplicate field `{name}`"))
    }

    /// A name is none of those that may stand there.
    pub fn unknown(what: &str, name: &str, known: &[&str]) -> Self {
        Self::Said(alloc::format!("unknown {what} `{name}`, expected one of `{}`", known.join("`, `")))
    }

    /// A member that must be there is not.
    pub fn missing_field(name: &str) -> Self {
        Self::Said(alloc::format!("missing field `{name}`"))
    }
}

// === impl Wanted ===

impl<'de> Wanted<'_, 'de> {
    fn accept<E: Error>(self, scalar: Scalar<'de>) -> Result<bool, E> {
        match (self, scalar) {
            (_, Scalar::Null) => return Ok(false),
            (Self::Scalar(wanted, slot), scalar) if wanted.admits(&scalar) => *slot = scalar,
            (Self::Keys(_), _) => {}
            #[cfg(feature = "audit")]
            (Self::IfScalar(slot), scalar) => *slot = Some(scalar),
            (wanted, scalar) => return Err(wanted.refuse(&scalar)),
        }
        Ok(true)
    }

    fn refuse<E: Error>(&self, found: &dyn fmt::Display) -> E {
        let wanted = match self {
            Self::Members(_) | Self::Keys(_) => "an object",
            Self::Elements(_) => "an array",
            Self::Scalar(Type::Text | Type::Any, _) => "a string",
            #[cfg(feature = "audit")]
            Self::IfScalar(_) => "anything",
            Self::Scalar(Type::Integer, _) => "an integer",
            Self::Scalar(Type::Boolean, _) => "a boolean",
        };
        E::custom(format_args!("invalid type: {found}, expected {wanted}"))
    }
}

impl<'de> Visitor<'de> for Wanted<'_, 'de> {
    /// Whether it is not `null`.
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        self.accept(Scalar::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        self.accept(Scalar::Boolean(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.accept(Scalar::Integer(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.accept(i64::try_from(value).map_or(Scalar::Large(value), Scalar::Integer))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        self.accept(Scalar::Fraction)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.accept(Scalar::Text(Cow::Owned(text.into())))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<bool, E> {
        self.accept(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        match self {
            Self::Members(each) => {
                while let Some(key) = map.next_key_seed(Key)? {
                    map.next_value_seed(Taker { key: &key, take: each })?;
                }
            }
            Self::Keys(each) => {
                while let Some(key) = map.next_key_seed(Key)? {
                    each(&key);
                    map.next_value::<IgnoredAny>()?;
                }
            }
            #[cfg(feature = "audit")]
            Self::IfScalar(_) => while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {},
            wanted => return Err(wanted.refuse(&"object")),
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        match self {
            Self::Elements(each) => while list.next_element_seed(Taker { key: "", take: each })?.is_some() {},
            Self::Keys(_) => while list.next_element::<IgnoredAny>()?.is_some() {},
            #[cfg(feature = "audit")]
            Self::IfScalar(_) => while list.next_element::<IgnoredAny>()?.is_some() {},
            wanted => return Err(wanted.refuse(&"array")),
        }
        Ok(true)
    }
}

// === impl Type ===

impl Type {
    fn admits(self, scalar: &Scalar<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Text => matches!(scalar, Scalar::Text(_)),
            Self::Integer => matches!(scalar, Scalar::Integer(_)),
            Self::Boolean => matches!(scalar, Scalar::Boolean(_)),
        }
    }
}

/// As messages name it. A text is not shown: it could be a secret that stands in the wrong place.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "boolean `{value}`"),
            Self::Integer(number) => write!(f, "integer `{number}`"),
            Self::Large(number) => write!(f, "integer `{number}`"),
            Self::Fraction => f.write_str("number with a fraction"),
            Self::Text(_) => f.write_str("string"),
        }
    }
}

// === the parser's side ===

/// A key, borrowed where it holds no escape.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.into()))
    }
    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }
}

/// Has a value taken, and skips what was not.
struct Taker<'t, 'f, 'de> {
    key: &'t str,
    take: &'t mut Each<'f, 'de>,
}

impl<'de> DeserializeSeed<'de> for Taker<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut value = Unread { value: Some(deserializer), error: None };
        let taken = (self.take)(self.key, &mut value);
        match (taken, value) {
            (Err(_), Unread { error: Some(error), .. }) => Err(error),
            (Err(Fault::Said(reason)), _) => Err(D::Error::custom(reason)),
            (Err(Fault::Parser), _) => Err(D::Error::custom("the value was read twice")),
            (Ok(()), Unread { value: Some(rest), .. }) => rest.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            (Ok(()), _) => Ok(()),
        }
    }
}

/// A value of the parser's, and the parser's error if there was one.
struct Unread<D, E> {
    value: Option<D>,
    error: Option<E>,
}

impl<'de, D: Deserializer<'de>> Json<'de> for Unread<D, D::Error> {
    fn read(&mut self, wanted: Wanted<'_, 'de>) -> Result<bool, Fault> {
        let value = self.value.take().ok_or(Fault::Parser)?;
        value.deserialize_any(wanted).map_err(|error| {
            self.error = Some(error);
            Fault::Parser
        })
    }
}
