"""What a map of numbers means."""
