//! What loads and moves share: [`segment_writers`] write segments, [`publish`] makes them visible, [`settle`] gives up those
//! jobs that fail, [`caught`] makes a bug such a failure, [`collect`] drops what nobody reads any more.

pub(crate) mod caught;
mod collect;
pub(crate) mod publish;
pub(crate) mod segment_writers;
pub(crate) mod settle;
