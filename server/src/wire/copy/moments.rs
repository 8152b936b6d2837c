//! Times without a zone in columns of moments: they are local to the session, which the loader knows nothing of.

use bytes::BytesMut;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::scalar::ScalarValue;
use zxq_engine::Zone;
use zxq_engine::catalog::TableDef;
use zxq_engine::functions::text_beside_times::value_in;

use crate::wire::encode::text::write_timestamp;

/// The columns of moments of a table, in a session whose zone is not UTC.
#[derive(Debug, Default)]
pub(super) struct Moments {
    columns: Vec<String>,
    zone: Option<Zone>,
}

impl Moments {
    /// Those of a table; none where the session's zone is what the loader takes them for.
    pub(super) fn of(table: &TableDef, zone: &str) -> Self {
        let Some((zone, _)) = Zone::of_setting(zone).filter(|(zone, _)| !zone.is_utc()) else {
            return Moments::default();
        };
        let is_moment = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
        let columns = table.columns.iter().filter(|column| is_moment(&column.data_type));
        Moments { columns: columns.map(|column| column.name.clone()).collect(), zone: Some(zone) }
    }

    /// True for a column whose texts have to go through [`Moments::in_utc`].
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// The moment as a text that says its zone; `None` for what is no moment, of which the loader tells.
    pub(super) fn in_utc(&self, text: &str) -> Option<String> {
        let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let ScalarValue::TimestampMicrosecond(Some(micros), _) = value_in(text, &moment, self.zone?).ok()? else {
            return None;
        };
        let mut out = BytesMut::new();
        write_timestamp(&mut out, micros, Some(Zone::UTC));
        String::from_utf8(out.to_vec()).ok()
    }
}
