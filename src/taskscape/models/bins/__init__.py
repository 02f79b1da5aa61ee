"""Networks with adaptive depth bins, based on AdaBins (Bhat et al., CVPR 2021, https://arxiv.org/abs/2011.14141)."""
