//! Weaves mutants into sources: each is the code as it was unless its switch is on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use proc_macro2::{LineColumn, Span};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprBinary, ExprIf, ExprMethodCall, ExprPath, ExprUnary, ExprWhile,
    ImplItemConst, ImplItemFn, ItemConst, ItemFn, ItemImpl, ItemMod, ItemStatic, Pat, Type, UnOp,
};

use crate::edit::{Edits, Mark};
use crate::{Listed, Place};

/// Sources with mutants in them.
#[derive(Default)]
pub struct Woven {
    pub texts: BTreeMap<PathBuf, String>,
    pub marks: BTreeMap<PathBuf, Vec<Mark>>,
    /// The names of the mutants, which are numbered from 1.
    pub names: Vec<String>,
}

/// Weaves in all but those whose names are refused.
pub fn weave(sources: &BTreeMap<PathBuf, String>, listed: &[Listed], refused: &HashSet<String>) -> Woven {
    let mut woven = Woven::default();
    for (file, source) in sources {
        let mut at: BTreeMap<Place, Vec<&Listed>> = BTreeMap::new();
        for one in listed.iter().filter(|it| it.file == *file) {
            at.entry(one.span.start).or_default().push(one);
        }
        let lines = std::iter::once(0).chain(source.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let tree = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let names = std::mem::take(&mut woven.names);
        let mut weaver = Weaver { file, source, lines, listed: at, refused, edits: Edits::default(), names };
        weaver.visit_file(&tree);
        let Weaver { edits, names, .. } = weaver;
        let (text, marks) = edits.apply(source);
        woven.names = names;
        woven.texts.insert(file.clone(), text);
        woven.marks.insert(file.clone(), marks);
    }
    woven
}

struct Weaver<'a> {
    file: &'a Path,
    source: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    listed: BTreeMap<Place, Vec<&'a Listed>>,
    refused: &'a HashSet<String>,
    edits: Edits,
    names: Vec<String>,
}

impl Weaver<'_> {
    fn offset(&self, at: LineColumn) -> usize {
        let start = self.lines[at.line - 1];
        let line = &self.source[start..];
        start + line.char_indices().nth(at.column).map_or(line.len(), |(offset, _)| offset)
    }

    fn range(&self, span: Span) -> (usize, usize) {
        (self.offset(span.start()), self.offset(span.end()))
    }

    fn text(&self, span: Span) -> &str {
        let (from, to) = self.range(span);
        &self.source[from..to]
    }

    /// The number of a mutant; none if the compiler does not take it.
    fn number(&mut self, name: String) -> Option<usize> {
        if self.refused.contains(&name) {
            return None;
        }
        self.names.push(name);
        Some(self.names.len())
    }

    /// A mutant that cargo-mutants does not know.
    fn own(&mut self, span: Span, what: &str) -> Option<usize> {
        let (file, at) = (self.file.display(), span.start());
        self.number(format!("{file}:{}:{}: {what}", at.line, at.column + 1))
    }

    /// Those of a genre that cargo-mutants lists there, each with what it puts in.
    fn listed(&mut self, span: Span, genre: &str) -> Vec<(usize, String)> {
        let at = Place { line: span.start().line, column: span.start().column + 1 };
        let there: Vec<&Listed> =
            self.listed.get(&at).into_iter().flatten().copied().filter(|it| it.genre == genre).collect();
        there.into_iter().filter_map(|it| Some((self.number(it.name.clone())?, it.replacement.clone()))).collect()
    }

    fn wrap(&mut self, span: Span, before: String, after: &str, of: &[usize]) {
        let range = self.range(span);
        self.edits.wrap(range, before, after.to_owned(), of);
    }

    /// Each condition of a chain, but for its patterns.
    fn conditions(&mut self, condition: &Expr) {
        match condition {
            Expr::Let(_) => {}
            Expr::Binary(chain) if has_pattern(condition) => {
                self.conditions(&chain.left);
                self.conditions(&chain.right);
            }
            _ => {
                let text = self.text(condition.span()).split_whitespace().collect::<Vec<_>>().join(" ");
                let always = self.own(condition.span(), &format!("replace condition {text} with true")).unwrap_or(0);
                let never = self.own(condition.span(), &format!("replace condition {text} with false")).unwrap_or(0);
                self.either(condition.span(), always, never);
            }
        }
    }

    /// What is true by one mutant, and false by another.
    fn either(&mut self, span: Span, always: usize, never: usize) {
        let numbers: Vec<usize> = [always, never].into_iter().filter(|it| *it != 0).collect();
        if !numbers.is_empty() {
            let before = format!("({} || (!{} && (", on(always), on(never));
            self.wrap(span, before, ")))", &numbers);
        }
    }

    /// A body that its mutants leave at once.
    fn body(&mut self, block: &Block) {
        let Some(first) = block.stmts.first() else { return };
        let at = self.range(block.brace_token.span.open()).1;
        for (mutant, value) in self.listed(first.span(), "FnValue") {
            self.edits.open(at, format!(" if {} {{ return {value}; }} ", on(mutant)), &[mutant]);
        }
    }
}

