//! `zxq.roles`: who there is. What is kept of passwords is never in it.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use zxq_catalog::Snapshot;

use super::ColumnKind;
use super::columns::{flag, number, text, time};
use crate::error::Result;

pub(super) const ROLES: &[(&str, ColumnKind)] = &[
    ("name", ColumnKind::Text),
    ("superuser", ColumnKind::Flag),
    ("login", ColumnKind::Flag),
    ("inherit", ColumnKind::Flag),
    ("create_role", ColumnKind::Flag),
    ("connection_limit", ColumnKind::Number),
    ("valid_until", ColumnKind::Time),
    ("has_password", ColumnKind::Flag),
    ("member_of", ColumnKind::Text),
];

pub(super) fn roles(snapshot: &Snapshot, schema: SchemaRef) -> Result<RecordBatch> {
    let roles: Vec<_> = snapshot.roles.made().collect();
    let member_of: Vec<String> = roles
        .iter()
        .map(|role| {
            let names = role.member_of.keys().filter_map(|of| snapshot.roles.by_id(*of)).map(|of| of.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        })
        .collect();
    let member_of: ArrayRef = Arc::new(member_of.iter().map(Some).collect::<StringViewArray>());
    Ok(RecordBatch::try_new(
        schema,
        vec![
            text(roles.iter().map(|role| Some(&role.name))),
            flag(roles.iter().map(|role| role.superuser)),
            flag(roles.iter().map(|role| role.login)),
            flag(roles.iter().map(|role| role.inherit)),
            flag(roles.iter().map(|role| role.create_role)),
            number(roles.iter().map(|role| role.connection_limit.map(u64::from))),
            time(roles.iter().map(|role| role.valid_until)),
            flag(roles.iter().map(|role| role.verifier.is_some())),
            member_of,
        ],
    )?)
}
