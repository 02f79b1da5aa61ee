"""Where an experiment's data come from."""
