//! An index: things by the name under which they are looked up. One type for every kind of name,
//! so that what sorts and searches is compiled once, and a sorted list, because an index is
//! filled once and then only read.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

/// A name, in as many parts as it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name<'n> {
    number: usize,
    first: Cow<'n, str>,
    second: &'n str,
}

/// Things by name; those of one name in the order in which they were given.
pub(crate) struct Index<'n, T> {
    names: Vec<Name<'n>>,
    things: Vec<T>,
}

// === impl Name ===

impl<'n> Name<'n> {
    /// A name of a cluster's, such as that of an object in a namespace.
    pub(crate) fn within(cluster: crate::model::ClusterIx, first: &'n str, second: &'n str) -> Self {
        Self { number: cluster.0 as usize, first: Cow::Borrowed(first), second }
    }

    /// A text, byte for byte.
    pub(crate) fn exact(text: &'n str) -> Self {
        Self { first: Cow::Borrowed(text), ..Self::default() }
    }

    /// A text, without regard to the case of ASCII letters.
    pub(crate) fn folded(text: &'n str) -> Self {
        let first = if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        Self { first, ..Self::default() }
    }

    /// A text of one's own.
    pub(crate) fn owned(text: String) -> Self {
        Self { first: Cow::Owned(text), ..Self::default() }
    }

    /// A number.
    pub(crate) fn number(number: usize) -> Self {
        Self { number, ..Self::default() }
    }

    fn compare(&self, other: &Name<'_>) -> Ordering {
        let texts = || {
            self.first
                .as_bytes()
                .cmp(other.first.as_bytes())
                .then_with(|| self.second.as_bytes().cmp(other.second.as_bytes()))
        };
        self.number.cmp(&other.number).then_with(texts)
    }
}

// === impl Index ===

impl<'n, T: Copy> Index<'n, T> {
    /// Indexes things.
    pub(crate) fn of(named: impl Iterator<Item = (Name<'n>, T)>) -> Self {
        let (names, given): (Vec<Name<'n>>, Vec<T>) = named.unzip();
        let (names, order) = sorted(names);
        Self { names, things: order.into_iter().filter_map(|place| given.get(place).copied()).collect() }
    }

    /// All things of that name.
    pub(crate) fn get(&self, name: &Name<'_>) -> &[T] {
        self.things.get(range(&self.names, name)).unwrap_or_default()
    }

    /// All things of names that agree in all parts but the last, by that part.
    #[cfg(feature = "audit")]
    pub(crate) fn under(&self, name: &Name<'_>) -> &[T] {
        let part = |other: &Name<'_>| (other.number, other.first.as_bytes()).cmp(&(name.number, name.first.as_bytes()));
        let start = self.names.partition_point(|other| part(other).is_lt());
        let end = self.names.partition_point(|other| part(other).is_le());
        self.things.get(start..end).unwrap_or_default()
    }

    /// The thing of that name that was given first.
    pub(crate) fn first(&self, name: &Name<'_>) -> Option<T> {
        self.get(name).first().copied()
    }
}

/// The names in order, each with its place before.
fn sorted(names: Vec<Name<'_>>) -> (Vec<Name<'_>>, Vec<usize>) {
    let mut placed: Vec<(Name<'_>, usize)> = names.into_iter().zip(0..).collect();
    placed.sort_unstable_by(|(a, place), (b, other)| a.compare(b).then(place.cmp(other)));
    placed.into_iter().unzip()
}

fn range(names: &[Name<'_>], name: &Name<'_>) -> Range<usize> {
    let start = names.partition_point(|other| other.compare(name).is_lt());
    let end = names.partition_point(|other| other.compare(name).is_le());
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClusterIx;

    #[test]
    fn those_of_one_name_come_in_the_order_given() {
        let names = ["b", "a", "b", "c", "b"];
        let index = Index::of(names.into_iter().map(Name::exact).zip(0..));
        assert_eq!(index.get(&Name::exact("b")), [0, 2, 4]);
        assert_eq!(index.first(&Name::exact("a")), Some(1));
        assert_eq!(index.get(&Name::exact("bb")), [0; 0]);
        assert_eq!(Index::<u8>::of([].into_iter()).first(&Name::exact("")), None);
    }

    #[cfg(feature = "audit")]
    #[test]
    fn those_of_one_namespace_come_by_name() {
        let names = [(0, "a", "z"), (0, "a", "b"), (0, "ab", "c"), (1, "a", "d"), (0, "", "e")];
        let index = Index::of(names.into_iter().map(|(c, a, b)| Name::within(ClusterIx(c), a, b)).zip(0..));
        assert_eq!(index.under(&Name::within(ClusterIx(0), "a", "")), [1, 0]);
        assert_eq!(index.under(&Name::within(ClusterIx(0), "b", "")), [0; 0]);
    }

    #[test]
    fn names_of_several_parts_do_not_run_into_each_other() {
        let name = |cluster, namespace, name| Name::within(ClusterIx(cluster), namespace, name);
        let index =
            Index::of([(name(0, "ab", "c"), 'x'), (name(0, "a", "bc"), 'y'), (name(1, "a", "bc"), 'z')].into_iter());
        assert_eq!(index.get(&name(0, "a", "bc")), ['y']);
        assert_eq!(index.get(&name(1, "a", "bc")), ['z']);
        assert_eq!(index.get(&name(1, "ab", "c")), ['\0'; 0]);
    }

    #[test]
    fn only_folded_names_disregard_case() {
        let index = Index::of([(Name::folded("Ab"), 1), (Name::folded("aB"), 2)].into_iter());
        assert_eq!(index.get(&Name::folded("AB")), [1, 2]);
        assert_eq!(index.get(&Name::exact("AB")), [0; 0]);
    }
}
