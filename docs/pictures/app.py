"""Makes app.jpg: the example photograph as a cloud of points, as the released model has it; ``app.py PAGE``."""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from browsers import browser, opened, wait_for_prediction


def main() -> None:
    """Make the picture."""
    with browser() as chromium, opened(chromium, Path(sys.argv[1]) / "index.html", 1000) as page:
        wait_for_prediction(page)
        page.click("#tab-cloud")
        page.wait_for_timeout(500)
        picture = Image.open(BytesIO(page.locator("#cloud-canvas").screenshot()))
    picture.convert("RGB").save(Path(__file__).with_suffix(".jpg"), quality=80, optimize=True)


if __name__ == "__main__":
    main()
