//! Sequences: what CREATE SEQUENCE and ALTER SEQUENCE say of them, how that is kept, and how they count.

use std::fmt;

use datafusion::sql::sqlparser::ast::{DataType, Expr, SequenceOptions, UnaryOperator, Value};
use zxq_catalog::{SEQUENCE_OWNER, TableDef, TableId};

use super::alter_sequence::SequenceOptionChanges;
use crate::error::{EngineError, ErrorKind, Result};

/// What the numbers of a sequence are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    /// Of 16 bits.
    SmallInt,
    /// Of 32 bits.
    Integer,
    /// Of 64 bits.
    BigInt,
}

impl NumberType {
    const ALL: [NumberType; 3] = [NumberType::SmallInt, NumberType::Integer, NumberType::BigInt];

    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for any other type.
    fn of(data_type: &DataType) -> Result<NumberType> {
        match data_type {
            DataType::BigInt(_) | DataType::Int8(_) => Ok(NumberType::BigInt),
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => Ok(NumberType::Integer),
            DataType::SmallInt(_) | DataType::Int2(_) => Ok(NumberType::SmallInt),
            _ => Err(invalid("sequence type must be smallint, integer, or bigint")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            NumberType::SmallInt => "smallint",
            NumberType::Integer => "integer",
            NumberType::BigInt => "bigint",
        }
    }

    fn bounds(self) -> (i64, i64) {
        match self {
            NumberType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
            NumberType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
            NumberType::BigInt => (i64::MIN, i64::MAX),
        }
    }
}

/// A sequence as its definition keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceDef {
    /// Which numbers it may be asked to give.
    pub data_type: NumberType,
    /// What is added to one number to make the next.
    pub increment: i64,
    /// `MINVALUE`.
    pub least: i64,
    /// `MAXVALUE`.
    pub most: i64,
    /// The number that is given first.
    pub start: i64,
    /// Whether it goes on at its other end.
    pub cycles: bool,
    /// The last number that was given, once one was.
    pub last: Option<i64>,
    /// The number that the next call gives, where it was set so.
    pub next: Option<i64>,
}

impl fmt::Display for SequenceDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SequenceDef { data_type, increment, least, most, start, cycles, .. } = self;
        write!(f, "{increment} {least} {most} {start} {cycles}")?;
        for number in [self.last, self.next] {
            match number {
                Some(number) => write!(f, " {number}")?,
                None => write!(f, " -")?,
            }
        }
        // Those that were kept before there were others say nothing, and are of this one.
        match data_type {
            NumberType::BigInt => Ok(()),
            other => write!(f, " {}", other.name()),
        }
    }
}

impl SequenceDef {
    /// From the text that [`fmt::Display`] makes.
    pub fn parse(text: &str) -> Option<SequenceDef> {
        let words: Vec<&str> = text.split(' ').collect();
        let (words, data_type) = match words.as_slice() {
            [words @ .., name] if words.len() == 7 => {
                (words, NumberType::ALL.into_iter().find(|data_type| data_type.name() == *name)?)
            }
            words => (words, NumberType::BigInt),
        };
        let [increment, least, most, start, cycles, last, next] = words else { return None };
        let number = |text: &&str| if *text == "-" { Some(None) } else { text.parse().ok().map(Some) };
        Some(SequenceDef {
            data_type,
            increment: increment.parse().ok()?,
            least: least.parse().ok()?,
            most: most.parse().ok()?,
            start: start.parse().ok()?,
            cycles: cycles.parse().ok()?,
            last: number(last)?,
            next: number(next)?,
        })
    }

