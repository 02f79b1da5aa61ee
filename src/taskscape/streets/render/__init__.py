"""The renderer: triangles to pixels on one core, compiled by numba."""
