//! Rules that DataFusion's optimizer lacks, or gets wrong over our scans; one file each.

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use zxq_providers::TierStore;

mod file_order;
mod kept_projections;
mod limits_below_projections;
mod null_matching_joins;
mod partial_aggregates;
mod partition_count;
mod pass_through;
mod repeated_rows;
mod set_operations;
mod subqueries;
mod top_groups;

/// The builder with DataFusion's rules and ours, in their order. `warm` computes partial aggregates itself where it can.
pub(crate) fn with_rules(builder: SessionStateBuilder, warm: &Arc<dyn TierStore>) -> SessionStateBuilder {
    let mut rules = null_matching_joins::physical_rules();
    for rule in &mut rules {
        match rule.name() {
            "LimitAggregation" => *rule = Arc::new(top_groups::TopGroups::default()),
            "ProjectionPushdown" => *rule = Arc::new(kept_projections::KeptProjections::default()),
            _ => {}
        }
    }
    // Beside DataFusion's own answer from statistics: before anything relies on how an aggregate is distributed or sorted.
    let answers = rules.iter().position(|rule| rule.name() == "aggregate_statistics").map_or(0, |at| at + 1);
    rules.insert(answers, Arc::new(partition_count::PartitionCounts));
    // Before sorts are taken away.
    rules.insert(answers, Arc::new(limits_below_projections::LimitsBelowProjections));
    builder
        .with_analyzer_rule(Arc::new(set_operations::CountedRows))
        .with_analyzer_rule(Arc::new(subqueries::Subqueries))
        .with_physical_optimizer_rules(rules)
        .with_physical_optimizer_rule(Arc::new(partial_aggregates::PartialAggregates::new(Arc::clone(warm))))
        .with_physical_optimizer_rule(Arc::new(repeated_rows::SkipRepeatedRows))
        .with_physical_optimizer_rule(Arc::new(file_order::KeepFileOrder))
}

#[cfg(test)]
mod tests {
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

    /// Rules of ours are put beside these, found by their names.
    #[test]
    fn datafusion_has_the_rules_that_ours_stand_beside() {
        let rules = PhysicalOptimizer::new().rules;
        for name in ["aggregate_statistics", "FilterPushdown(Post)", "LimitAggregation"] {
            assert_eq!(rules.iter().filter(|rule| rule.name() == name).count(), 1, "{name}");
        }
    }
}
