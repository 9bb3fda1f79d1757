"""The vocabulary: entries, outcomes, orders, reports, errors, states, options, configuration."""