    /// What CREATE SEQUENCE says.
    ///
    /// # Errors
    /// As PostgreSQL has them, [`ErrorKind::InvalidParameter`].
    pub fn of(data_type: Option<&DataType>, options: &[SequenceOptions]) -> Result<SequenceDef> {
        let data_type = data_type.map(NumberType::of).transpose()?.unwrap_or(NumberType::BigInt);
        let (lowest, highest) = data_type.bounds();
        let (mut increment, mut least, mut most, mut start, mut cycles) = (1, None, None, None, false);
        for option in options {
            match option {
                SequenceOptions::IncrementBy(number, _) => increment = integer(number)?,
                SequenceOptions::MinValue(number) => least = number.as_ref().map(integer).transpose()?,
                SequenceOptions::MaxValue(number) => most = number.as_ref().map(integer).transpose()?,
                SequenceOptions::StartWith(number, _) => start = Some(integer(number)?),
                SequenceOptions::Cache(number) => {
                    if integer(number)? < 1 {
                        return Err(invalid(format!("CACHE ({number}) must be greater than zero")));
                    }
                }
                // The parser says true of NO CYCLE.
                SequenceOptions::Cycle(no) => cycles = !no,
            }
        }
        let up = increment > 0;
        let least = least.unwrap_or(if up { 1 } else { lowest });
        let most = most.unwrap_or(if up { highest } else { -1 });
        let start = start.unwrap_or(if up { least } else { most });
        let sequence = SequenceDef { data_type, increment, least, most, start, cycles, last: None, next: None };
        sequence.check()?;
        Ok(sequence)
    }

