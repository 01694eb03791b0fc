"""The Dagster rim: each asset reads its inputs, calls the domain, writes its outputs and reports."""
