//! Jobs that are asked to stop, at each moment at which they wait: who is told "cancelled" finds nothing of them, and who is
//! told that it worked finds all.

use super::Steps;
use super::bench::Stores;
use super::drive::{Way, drive};
use super::kinds::{Group, Touches};

const MOST: Steps = Steps { all_up_to: 40, then_every: 6 };
const SOME: Steps = Steps { all_up_to: 12, then_every: 5 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows() {
    drive(Stores::Usual, |kind| kind.group == Group::Rows, Way::Stopped, MOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions() {
    drive(Stores::Usual, |kind| kind.group == Group::Definitions, Way::Stopped, MOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves() {
    drive(Stores::Usual, |kind| kind.group == Group::Moves, Way::Stopped, MOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres_and_iceberg() {
    drive(Stores::Postgres, |kind| kind.touches >= Touches::Warm, Way::Stopped, SOME).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bucket() {
    drive(Stores::Bucket, |kind| kind.touches == Touches::Cold, Way::Stopped, SOME).await;
}
