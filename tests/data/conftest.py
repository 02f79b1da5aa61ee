"""Small stores and a stand-in for the renderer."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from samples import SIZE, sample, writer

from taskscape.data import Store


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    def make(count: int = 7, size: tuple[int, int] = SIZE, shard: int | None = None, name: str = "store") -> Store:
        filling = writer(tmp_path / name, size, shard, train=count)
        for index in range(count):
            filling.put("train", index, sample(index, size))
        filling.finish()
        return Store.open(tmp_path / name, "train", verify=True)

    return make


class FakeScene(NamedTuple):
    image: np.ndarray
    semseg: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    boundaries: np.ndarray


@pytest.fixture
def streets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Replace the renderer by an instant one; ``rendered`` lists the requested scenes."""
    module = ModuleType("taskscape.streets")
    module.STYLES = {"classic": 1, "photographs": 1}
    module.check_arguments = lambda *_: None
    module.rendered = []
    module.stop_after = None

    def render_many(
        seed, split, indices, size, samples, processes=None, style="classic"
    ) -> Iterator[tuple[int, FakeScene]]:
        for index in reversed(indices):
            if module.stop_after is not None and len(module.rendered) >= module.stop_after:
                raise KeyboardInterrupt
            module.rendered.append((split, index))
            one = sample(seed + index, size)
            image, semseg, depth, normals = (one.values[name] for name in FakeScene._fields[:4])
            solid = one.valid["depth"]
            semseg = np.where(one.valid["semseg"], semseg, 255).astype(np.uint8)
            albedo, boundaries = image / np.float32(255) * solid[..., None], (semseg % 2).astype(np.uint8)
            yield index, FakeScene(image, semseg, depth * solid, normals * solid[..., None], albedo, boundaries)

    module.render_many = render_many
    monkeypatch.setitem(sys.modules, "taskscape.streets", module)
    return module
