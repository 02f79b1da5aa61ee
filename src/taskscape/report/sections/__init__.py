"""The sections of the page of one run, one module each."""
