"""Networks based on SegNet (Badrinarayanan et al., PAMI 2017, https://arxiv.org/abs/1511.00561)."""
