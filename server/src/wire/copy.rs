//! `COPY … FROM STDIN` and `COPY … TO STDOUT`.

pub(crate) mod binary_reader;
mod binary_values;
mod escapes;
pub(crate) mod from_stdin;
pub(crate) mod loader_csv;
mod moments;
pub(crate) mod options;
pub(crate) mod pipe;
pub(crate) mod text_lines;
mod text_reader;
pub(crate) mod text_rows;
pub(crate) mod to_stdout;
