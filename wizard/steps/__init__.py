"""The eight steps, in their order."""

from collections.abc import Mapping
from functools import cache

from wizard.events import StepId
from wizard.step import Step


@cache
def all_steps() -> Mapping[StepId, Step]:
    """Made when first asked for: the steps' modules load the SDKs' pure parts."""
    from wizard.steps.bucket import BucketStep
    from wizard.steps.certificate import CertificateStep
    from wizard.steps.connect import ConnectStep
    from wizard.steps.deploy import DeployStep
    from wizard.steps.dns import DnsStep
    from wizard.steps.htpasswd import HtpasswdStep
    from wizard.steps.proof import ProofStep
    from wizard.steps.user import UserStep

    made: tuple[Step, ...] = (
        ConnectStep(),
        BucketStep(),
        UserStep(),
        CertificateStep(),
        HtpasswdStep(),
        DeployStep(),
        DnsStep(),
        ProofStep(),
    )
    return {step.id: step for step in made}
