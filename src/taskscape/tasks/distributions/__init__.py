"""Predictive distributions of raw outputs, one kind of task per file."""
