"""Benchmarks with their peers: each prints a table and writes bench/results/NAME.json (design.md §6)."""
