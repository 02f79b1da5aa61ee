"""The renderer, which turns triangles into pixels on one core, compiled by numba."""
