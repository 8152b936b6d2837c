//! Jobs whose callers drop them, at each moment at which they wait: what they do is done as a whole or not at all, and they
//! clean up by themselves.
//!
//! One thread runs job and caller in turn, so that the job does not go on between the moment and the drop.

use super::Steps;
use super::bench::Stores;
use super::drive::{Way, drive};
use super::kinds::{Group, Touches};

const SOME: Steps = Steps { all_up_to: 8, then_every: 5 };
const FEW: Steps = Steps { all_up_to: 4, then_every: 7 };

#[tokio::test]
async fn rows() {
    drive(Stores::Usual, |kind| kind.group == Group::Rows, Way::Abandoned, SOME).await;
}

#[tokio::test]
async fn definitions() {
    drive(Stores::Usual, |kind| kind.group == Group::Definitions, Way::Abandoned, SOME).await;
}

#[tokio::test]
async fn moves() {
    drive(Stores::Usual, |kind| kind.group == Group::Moves, Way::Abandoned, SOME).await;
}

#[tokio::test]
async fn in_postgres_and_iceberg() {
    drive(Stores::Postgres, |kind| kind.touches >= Touches::Warm, Way::Abandoned, FEW).await;
}
