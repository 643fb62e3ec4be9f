"""What an S3 server other than Amazon's may lack: said by its name, with the answer that does without."""

from typing import TYPE_CHECKING

from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.services.aws.errors import Seen

CODE = "aws-not-offered"
_WITHOUT = {
    "EncryptionConfiguration": "Set bucket.encryption to keep.",
    "PublicAccessBlock": "Set bucket.block_public_access to false.",
    "LifecycleConfiguration": "Set bucket.abort_incomplete_days to 0.",
}


def not_offered(seen: "Seen") -> WizardError:
    fix = next((fix for setting, fix in _WITHOUT.items() if setting in seen.action), "")
    return WizardError(
        seen.problem(
            CODE,
            f"The server does not offer {seen.action}.",
            "Amazon does; what answers is another one.",
            fix or "Use AWS, or a server that offers it.",
        )
    )
