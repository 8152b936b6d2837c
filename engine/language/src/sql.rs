//! SQL text and what zxq makes of it: statements, table definitions, and definitions back as SQL.
//!
//! Reading order: [`statement`], `postgres_forms`, `output_names`, [`types`], [`options`], [`mod@create_table`],
//! [`mod@alter_table`], [`from_schema`], [`show_create`].

mod alias_columns;
pub mod alter_sequence;
pub mod alter_table;
pub mod array_queries;
mod balanced;
pub mod budget;
pub mod cold_format;
mod columns_without_types;
pub mod create_table;
pub(crate) mod depth;
pub mod dialect;
pub mod distinct_aggregates;
pub mod expansion;
pub mod explain_options;
pub mod from_schema;
pub mod function_tables;
mod ident;
pub mod insert_conflict;
mod json_rows;
pub mod keys;
mod keywords;
pub mod light;
mod named_arguments;
pub mod options;
pub mod output_names;
pub mod parameter_places;
pub mod postgres_forms;
pub mod postgres_operators;
pub mod query_forms;
pub mod relations;
pub mod role_statement;
mod row_correction;
pub mod row_places;
mod select_into;
pub mod sequence_def;
mod sequence_options;
pub mod sequences;
pub mod series;
pub mod set_returning;
pub mod set_schema;
pub mod show_create;
pub mod statement;
mod syntax_error;
mod table_command;
mod text_literals;
pub mod told_apart;
pub mod typed_texts;
pub mod types;
pub mod using_columns;
pub mod whole_rows;

pub use alter_table::alter_table;
pub use create_table::{columns_read, create_table, create_table_as};
pub use from_schema::{table_for_load, table_from_schema};
pub(crate) use ident::quote_ident_as_postgres;
pub use ident::{is_default, normalise, quote_ident, quoted, quoted_text, table_name};
pub use options::{Age, can_look_up};
pub use role_statement::without_secrets;
pub use row_correction::{Becomes, CorrectionQuery, RowCorrection};
pub use sequence_def::{SequenceFacts, sequence_facts};
pub use show_create::show_create_table;
pub use statement::{Statement, StatementKind, parse, type_in_sql};
