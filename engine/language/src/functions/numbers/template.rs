//! Templates of `to_char(number, …)` and `to_number(text, …)`, read.

use crate::error::{EngineError, ErrorKind};
use crate::functions::to_char::LONGEST_TEMPLATE;

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `9`
    Nine,
    /// `0`
    Zero,
    /// `.` and `D`
    Point,
    /// `,` and `G`
    Comma,
    /// `L`
    Currency,
    /// `MI`
    Minus,
    /// `PL`
    Plus,
    /// `SG`
    Sign,
    /// `RN`, and `rn`
    Roman { upper: bool },
    /// `TH`, and `th`
    Ordinal { upper: bool },
    /// What has said all that it says: `S`, `PR`, `FM`, `B`, `V`.
    Silent,
    /// Any other character.
    Other(char),
}

/// Where an `S` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    None,
    Before,
    Behind,
}

/// What a template asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) parts: Vec<Part>,
    /// Digits before the point and behind it.
    pub(super) before: usize,
    pub(super) behind: usize,
    /// Digits behind `V`.
    pub(super) shift: usize,
    pub(super) zero: bool,
    /// Where the first and the last `0` are, counted from one.
    pub(super) zero_start: usize,
    pub(super) zero_end: usize,
    pub(super) point: bool,
    pub(super) fill: bool,
    pub(super) anchored: bool,
    pub(super) anchor: Anchor,
    digits_before_sign: usize,
    pub(super) bracket: bool,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) roman: bool,
    pub(super) shifted: bool,
    pub(super) scientific: bool,
}

fn error(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Syntax, message)
}

/// What a template can say, the longer ones first.
const WORDS: [(&str, Word); 19] = [
    ("EEEE", Word::Scientific),
    ("FM", Word::Fill),
    ("MI", Word::Is(Part::Minus)),
    ("PL", Word::Is(Part::Plus)),
    ("PR", Word::Bracket),
    ("RN", Word::Is(Part::Roman { upper: true })),
    ("SG", Word::Is(Part::Sign)),
    ("SP", Word::Ignored),
    ("TH", Word::Is(Part::Ordinal { upper: true })),
    (",", Word::Is(Part::Comma)),
    (".", Word::Is(Part::Point)),
    ("0", Word::Is(Part::Zero)),
    ("9", Word::Is(Part::Nine)),
    ("B", Word::Ignored),
    ("C", Word::Ignored),
    ("D", Word::Is(Part::Point)),
    ("G", Word::Is(Part::Comma)),
    ("L", Word::Is(Part::Currency)),
    ("S", Word::Anchored),
];

