"""Export a trained network, with pre- and post-processing, to a file that runs without taskscape.

The input is RGB in 0..255. The outputs are values of the tasks' modalities: class ids, meters, unit vectors. Every
exported file is compared with the network. A format is a module listed in ``FORMATS``, with the interface described in
``taskscape.export.formats``.
"""

from taskscape.export.export import FORMATS, WRAPPERS, export
from taskscape.export.exported import Exported

__all__ = ["FORMATS", "WRAPPERS", "Exported", "export"]
