"""The page about several runs side by side, a file per part."""
