//! A catalog that refuses to be written to, for one write or from one on: what fails has not happened, also where that could
//! not be noted before the next start, and it can be done again as soon as the catalog answers.
//!
//! Between two writes it makes no difference since when the catalog refuses, so it is each write that is tried, and none is
//! left out. That a process ends while its catalog refuses is in `kills`.

use super::Steps;
use super::bench::Stores;
use super::drive::{Way, drive};
use super::kinds::{Group, Touches};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows() {
    drive(Stores::Usual, |kind| kind.group == Group::Rows, Way::RefusedFrom, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions() {
    drive(Stores::Usual, |kind| kind.group == Group::Definitions, Way::RefusedFrom, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves() {
    drive(Stores::Usual, |kind| kind.group == Group::Moves, Way::RefusedFrom, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres_and_iceberg() {
    drive(Stores::Postgres, |kind| kind.touches >= Touches::Warm, Way::RefusedFrom, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bucket() {
    drive(Stores::Bucket, |kind| kind.touches == Touches::Cold, Way::RefusedFrom, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once() {
    drive(Stores::Usual, |_| true, Way::RefusedOnce, Steps::EVERY).await;
}

/// Of the jobs of one transaction the first cannot be noted as given up, and the others can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice() {
    drive(Stores::Usual, |kind| kind.job == "COMMIT", Way::RefusedTwice, Steps::EVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_in_postgres_and_iceberg() {
    drive(Stores::Postgres, |kind| kind.touches == Touches::Cold, Way::RefusedOnce, Steps::EVERY).await;
}
