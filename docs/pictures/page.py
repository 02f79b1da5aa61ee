"""Makes page.jpg: the page of the released model on a wide and on a narrow screen; ``page.py PAGE``."""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from browsers import browser, opened, wait_for_prediction

HEIGHT = 800
GAP = 28


def taken(chromium: Any, index: Path, width: int, scheme: str, task: str) -> Image.Image:
    """Return a picture of the page, HEIGHT high."""
    with opened(chromium, index, width, color_scheme=scheme, device_scale_factor=2) as page:
        page.set_viewport_size({"width": width, "height": HEIGHT if width > 600 else 844})
        wait_for_prediction(page)
        page.get_by_role("radio", name=task).check(force=True)
        # How fast it was says more of this machine, and of what else it did.
        page.eval_on_selector("#status", "status => { status.textContent = status.textContent.split(' in ')[0] }")
        picture = Image.open(BytesIO(page.screenshot()))
    return picture.convert("RGB").resize(
        (round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS
    )


def main() -> None:
    """Make the picture."""
    index = Path(sys.argv[1]) / "index.html"
    with browser() as chromium:
        wide = taken(chromium, index, 1120, "light", "Segmentation")
        narrow = taken(chromium, index, 390, "dark", "Depth")
    both = Image.new("RGB", (wide.width + GAP + narrow.width, HEIGHT), (255, 255, 255))
    both.paste(wide, (0, 0))
    both.paste(narrow, (wide.width + GAP, 0))
    both.save(Path(__file__).with_suffix(".jpg"), quality=84, optimize=True)


if __name__ == "__main__":
    main()
