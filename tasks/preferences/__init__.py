"""Preference data of any known layout as one stream of pairs: a prompt, the preferred reply, the other reply.

`load_pairs` recognises the layout from the columns, says which it is, and counts every row it leaves out by reason. Data
that nobody knows is described by a small YAML column mapping.
"""

from evalsuite.tasks.preferences.conversation import pair_of
from evalsuite.tasks.preferences.layouts import LAYOUTS, Layout, recognise
from evalsuite.tasks.preferences.loader import PreferencePair, load_pairs
from evalsuite.tasks.preferences.mapping import ColumnMapping, read_mapping

__all__ = [
    "LAYOUTS",
    "ColumnMapping",
    "Layout",
    "PreferencePair",
    "load_pairs",
    "pair_of",
    "read_mapping",
    "recognise",
]