#[derive(Debug, Clone, Copy)]
enum Word {
    Is(Part),
    Fill,
    Bracket,
    Anchored,
    Scientific,
    Ignored,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Parts that do not go together.
    pub(super) fn parse(text: &str) -> Result<Template, EngineError> {
        if text.len() > LONGEST_TEMPLATE {
            return Err(EngineError::new(ErrorKind::LimitExceeded, "the template of to_char is too long"));
        }
        let mut template = Template {
            parts: Vec::new(),
            before: 0,
            behind: 0,
            shift: 0,
            zero: false,
            zero_start: 0,
            zero_end: 0,
            point: false,
            fill: false,
            anchored: false,
            anchor: Anchor::None,
            digits_before_sign: 0,
            bracket: false,
            minus: false,
            plus: false,
            roman: false,
            shifted: false,
            scientific: false,
        };
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = template.quoted(quoted);
                continue;
            }
            if let Some(escaped) = rest.strip_prefix("\\\"") {
                template.parts.push(Part::Other('"'));
                rest = escaped;
                continue;
            }
            if rest.starts_with(['V', 'v']) {
                if template.point {
                    return Err(error("cannot use \"V\" and decimal point together"));
                }
                template.shifted = true;
                template.parts.push(Part::Silent);
                rest = &rest[1..];
                continue;
            }
            let known = WORDS
                .iter()
                .find(|(word, _)| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
            let Some((word, means)) = known else {
                let c = rest.chars().next().unwrap_or(' ');
                template.parts.push(Part::Other(c));
                rest = &rest[c.len_utf8()..];
                continue;
            };
            let upper = rest.starts_with(|c: char| c.is_ascii_uppercase());
            rest = &rest[word.len()..];
            template.add(*means, upper)?;
        }
        // A sign behind every digit before the point stands behind the number.
        if !(template.plus || template.minus)
            && template.anchor == Anchor::Before
            && template.before == template.digits_before_sign
        {
            template.anchor = Anchor::Behind;
        }
        template.zero_start = template.zero_start.saturating_sub(1);
        Ok(template)
    }

    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return &text[at + 1..],
                '\\' => {
                    if let Some((_, escaped)) = chars.next() {
                        self.parts.push(Part::Other(escaped));
                    }
                }
                c => self.parts.push(Part::Other(c)),
            }
        }
        ""
    }

    fn add(&mut self, word: Word, upper: bool) -> Result<(), EngineError> {
        if self.scientific {
            return Err(error("\"EEEE\" must be the last pattern used"));
        }
        let part = match word {
            Word::Is(Part::Nine) => {
                if self.bracket {
                    return Err(error("\"9\" must be ahead of \"PR\""));
                }
                match (self.shifted, self.point) {
                    (true, _) => self.shift += 1,
                    (_, true) => self.behind += 1,
                    _ => self.before += 1,
                }
                Part::Nine
            }
            Word::Is(Part::Zero) => {
                if self.bracket {
                    return Err(error("\"0\" must be ahead of \"PR\""));
                }
                if !self.zero && !self.point {
                    self.zero = true;
                    self.zero_start = self.before + 1;
                }
                match self.point {
                    true => self.behind += 1,
                    false => self.before += 1,
                }
                self.zero_end = self.before + self.behind;
                Part::Zero
            }
            Word::Is(Part::Point) => {
                if self.point {
                    return Err(error("multiple decimal points"));
                }
                if self.shifted {
                    return Err(error("cannot use \"V\" and decimal point together"));
                }
                self.point = true;
                Part::Point
            }
            Word::Is(part @ (Part::Minus | Part::Plus | Part::Sign)) => {
                if self.anchored {
                    return Err(error(match part {
                        Part::Minus => "cannot use \"S\" and \"MI\" together",
                        Part::Plus => "cannot use \"S\" and \"PL\" together",
                        _ => "cannot use \"S\" and \"SG\" together",
                    }));
                }
                self.minus |= part != Part::Plus;
                self.plus |= part != Part::Minus;
                part
            }
            Word::Is(Part::Roman { .. }) => {
                self.roman = true;
                Part::Roman { upper }
            }
            Word::Is(Part::Ordinal { .. }) => Part::Ordinal { upper },
            Word::Is(part) => part,
            Word::Fill => {
                self.fill = true;
                Part::Silent
            }
            Word::Ignored => Part::Silent,
            Word::Bracket => {
                if self.anchored || self.plus || self.minus {
                    return Err(error("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.bracket = true;
                Part::Silent
            }
            Word::Anchored => {
                if self.anchored {
                    return Err(error("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.bracket {
                    return Err(error("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
                }
                self.anchored = true;
                self.anchor = if self.point { Anchor::Behind } else { Anchor::Before };
                self.digits_before_sign = self.before;
                Part::Silent
            }
            Word::Scientific => {
                if self.fill || self.anchored || self.bracket || self.minus || self.plus || self.roman || self.shifted {
                    return Err(error("\"EEEE\" is incompatible with other formats")
                        .with_hint("\"EEEE\" may only be used together with digit and decimal point patterns."));
                }
                self.scientific = true;
                Part::Silent
            }
        };
        self.parts.push(part);
        Ok(())
    }
}
