"""Step 5: the people who may push and pull, and the user of the wizard's own proofs."""

from wizard.steps.htpasswd.step import HtpasswdStep

__all__ = ["HtpasswdStep"]
