"""Videos need the extra ``video``."""

import pytest

pytest.importorskip("av", reason="pip install 'taskscape[video]'")
