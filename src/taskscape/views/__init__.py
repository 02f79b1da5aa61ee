"""How a modality is shown and written to a file."""