    /// Changes what ALTER SEQUENCE says.
    ///
    /// # Errors
    /// As [`SequenceDef::of`]; also where the number that it has come to would be out of its bounds.
    pub fn alter(&mut self, changes: &SequenceOptionChanges) -> Result<()> {
        let before = self.data_type.bounds();
        if let Some(data_type) = &changes.data_type {
            self.data_type = NumberType::of(data_type)?;
        }
        let (lowest, highest) = self.data_type.bounds();
        self.increment = changes.increment.unwrap_or(self.increment);
        let up = self.increment > 0;
        // Bounds that are those of the type go with it.
        match changes.least {
            Some(least) => self.least = least.unwrap_or(if up { 1 } else { lowest }),
            None if self.least == before.0 => self.least = lowest,
            None => {}
        }
        match changes.most {
            Some(most) => self.most = most.unwrap_or(if up { highest } else { -1 }),
            None if self.most == before.1 => self.most = highest,
            None => {}
        }
        self.start = changes.start.unwrap_or(self.start);
        self.cycles = changes.cycles.unwrap_or(self.cycles);
        if let Some(restart) = changes.restart {
            let next = restart.unwrap_or(self.start);
            (self.last, self.next) = (Some(next), Some(next));
        }
        self.check()?;
        let SequenceDef { least, most, .. } = *self;
        match self.next.or(self.last) {
            Some(number) if number < least => {
                Err(invalid(format!("RESTART value ({number}) cannot be less than MINVALUE ({least})")))
            }
            Some(number) if number > most => {
                Err(invalid(format!("RESTART value ({number}) cannot be greater than MAXVALUE ({most})")))
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        let SequenceDef { increment, least, most, start, .. } = *self;
        let (lowest, highest) = self.data_type.bounds();
        if increment == 0 {
            return Err(invalid("INCREMENT must not be zero"));
        }
        let outside = [("MAXVALUE", most), ("MINVALUE", least)];
        if let Some((name, bound)) = outside.into_iter().find(|(_, bound)| *bound < lowest || *bound > highest) {
            let data_type = self.data_type.name();
            return Err(invalid(format!("{name} ({bound}) is out of range for sequence data type {data_type}")));
        }
        if least >= most {
            return Err(invalid(format!("MINVALUE ({least}) must be less than MAXVALUE ({most})")));
        }
        if start < least {
            return Err(invalid(format!("START value ({start}) cannot be less than MINVALUE ({least})")));
        }
        if start > most {
            return Err(invalid(format!("START value ({start}) cannot be greater than MAXVALUE ({most})")));
        }
        Ok(())
    }

    /// Gives the next number.
    ///
    /// # Errors
    /// [`ErrorKind::SequenceExhausted`].
    pub fn give(&mut self, name: &str) -> Result<i64> {
        let number = match (self.next.take(), self.last) {
            (Some(next), _) => next,
            (None, None) => self.start,
            (None, Some(last)) => {
                let next = last.checked_add(self.increment).filter(|next| (self.least..=self.most).contains(next));
                let up = self.increment > 0;
                match next {
                    Some(next) => next,
                    None if self.cycles => {
                        if up {
                            self.least
                        } else {
                            self.most
                        }
                    }
                    None => {
                        let (word, bound) = if up { ("maximum", self.most) } else { ("minimum", self.least) };
                        return Err(EngineError::new(
                            ErrorKind::SequenceExhausted,
                            format!("nextval: reached {word} value of sequence \"{name}\" ({bound})"),
                        ));
                    }
                }
            }
        };
        self.last = Some(number);
        Ok(number)
    }

    /// Gives that many numbers, the next ones.
    ///
    /// # Errors
    /// As [`SequenceDef::give`].
    pub fn give_many(&mut self, name: &str, count: usize) -> Result<Vec<i64>> {
        (0..count).map(|_| self.give(name)).collect()
    }

    /// Sets the last number that was given, or, where it was not yet, the one that the next call gives.
    ///
    /// # Errors
    /// [`ErrorKind::NumericOutOfRange`].
    pub fn set(&mut self, name: &str, number: i64, is_called: bool) -> Result<()> {
        if !(self.least..=self.most).contains(&number) {
            let (least, most) = (self.least, self.most);
            return Err(EngineError::new(
                ErrorKind::NumericOutOfRange,
                format!("setval: value {number} is out of bounds for sequence \"{name}\" ({least}..{most})"),
            ));
        }
        (self.last, self.next) = (Some(number), (!is_called).then_some(number));
        Ok(())
    }

    /// The statement that makes one like this, called so in SQL.
    pub fn create(&self, name: &str) -> String {
        let SequenceDef { data_type, increment, least, most, start, cycles, .. } = self;
        let cycle = if *cycles { " CYCLE" } else { "" };
        let data_type = match data_type {
            NumberType::BigInt => String::new(),
            other => format!(" AS {}", other.name()),
        };
        format!(
            "CREATE SEQUENCE {name}{data_type} INCREMENT BY {increment} MINVALUE {least} MAXVALUE {most} START WITH \
             {start}{cycle}"
        )
    }

    /// The query that `SELECT * FROM sequence` reads.
    pub fn as_query(&self) -> String {
        let shown = self.next.or(self.last).unwrap_or(self.start);
        let is_called = self.last.is_some() && self.next.is_none();
        format!(
            "SELECT CAST('{shown}' AS BIGINT) AS last_value, CAST(0 AS BIGINT) AS log_cnt, {is_called} AS is_called"
        )
    }
}

/// What a sequence is, as catalogs tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceFacts {
    /// `smallint`, `integer` or `bigint`.
    pub data_type: &'static str,
    /// Where it begins.
    pub start: i64,
    /// By how much it counts.
    pub increment: i64,
    /// The least number that it gives.
    pub least: i64,
    /// The greatest one.
    pub most: i64,
    /// It begins anew at its end.
    pub cycles: bool,
    /// The last number that it gave.
    pub last: Option<i64>,
    /// The table, and the column of it, that it goes with.
    pub owner: Option<(TableId, String)>,
}

/// What a definition says of its sequence; `None` for tables and views.
pub fn sequence_facts(def: &TableDef) -> Option<SequenceFacts> {
    let sequence = SequenceDef::parse(def.sequence()?)?;
    let owner = def.options.get(SEQUENCE_OWNER).and_then(|owner| owner.split_once(' '));
    Some(SequenceFacts {
        data_type: sequence.data_type.name(),
        start: sequence.start,
        increment: sequence.increment,
        least: sequence.least,
        most: sequence.most,
        cycles: sequence.cycles,
        last: sequence.last.filter(|_| sequence.next.is_none()),
        owner: owner.and_then(|(table, column)| Some((table.parse().ok()?, column.to_owned()))),
    })
}

fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::InvalidParameter, message)
}

