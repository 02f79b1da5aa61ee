"""Predictions for image files."""
