"""Sensible first answers, from what is there; "" where nothing speaks for one."""

from wizard.answers import Answers
from wizard.errors import Refused
from wizard.looks import lists
from wizard.looks.doors import Doors
from wizard.services.webroot import usual_webroot
from wizard.steps.connect.nodes import Nodes

MOST_NODES = 20


def aws_profile(answers: Answers, doors: Doors) -> str:
    """The only one there is, where there are no default credentials."""
    from boto3.session import Session

    found = [choice.value for page in lists.profiles(answers, doors) for choice in page]
    return found[0] if len(found) == 1 and Session().get_credentials() is None else ""


def kube_context(answers: Answers, doors: Doors) -> str:
    """The only one there is, where none is current."""
    from wizard.services.cluster.kubeconfig import contexts

    del answers, doors
    views, current = contexts()
    return views[0].name if len(views) == 1 and not current else ""


def aws_region(answers: Answers, doors: Doors) -> str:
    """The nodes' region, where the profile names none."""
    try:
        if doors.aws_of(answers).region:
            return ""
    except Refused as error:
        if error.problem.code != "no-region":
            raise
    nodes = doors.cluster_of(answers).list("v1", "Node", namespaced=False, limit=MOST_NODES)
    regions = Nodes.summed_up(nodes).regions
    return regions[0] if len(regions) == 1 else ""


def domain(answers: Answers, doors: Doors) -> str:
    """registry.<zone>, where there is one public zone only."""
    found: list[str] = []
    for page in lists.domains(answers, doors):
        found += [choice.value for choice in page]
        if len(found) > 1:
            return ""
    return found[0] if found else ""


def webroot(answers: Answers, doors: Doors) -> str:
    """The first of the usual directories that is there and may be written."""
    del answers, doors
    return usual_webroot()
