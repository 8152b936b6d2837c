//! From a data directory to an engine that runs: [`recovery`] opens the stores and judges what a crash left,
//! `replay` brings hot back from the log,
//! [`cold_place`] says whether warm and cold lie where they belong, [`cold_stores`] puts the lake formats behind one store.

pub(crate) mod cold_place;
pub(crate) mod cold_stores;
pub(crate) mod recovery;
mod replay;
mod start;
pub(crate) mod watched_catalog;
