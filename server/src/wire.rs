//! The PostgreSQL wire protocol, version 3.
//!
//! pgwire gives messages, their codec and the socket; what a session is and how rows get onto the wire is here, so that
//! results stream in bounded memory and every statement can be cancelled.
//!
//! Reading order: [`starting`], [`greeting`], [`tls`], [`startup`], [`auth`] and [`connection`] (a client's life), [`plan`],
//! [`kept_plans`], [`execute`] and [`answer`] (a statement's), [`rows`],
//! [`cursor`] and [`encode`] (results), [`decode`] (parameters), [`copy`], [`settings`], [`utility`] (what the engine does not see).

pub(crate) mod activity;
pub(crate) mod advisory;
pub(crate) mod answer;
pub(crate) mod auth;
pub(crate) mod cancel;
pub(crate) mod connection;
pub(crate) mod copy;
pub(crate) mod cursor;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod execute;
pub(crate) mod extended;
pub(crate) mod greeting;
mod kept_plans;
pub(crate) mod lexer;
mod lifted;
pub(crate) mod link;
pub(crate) mod long_work;
pub(crate) mod message_limit;
mod message_shape;
mod mistake_place;
pub(crate) mod notify;
pub(crate) mod plan;
pub(crate) mod portal;
pub(crate) mod rows;
pub(crate) mod session;
mod session_user;
mod session_zone;
pub(crate) mod settings;
pub(crate) mod settings_commands;
pub(crate) mod starting;
pub(crate) mod startup;
pub(crate) mod tls;
pub(crate) mod transaction;
mod type_names;
pub(crate) mod types;
pub(crate) mod utility;
