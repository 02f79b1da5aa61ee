"""The photograph for which the demo predicts at its end."""

from taskscape.data.readers.images import read_image
from taskscape.released import PHOTOGRAPHER
from taskscape.report.html import wide
from taskscape.run_folder.names import RunFolder
from taskscape.views.legend import image_tag

TITLE = "A photograph"
TEXT = (
    "Predictions for a photograph of a street, a kind of image that the network was not trained on. "
    f"Photograph: {PHOTOGRAPHER}."
)


def photograph(folder: RunFolder) -> str:
    """Return the photograph with its predictions as HTML; an empty string if the run has none.

    Raises ``ValueError`` that names the file if it is damaged.
    """
    if not folder.photograph.is_file():
        return ""
    return wide(image_tag(read_image(folder.photograph), "A street, with the network's predictions for it"), TITLE)
