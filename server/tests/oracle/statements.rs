//! Random statements: expressions over constants, over columns, in filters, groups, windows, joins, and prepared.

use rand::rngs::StdRng;

use crate::expressions::{Expressions, Leaves};
use crate::templates::{AGGREGATES, FRAMES, WINDOWS};
use crate::values::Type;

/// Where the table's name goes.
const TABLE: &str = "{table}";

/// A statement for both systems.
#[derive(Debug)]
pub(crate) struct Statement {
    sql: String,
    /// Types of the columns it gives.
    pub(crate) types: Vec<Type>,
    /// True if the order of its rows says something.
    pub(crate) ordered: bool,
    /// True if it reads the table: then it is asked at every placement.
    pub(crate) reads_table: bool,
}

impl Statement {
    /// The statement, with a placeholder for the table.
    pub(crate) fn text(&self) -> &str {
        &self.sql
    }

    /// The statement over this table.
    pub(crate) fn over(&self, table: &str) -> String {
        self.sql.replace(TABLE, table)
    }
}

/// Writes statements.
pub(crate) struct Statements {
    expressions: Expressions,
}

impl Statements {
    pub(crate) fn new(random: StdRng) -> Self {
        Statements { expressions: Expressions::new(random) }
    }

    pub(crate) fn next(&mut self) -> Statement {
        let forms: [fn(&mut Self) -> Statement; 14] = [
            Self::constant,
            Self::constant,
            Self::constant,
            Self::prepared,
            Self::projected,
            Self::projected,
            Self::filtered,
            Self::filtered,
            Self::grouped,
            Self::total,
            Self::window,
            Self::distinct,
            Self::joined,
            Self::first_rows,
        ];
        let form = self.expressions.one_of(&forms);
        form(self)
    }

    fn write(&mut self, wanted: Type, leaves: Leaves, depth: u32) -> String {
        self.expressions.write(wanted, leaves, depth)
    }

    fn constant(&mut self) -> Statement {
        let wanted = self.expressions.any_type();
        let sql = format!("SELECT {}", self.write(wanted, Leaves::Constants, 3));
        Statement { sql, types: vec![wanted], ordered: true, reads_table: false }
    }

    fn prepared(&mut self) -> Statement {
        let wanted = self.expressions.any_type();
        self.expressions.parameters.clear();
        let expression = self.write(wanted, Leaves::Parameters, 3);
        let parameters = std::mem::take(&mut self.expressions.parameters);
        let sql = if parameters.is_empty() {
            format!("SELECT {expression}")
        } else {
            let types: Vec<&str> = parameters.iter().map(|(data_type, _)| data_type.sql()).collect();
            let values: Vec<&str> = parameters.iter().map(|(_, value)| value.as_str()).collect();
            let (types, values) = (types.join(", "), values.join(", "));
            // An error ends the batch before its last statement: the name is free again first.
            format!("DEALLOCATE ALL; PREPARE p ({types}) AS SELECT {expression}; EXECUTE p ({values})")
        };
        Statement { sql, types: vec![wanted], ordered: true, reads_table: false }
    }

    fn projected(&mut self) -> Statement {
        let wanted = self.expressions.any_type();
        let sql = format!("SELECT id, {} FROM {TABLE} ORDER BY id", self.write(wanted, Leaves::Columns, 2));
        Statement { sql, types: vec![Type::Int, wanted], ordered: true, reads_table: true }
    }

    fn filtered(&mut self) -> Statement {
        let sql = format!("SELECT id FROM {TABLE} WHERE {} ORDER BY id", self.write(Type::Bool, Leaves::Columns, 2));
        Statement { sql, types: vec![Type::Int], ordered: true, reads_table: true }
    }

    fn grouped(&mut self) -> Statement {
        let key_type = self.expressions.any_type();
        let key = self.write(key_type, Leaves::Columns, 1);
        let aggregate = self.expressions.one_of(AGGREGATES);
        let value = self.expressions.fill(&aggregate, Leaves::Columns, 1);
        let sql = format!("SELECT {key} AS key, {value} AS value FROM {TABLE} GROUP BY 1 ORDER BY 1");
        Statement { sql, types: vec![key_type, aggregate.0], ordered: true, reads_table: true }
    }

    fn total(&mut self) -> Statement {
        let aggregate = self.expressions.one_of(AGGREGATES);
        let value = self.expressions.fill(&aggregate, Leaves::Columns, 2);
        let filter = self.write(Type::Bool, Leaves::Columns, 1);
        let sql = format!("SELECT {value} FROM {TABLE} WHERE {filter}");
        Statement { sql, types: vec![aggregate.0], ordered: true, reads_table: true }
    }

    fn window(&mut self) -> Statement {
        let function = self.expressions.one_of(WINDOWS);
        let value = self.expressions.fill(&function, Leaves::Columns, 1);
        let frame = self.expressions.one_of(FRAMES);
        let partition = self.expressions.one_of(&["", "PARTITION BY k ", "PARTITION BY day "]);
        let sql = format!("SELECT id, {value} OVER ({partition}ORDER BY id {frame}) FROM {TABLE} ORDER BY id");
        Statement { sql, types: vec![Type::Int, function.0], ordered: true, reads_table: true }
    }

    fn distinct(&mut self) -> Statement {
        let wanted = self.expressions.any_type();
        let sql = format!("SELECT DISTINCT {} FROM {TABLE} ORDER BY 1", self.write(wanted, Leaves::Columns, 1));
        Statement { sql, types: vec![wanted], ordered: true, reads_table: true }
    }

    fn joined(&mut self) -> Statement {
        let key = self.expressions.one_of(&["i4", "i8", "n", "f8", "t", "d", "ts", "tz", "k", "day"]);
        let kind = self.expressions.one_of(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
        let sql = format!(
            "SELECT a.id, b.id FROM {TABLE} a {kind} {TABLE} b ON a.{key} = b.{key} AND a.id <= b.id ORDER BY 1, 2"
        );
        Statement { sql, types: vec![Type::Int, Type::Int], ordered: true, reads_table: true }
    }

    fn first_rows(&mut self) -> Statement {
        let wanted = self.expressions.any_type();
        let key = self.write(wanted, Leaves::Columns, 1);
        let order = self.expressions.one_of(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        let rows = self.expressions.one_of(&["LIMIT 3", "LIMIT 5 OFFSET 2", "OFFSET 7", "LIMIT 0"]);
        let sql = format!("SELECT id, {key} AS key FROM {TABLE} ORDER BY key{order}, id {rows}");
        Statement { sql, types: vec![Type::Int, wanted], ordered: true, reads_table: true }
    }
}
