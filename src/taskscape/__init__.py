"""taskscape: networks that predict several dense things from one image, compared under one fair protocol."""

__version__ = "0.1.0"
