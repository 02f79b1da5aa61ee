"""The remainder that textures use for repetition equals the operator bit for bit."""

import numpy as np

from taskscape.streets.render.modulo import modulo


def test_modulo_has_the_bits_of_the_operator():
    generator = np.random.default_rng(0)
    for period in (1.0, 1.1, 9.0, 0.025, *generator.uniform(0.01, 12, 10).tolist()):
        multiples = np.arange(-50, 50) * period
        edges = [multiples, np.nextafter(multiples, np.inf), np.nextafter(multiples, -np.inf), [0.0, -0.0, -1e-300]]
        for x in np.concatenate([*edges, generator.uniform(-1e3, 1e3, 200), generator.normal(size=50) * 1e-3]).tolist():
            found, expected = modulo(x, period), x % period
            assert np.float64(found).tobytes() == np.float64(expected).tobytes(), (x, period)
