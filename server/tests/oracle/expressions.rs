//! Random expressions of a wanted type.

use std::collections::HashMap;

use rand::Rng;
use rand::rngs::StdRng;

use crate::templates::{SCALARS, Template};
use crate::values::Type;

/// What the leaves of an expression are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Constants,
    /// Columns, more often than constants.
    Columns,
    /// Parameters, more often than constants.
    Parameters,
}

/// Writes expressions.
pub(crate) struct Expressions {
    pub(crate) random: StdRng,
    by_type: HashMap<Type, Vec<Template>>,
    /// Types and values of the parameters that were used since the last statement, `$1` first.
    pub(crate) parameters: Vec<(Type, String)>,
}

impl Expressions {
    pub(crate) fn new(random: StdRng) -> Self {
        let mut by_type: HashMap<Type, Vec<Template>> = HashMap::new();
        for template in SCALARS {
            by_type.entry(template.0).or_default().push(*template);
        }
        Expressions { random, by_type, parameters: Vec::new() }
    }

    pub(crate) fn any_type(&mut self) -> Type {
        Type::ALL[self.random.random_range(0..Type::ALL.len())]
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())]
    }

    /// An expression of this type, at most `depth` calls deep.
    pub(crate) fn write(&mut self, wanted: Type, leaves: Leaves, depth: u32) -> String {
        if depth == 0 || self.random.random_ratio(1, 5) {
            return self.leaf(wanted, leaves);
        }
        match self.by_type.get(&wanted) {
            Some(all) => {
                let template = all[self.random.random_range(0..all.len())];
                self.fill(&template, leaves, depth - 1)
            }
            None => self.leaf(wanted, leaves),
        }
    }

    /// A template with its arguments.
    pub(crate) fn fill(&mut self, template: &Template, leaves: Leaves, depth: u32) -> String {
        let mut text = template.1.to_owned();
        for (at, argument) in template.2.iter().enumerate() {
            let given = self.write(*argument, leaves, depth);
            text = text.replace(&format!("{{{at}}}"), &given);
        }
        text
    }

    fn leaf(&mut self, wanted: Type, leaves: Leaves) -> String {
        let columns = wanted.columns();
        match leaves {
            Leaves::Columns if !columns.is_empty() && self.random.random_ratio(4, 5) => self.one_of(columns).to_owned(),
            Leaves::Parameters if self.parameters.len() < 4 && self.random.random_ratio(3, 5) => {
                let value = wanted.constant(&mut self.random);
                self.parameters.push((wanted, value));
                format!("${}", self.parameters.len())
            }
            _ => wanted.constant(&mut self.random),
        }
    }
}
