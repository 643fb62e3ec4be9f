"""AWS, as far as the steps need it: clients with time-outs, and sentences instead of exceptions."""

from wizard.services.aws.client import Aws, Identity
from wizard.services.aws.errors import aws_error

__all__ = ["Aws", "Identity", "aws_error"]
