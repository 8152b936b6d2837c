//! `COPY … FROM STDIN` and `COPY … TO STDOUT`.

pub(crate) mod from_stdin;
pub(crate) mod options;
pub(crate) mod pipe;
pub(crate) mod text_rows;
pub(crate) mod to_stdout;
