//! What the columns of a result are called and declared as.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::parser::Statement as DfStatement;
use zxq_catalog::declared::PG_TYPE;
use zxq_language::sql::output_names::{lay_over, output_declarations, output_names};

/// A plan's schema under the names that PostgreSQL gives the columns, with the types that a cast around them declares.
pub(super) fn named_as_in_postgres(statement: &DfStatement, planned: &Schema) -> SchemaRef {
    let own: Vec<&str> = planned.fields().iter().map(|f| f.name().as_str()).collect();
    let none = vec![""; own.len()];
    let names = output_names(statement).and_then(|names| lay_over(&names, &own));
    let declared = output_declarations(statement).and_then(|types| lay_over(&types, &none));
    if names.is_none() && declared.is_none() {
        return Arc::new(planned.clone());
    }
    let fields = planned.fields().iter().enumerate().map(|(at, field)| {
        let name = names.as_ref().and_then(|names| names.get(at)).unwrap_or(field.name()).clone();
        let field = field.as_ref().clone().with_name(name);
        match declared.as_ref().and_then(|types| types.get(at)).filter(|declared| !declared.is_empty()) {
            Some(declared) if field.data_type().is_string() => {
                let mut metadata = field.metadata().clone();
                metadata.insert(PG_TYPE.to_owned(), declared.clone());
                field.with_metadata(metadata)
            }
            _ => field,
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), planned.metadata().clone()))
}
