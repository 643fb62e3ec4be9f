"""What the world says to one field while it is typed: looks only, nothing is ever changed.

A screen asks `has_look` (cheap, no SDK is loaded), then a `Looker` from a thread of its own.
"""

from wizard.looks.answer import Choice, Look, Verdict
from wizard.looks.looker import Looker, has_default, has_list, has_look

__all__ = ["Choice", "Look", "Looker", "Verdict", "has_default", "has_list", "has_look"]
