//! Edits of a text: what is put in or replaced, where, and for which mutants.

/// Everything that mutants do to one text.
#[derive(Default)]
pub struct Edits(Vec<Edit>);

struct Edit {
    from: usize,
    to: usize,
    order: Order,
    text: String,
    of: Vec<usize>,
}

/// What comes first of edits at one place: closing brackets, the inner ones first, then opening ones, the
/// outer ones first, then what is replaced.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Close(usize, usize),
    Open(std::cmp::Reverse<usize>, usize),
    Replace,
}

/// Where the text of a mutant stands in the new text.
pub struct Mark {
    pub from: usize,
    pub to: usize,
    pub of: usize,
}

impl Edits {
    /// Puts something before and after a part of the text.
    pub fn wrap(&mut self, (from, to): (usize, usize), before: String, after: String, of: &[usize]) {
        let (size, count) = (to - from, self.0.len());
        self.put(from, Order::Open(std::cmp::Reverse(size), count), before, of);
        self.put(to, Order::Close(size, usize::MAX - count), after, of);
    }

    /// Puts something in before everything else that begins there.
    pub fn open(&mut self, at: usize, text: String, of: &[usize]) {
        self.put(at, Order::Open(std::cmp::Reverse(usize::MAX), 0), text, of);
    }

    /// Puts something in after everything else that ends there.
    pub fn close(&mut self, at: usize, text: String, of: &[usize]) {
        self.put(at, Order::Close(usize::MAX, 0), text, of);
    }

    /// Replaces a part of the text.
    pub fn replace(&mut self, (from, to): (usize, usize), text: String, of: &[usize]) {
        self.0.push(Edit { from, to, order: Order::Replace, text, of: of.to_vec() });
    }

    fn put(&mut self, at: usize, order: Order, text: String, of: &[usize]) {
        self.0.push(Edit { from: at, to: at, order, text, of: of.to_vec() });
    }

    /// The new text, and where each mutant stands in it.
    pub fn apply(mut self, source: &str) -> (String, Vec<Mark>) {
        self.0.sort_by(|a, b| (a.from, &a.order).cmp(&(b.from, &b.order)));
        let (mut text, mut marks, mut at) = (String::new(), Vec::new(), 0);
        for edit in self.0 {
            text.push_str(&source[at..edit.from]);
            let from = text.len();
            text.push_str(&edit.text);
            marks.extend(edit.of.iter().map(|of| Mark { from, to: text.len(), of: *of }));
            at = edit.to;
        }
        text.push_str(&source[at..]);
        (text, marks)
    }
}
