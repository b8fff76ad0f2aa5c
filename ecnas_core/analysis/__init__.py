"""What can be read off the benchmark: metrics, views, Pareto fronts and the picture of a view."""
