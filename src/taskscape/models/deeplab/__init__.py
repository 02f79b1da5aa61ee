"""Networks based on DeepLabV3+ (Chen et al., ECCV 2018, https://arxiv.org/abs/1802.02611)."""
