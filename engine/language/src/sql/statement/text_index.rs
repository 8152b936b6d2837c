//! The text of each statement within a longer one.

use datafusion::sql::sqlparser::tokenizer::Location;

/// Finds the text between two token locations, which count characters. Locations must be asked for in order: the
/// text is walked once, however many statements it holds.
pub(super) struct TextIndex<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    text: &'a str,
    line: u64,
    column: u64,
}

impl<'a> TextIndex<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        TextIndex { rest: text.char_indices().peekable(), text, line: 1, column: 1 }
    }

    pub(super) fn slice(&mut self, start: Location, end: Location) -> String {
        let from = self.offset(start);
        let to = self.offset(end);
        self.text.get(from..to).unwrap_or_default().trim_end().to_owned()
    }

    fn offset(&mut self, location: Location) -> usize {
        while let Some((offset, c)) = self.rest.peek().copied() {
            if (self.line, self.column) >= (location.line, location.column) {
                return offset;
            }
            self.rest.next();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.text.len()
    }
}