fn on(mutant: usize) -> String {
    format!("crate::mutant::on({mutant})")
}

fn has_pattern(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(chain) => {
            matches!(chain.op, BinOp::And(_)) && (has_pattern(&chain.left) || has_pattern(&chain.right))
        }
        _ => false,
    }
}

/// Whether it is there only in tests.
fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|it| {
        let of_tests = |list: &syn::MetaList| list.path.is_ident("cfg") && list.tokens.to_string() == "test";
        it.path().is_ident("test") || it.meta.require_list().is_ok_and(of_tests)
    })
}

/// Which operator `replacement` is, as it stands between two values that are known by then.
fn choose(mutants: &[(usize, String)], operator: &str, (left, right): (&str, &str)) -> String {
    let each = mutants.iter().map(|(mutant, other)| format!("if {} {{ {left} {other} {right} }} else ", on(*mutant)));
    format!("{}{{ {left} {operator} {right} }}", each.collect::<String>())
}

impl<'ast> Visit<'ast> for Weaver<'_> {
    // No mutant can be switched on where constants are made, and none stands in a pattern or a type.
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast ImplItemConst) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_item_mod(&mut self, it: &'ast ItemMod) {
        if !is_of_tests(&it.attrs) {
            visit::visit_item_mod(self, it);
        }
    }

    fn visit_item_impl(&mut self, it: &'ast ItemImpl) {
        if !is_of_tests(&it.attrs) {
            visit::visit_item_impl(self, it);
        }
    }

    fn visit_item_fn(&mut self, it: &'ast ItemFn) {
        if !is_of_tests(&it.attrs) && it.sig.constness.is_none() {
            self.body(&it.block);
            visit::visit_item_fn(self, it);
        }
    }

    fn visit_impl_item_fn(&mut self, it: &'ast ImplItemFn) {
        if !is_of_tests(&it.attrs) && it.sig.constness.is_none() {
            self.body(&it.block);
            visit::visit_impl_item_fn(self, it);
        }
    }

    fn visit_expr_if(&mut self, it: &'ast ExprIf) {
        self.conditions(&it.cond);
        visit::visit_expr_if(self, it);
    }

    fn visit_expr_while(&mut self, it: &'ast ExprWhile) {
        self.conditions(&it.cond);
        visit::visit_expr_while(self, it);
    }

    fn visit_arm(&mut self, it: &'ast Arm) {
        let gone = self.listed(it.span(), "MatchArm").first().map(|(mutant, _)| *mutant);
        match &it.guard {
            Some((_, guard)) if !has_pattern(guard) => {
                let mut replaced = [0, 0];
                for (mutant, value) in self.listed(guard.span(), "MatchArmGuard") {
                    replaced[usize::from(value == "true")] = mutant;
                }
                if let Some(gone) = gone {
                    self.wrap(guard.span(), format!("(!{} && (", on(gone)), "))", &[gone]);
                }
                self.either(guard.span(), replaced[1], replaced[0]);
            }
            Some(_) => {}
            None => {
                if let Some(gone) = gone {
                    let end = self.range(it.pat.span()).1;
                    self.edits.close(end, format!(" if !{} ", on(gone)), &[gone]);
                }
            }
        }
        visit::visit_arm(self, it);
    }

    fn visit_expr_unary(&mut self, it: &'ast ExprUnary) {
        if let UnOp::Not(not) = it.op {
            for (mutant, _) in self.listed(not.span(), "UnaryOperator") {
                self.wrap(it.span(), "((".into(), &format!(") != {})", on(mutant)), &[mutant]);
            }
        }
        visit::visit_expr_unary(self, it);
    }

    fn visit_expr_method_call(&mut self, it: &'ast ExprMethodCall) {
        let name = it.method.to_string();
        if let Some(Expr::Closure(closure)) = it.args.first() {
            match name.as_str() {
                "filter" | "find" | "position" | "take_while" | "skip_while" | "retain" => {
                    if let Some(mutant) = self.own(it.method.span(), &format!("take out {name}")) {
                        self.wrap(closure.body.span(), format!("{} || (", on(mutant)), ")", &[mutant]);
                    }
                }
                // Not any that is not: all.
                "any" | "all" | "is_some_and" | "is_none_or" | "is_ok_and" => {
                    if let Some(mutant) = self.own(it.method.span(), &format!("turn {name} round")) {
                        self.wrap(it.span(), format!("({} != (", on(mutant)), "))", &[mutant]);
                        self.wrap(closure.body.span(), format!("{} != (", on(mutant)), ")", &[mutant]);
                    }
                }
                _ => {}
            }
        }
        visit::visit_expr_method_call(self, it);
    }

    fn visit_expr_path(&mut self, it: &'ast ExprPath) {
        let names: Vec<String> = it.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [of, severity] = names.as_slice()
            && of == "Severity"
            && let Some(mutant) = self.own(it.span(), &format!("replace severity {severity} with another"))
        {
            self.wrap(it.span(), format!("crate::mutant::severity({mutant}, "), ")", &[mutant]);
        }
    }

    fn visit_expr_binary(&mut self, it: &'ast ExprBinary) {
        let (whole, between) = (it.span(), self.range(it.op.span()));
        let operator = self.source[between.0..between.1].to_owned();
        let chain = matches!(it.op, BinOp::And(_)) && (has_pattern(&it.left) || has_pattern(&it.right));
        let mutants = if chain { Vec::new() } else { self.listed(it.op.span(), "BinaryOperator") };
        let numbers: Vec<usize> = mutants.iter().map(|(mutant, _)| *mutant).collect();
        let Some(first) = numbers.first().copied() else { return visit::visit_expr_binary(self, it) };
        match operator.as_str() {
            // `a && b` goes on where a holds, `a || b` where it does not.
            "&&" | "||" => {
                let goes_on = if operator == "&&" { "!=" } else { "==" };
                self.wrap(whole, "({ let __left = ".into(), " } else { __left } })", &numbers);
                self.edits.replace(between, format!("; if __left {goes_on} {} {{ ", on(first)), &numbers);
            }
            "==" | "!=" => self.wrap(whole, "((".into(), &format!(") != {})", on(first)), &numbers),
            "<" | ">" | "<=" | ">=" => {
                let chosen = choose(&mutants, &operator, ("__left", "__right"));
                self.wrap(whole, "(match (&(".into(), &format!(")) {{ (__left, __right) => {chosen} }})"), &numbers);
                self.edits.replace(between, "), &(".into(), &numbers);
            }
            "+" | "-" | "*" | "/" | "%" => {
                let chosen = choose(&mutants, &operator, ("__left", "__right"));
                self.wrap(whole, "(match ((".into(), &format!(")) {{ (__left, __right) => {chosen} }})"), &numbers);
                self.edits.replace(between, "), (".into(), &numbers);
            }
            _ if operator.ends_with('=') => {
                let place = self.text(it.left.span()).to_owned();
                let chosen = choose(&mutants, &operator, (&place, "__right"));
                let from = self.range(it.left.span()).0;
                self.edits.replace((from, between.1), "({ let __right = ".into(), &numbers);
                let end = self.range(whole).1;
                self.edits.close(end, format!("; {chosen} }})"), &numbers);
                return self.visit_expr(&it.right);
            }
            _ => {}
        }
        visit::visit_expr_binary(self, it);
    }
}
