//! Literals of arrays, which DuckDB writes in square brackets.

use zxq_engine::sql::quoted_text;
use zxq_engine::value_texts;

use super::Rewriter;

impl Rewriter<'_> {
    /// `'{a,b}'` where an array is meant: compared, in ANY, or cast to an array type.
    pub(super) fn array_literal(&mut self, at: usize) {
        if !self.is_text(at) || !self.pieces[at].starts_with("'{") {
            return;
        }
        let before = |word: &str| at >= 2 && self.symbol(at - 1, "(") && self.is(at - 2, word);
        let compared = at > 0 && (self.symbol(at - 1, "=") || self.symbol(at - 1, ">"));
        let cast = self.symbols(at + 1, ":", ":") && {
            let mut name = at + 3;
            while self.symbol(name + 1, ".") {
                name += 2;
            }
            self.symbol(name + 1, "[") || self.is(name, "oidvector") || self.is(name, "int2vector")
        };
        if !(compared || cast || before("ANY") || before("ALL") || before("SOME")) {
            return;
        }
        let raw = self.pieces[at][1..self.pieces[at].len() - 1].replace("''", "'");
        let Some(elements) = value_texts::elements(&raw) else { return };
        let are_numbers = elements.iter().flatten().all(|element| element.parse::<i64>().is_ok());
        let elements: Vec<String> = elements
            .into_iter()
            .map(|element| match element {
                None => "NULL".to_owned(),
                Some(element) if are_numbers => element,
                Some(element) => quoted_text(&element),
            })
            .collect();
        self.pieces[at] = format!("[{}]", elements.join(", "));
    }
}
