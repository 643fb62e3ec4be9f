"""A certificate authority that speaks ACME (RFC 8555), for practice and for tests."""

from wizard.practice.acme.log import LogEntry
from wizard.practice.acme.server import AcmeServer
from wizard.practice.acme.settings import AcmeSettings, Limit, Profile, RateLimits

__all__ = ["AcmeServer", "AcmeSettings", "Limit", "LogEntry", "Profile", "RateLimits"]
