"""The DeepLabV3+ ladder."""
