"""Grids of runs: plan, execution, results, statistics, reports and figures."""