/// The whole number that an expression is.
///
/// # Errors
/// [`ErrorKind::Syntax`] for anything else.
pub(super) fn integer(expr: &Expr) -> Result<i64> {
    fn digits(expr: &Expr) -> Option<String> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => Some(digits.clone()),
                _ => None,
            },
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => digits(expr).map(|digits| format!("-{digits}")),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => digits(expr),
            _ => None,
        }
    }
    let number = digits(expr).and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| EngineError::new(ErrorKind::Syntax, format!("an integer was expected, not {expr}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sequence(text: &str) -> Result<SequenceDef> {
        let parsed = crate::sql::parse(text).unwrap().pop().unwrap().into_parsed();
        let datafusion::sql::parser::Statement::Statement(ast) = parsed else { unreachable!() };
        match *ast {
            datafusion::sql::sqlparser::ast::Statement::CreateSequence { data_type, sequence_options, .. } => {
                SequenceDef::of(data_type.as_ref(), &sequence_options)
            }
            _ => unreachable!(),
        }
    }

    #[test]
    fn numbers_are_given_in_steps() {
        let mut by_five = sequence("CREATE SEQUENCE s INCREMENT BY 5 MAXVALUE 12").unwrap();
        assert_eq!([by_five.give("s").unwrap(), by_five.give("s").unwrap(), by_five.give("s").unwrap()], [1, 6, 11]);
        assert_eq!(by_five.give("s").unwrap_err().kind(), ErrorKind::SequenceExhausted);
        by_five.set("s", 3, false).unwrap();
        assert_eq!([by_five.give("s").unwrap(), by_five.give("s").unwrap()], [3, 8]);
        assert_eq!(SequenceDef::parse(&by_five.to_string()), Some(by_five.clone()));
        by_five.set("s", 13, true).unwrap_err();
        let mut down = sequence("CREATE SEQUENCE s INCREMENT -1 MINVALUE -2 CYCLE").unwrap();
        let given: Vec<i64> = (0..4).map(|_| down.give("s").unwrap()).collect();
        assert_eq!(given, [-1, -2, -1, -2]);
        assert_eq!(down.give_many("s", 3).unwrap(), [-1, -2, -1]);
        sequence("CREATE SEQUENCE s START 5 MAXVALUE 3").unwrap_err();
        sequence("CREATE SEQUENCE s INCREMENT 0").unwrap_err();
    }

    #[test]
    fn a_sequence_is_changed() {
        let alter = |sequence: &mut SequenceDef, text: &str| {
            let parsed = crate::sql::parse(&format!("ALTER SEQUENCE s {text}")).unwrap().pop().unwrap();
            match &parsed.alter_sequence().unwrap().change {
                crate::sql::alter_sequence::SequenceChange::Options(options) => sequence.alter(options),
                _ => unreachable!(),
            }
        };
        let mut counted = sequence("CREATE SEQUENCE s AS integer START 3").unwrap();
        assert_eq!(SequenceDef::parse(&counted.to_string()), Some(counted.clone()));
        counted.give_many("s", 2).unwrap();
        alter(&mut counted, "INCREMENT BY 10").unwrap();
        assert_eq!(counted.give("s").unwrap(), 14);
        alter(&mut counted, "RESTART").unwrap();
        assert_eq!(counted.give_many("s", 2).unwrap(), [3, 13]);
        alter(&mut counted, "RESTART WITH 100 INCREMENT 1 MAXVALUE 101 CYCLE").unwrap();
        assert_eq!(counted.give_many("s", 3).unwrap(), [100, 101, 1]);
        alter(&mut counted, "NO MAXVALUE NO CYCLE AS smallint").unwrap();
        assert_eq!((counted.most, counted.cycles), (i64::from(i16::MAX), false));
        alter(&mut counted, "AS bigint").unwrap();
        assert_eq!(counted.most, i64::MAX);
        for wrong in ["INCREMENT 0", "MINVALUE 9", "RESTART WITH 0", "AS text", "MAXVALUE 0"] {
            let mut changed = counted.clone();
            assert_eq!(alter(&mut changed, wrong).unwrap_err().kind(), ErrorKind::InvalidParameter, "{wrong}");
        }
    }
}
