"""A trained network as a file that runs without taskscape: its pre- and post-processing inside, compared with the run.

RGB images 0..255 go in; what the tasks' modalities say comes out: class ids, metres, unit vectors. A format is one
module, listed in ``FORMATS``; ``taskscape.export.formats`` says what it has.
"""

from taskscape.export.export import FORMATS, WRAPPERS, export
from taskscape.export.exported import Exported

__all__ = ["FORMATS", "WRAPPERS", "Exported", "export"]
