"""Raw data sets as they are published: one reader a file."""
