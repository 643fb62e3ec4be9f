"""Setups that another machine made: found by their record in the cluster of the current context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wizard import answers as answers_module
from wizard import names, ownership, rules
from wizard.answers import Answers, EndpointAnswers
from wizard.endpoints import Endpoints
from wizard.errors import AccessDenied, Problem, WizardError
from wizard.events import STEPS, StepId
from wizard.record import Copy
from wizard.services import Services
from wizard.state import SetupDirectory


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A setup, the context that it was seen through, and its record."""

    context: str
    copy: Copy

    @property
    def setup(self) -> str:
        return self.copy.setup

    @property
    def namespace(self) -> str:
        return self.copy.namespace

    @property
    def done(self) -> tuple[StepId, ...]:
        return tuple(step for step in STEPS if self.copy.journal.last_verified(step))

    def to_json(self) -> Mapping[str, object]:
        """Shape: setup, state "elsewhere", done [step], steps_done, steps, namespace, context."""
        return {
            "setup": self.setup,
            "state": "elsewhere",
            "done": [step.value for step in self.done],
            "steps_done": len(self.done),
            "steps": len(STEPS),
            "namespace": self.namespace,
            "context": self.context,
        }


def search(environ: Mapping[str, str], setup: str = "") -> list[Elsewhere]:
    """Those that may be seen, by name; none where there is no cluster to ask.

    All namespaces are looked at; whoever may not list them all sees that of the context.
    """
    answers = Answers()
    services = Services(answers, Endpoints.gather(answers.endpoints, environ))
    try:
        context, found = _found(services, setup)
    except WizardError:
        return []
    finally:
        services.close()
    copies = [copy for each in found if (copy := _copy(each)) is not None]
    return [
        Elsewhere(context, copy) for copy in sorted(copies, key=lambda copy: (copy.setup, copy.namespace))
    ]


def several(there: Sequence[Elsewhere]) -> Problem:
    listed = ", ".join(f"{each.setup} in the namespace {each.namespace}" for each in there)
    return Problem(
        "which-setup",
        "There are several such setups in the cluster.",
        f"It holds {listed}.",
        "Name the setup; where names are the same, make the namespace that of your kubeconfig's context.",
    )


def bring(root: Path, found: Elsewhere) -> SetupDirectory:
    """Puts answers and journal into a state directory of this machine; it can be gone on with from then on.

    What is of the other machine only is left out: its context and endpoints, and profiles that are not here.
    """
    answers = answers_module.parse(found.copy.answers, source=f"the ConfigMap {names.RECORD}")
    answers.setup = found.setup
    answers.connect.namespace, answers.connect.kube_context = found.namespace, found.context
    answers.connect.aws_profile = _known_profile(answers.connect.aws_profile)
    answers.dns.aws_profile = _known_profile(answers.dns.aws_profile)
    answers.endpoints = EndpointAnswers()
    directory = SetupDirectory(root, found.setup)
    directory.save_answers(answers)
    journal = directory.journal()
    journal.merge(found.copy.journal)
    journal.save()
    return directory


def _found(services: Services, setup: str) -> tuple[str, list[dict[str, object]]]:
    from wizard.services.cluster import contexts

    cluster = services.cluster
    selector = ownership.RECORD_SELECTOR + (f",{ownership.INSTANCE}={setup}" if setup else "")
    try:
        return cluster.context, cluster.list("v1", "ConfigMap", label_selector=selector, namespaced=False)
    except AccessDenied:
        own = {each.name: each.namespace for each in contexts()[0]}[cluster.context]
        return cluster.context, cluster.list("v1", "ConfigMap", label_selector=selector, namespace=own)


def _copy(found: dict[str, object]) -> Copy | None:
    """What cannot be read is passed over: other setups can be gone on with."""
    try:
        copy = Copy.of(found)
        answers_module.parse(copy.answers)
    except WizardError:
        return None
    return copy if copy.setup and not rules.setup_name(copy.setup) else None


def _known_profile(name: str) -> str:
    """This machine's default credentials stand in for a profile that is not here."""
    import botocore.session

    return name if name in botocore.session.Session().available_profiles else ""
