"""The SegNet family."""
