"""Watches Pods until the wanted ones are ready, and says early what keeps them from it."""

from collections.abc import Mapping
from typing import Any

from wizard import manifests, names
from wizard.errors import Problem, WizardError, wizard_error
from wizard.polling import NotReady, WaitedTooLong
from wizard.step import Context
from wizard.steps import _deploy_objects as objects
from wizard.steps._deploy_trouble import Trouble, newest, of_pod, of_workload

Object = Mapping[str, Any]

ROLLOUT_DEADLINE_S = 300
LAST_LOG_LINES = 20


def pods_of(ctx: Context) -> list[dict[str, Any]]:
    return ctx.services.cluster.list("v1", "Pod", label_selector=objects.pod_selector(ctx.answers.setup))


def await_rollout(ctx: Context, wanted: Object) -> None:
    """Until every Pod is of the wanted template and available; raises what keeps them, at once if final."""
    watch = Watch(ctx, wanted)
    watch.wait(watch.rolled_out, f"the Pods of {objects.shown(wanted['kind'])}")


def replace_pods(ctx: Context, wanted: Object) -> int:
    """Deletes the Pods of another template one by one, each after a new one is ready; returns how many."""
    watch, replaced = Watch(ctx, wanted), 0
    # A controller that has not seen the change yet would make the next Pod of the former template.
    watch.wait(watch.is_observed, f"{objects.shown(wanted['kind'])} to take the change up")
    while stale := watch.stale_pods():
        pod = stale[0]
        watch.may_miss = len(stale) - 1
        ctx.services.cluster.delete("v1", "Pod", objects.name(pod), uid=objects.uid(pod))
        replaced += 1
        watch.wait(watch.has_new_pods, f"a new Pod in place of {objects.name(pod)}")
    return replaced


class Watch:
    """Looks at one workload and its Pods; remembers the last trouble for when the deadline passes."""

    def __init__(self, ctx: Context, wanted: Object) -> None:
        self._ctx = ctx
        self._wanted = wanted
        self._digest = manifests.template_digest(dict(wanted))
        self._trouble: Trouble | None = None
        self.may_miss = 0

    def wait(self, ready: Any, what: str) -> None:
        try:
            self._ctx.wait(ready, what=what, deadline_s=ROLLOUT_DEADLINE_S)
        except WaitedTooLong as error:
            if self._trouble:
                raise WizardError(self._trouble.problem) from error
            raise

    def rolled_out(self) -> bool:
        live, pods = self._live(), pods_of(self._ctx)
        digests = [objects.pod_digest(pod) for pod in pods if not objects.is_ending(pod)]
        if objects.is_rolled_out(live, self._digest, digests):
            return True
        self._look(live, pods)
        ready = sum(objects.is_ready(pod) for pod in newest(pods, self._digest))
        raise NotReady(self._seen(ready, int(self._wanted["spec"]["replicas"])))

    def has_new_pods(self) -> bool:
        """Whether all Pods but those that still wait for their turn are new and ready."""
        live, pods = self._live(), pods_of(self._ctx)
        ready = sum(objects.is_ready(pod) for pod in newest(pods, self._digest))
        enough = int(self._wanted["spec"]["replicas"]) - self.may_miss
        if ready >= enough:
            return True
        self._look(live, pods)
        raise NotReady(self._seen(ready, enough))

    def is_observed(self) -> bool:
        return objects.is_observed(self._live())

    def stale_pods(self) -> list[dict[str, Any]]:
        return [
            pod
            for pod in pods_of(self._ctx)
            if objects.pod_digest(pod) != self._digest and not objects.is_ending(pod)
        ]

    def _live(self) -> dict[str, Any]:
        kind = self._wanted["kind"]
        live = self._ctx.services.cluster.get(self._wanted["apiVersion"], kind, names.REGISTRY)
        if live is None:
            raise wizard_error(
                "workload-gone",
                f"{objects.shown(kind).capitalize()} is gone.",
                why="Somebody deleted it while its Pods were waited for.",
                fix="Run the same command again; it makes it anew.",
            )
        return live

    def _look(self, live: Object, pods: list[dict[str, Any]]) -> None:
        """Raises final trouble; keeps what may pass, for the countdown and for the deadline."""
        found = of_workload(live)
        for pod in newest(pods, self._digest):
            found = found or self._of_pod(pod)
        if found and found.is_final:
            raise WizardError(found.problem)
        self._trouble = found

    def _of_pod(self, pod: Object) -> Trouble | None:
        cluster, name = self._ctx.services.cluster, objects.name(pod)

        def log(is_previous: bool) -> str:
            return cluster.logs(name, previous=is_previous, tail=LAST_LOG_LINES)

        if objects.is_ready(pod):
            return None
        return of_pod(pod, log, cluster.events_for("Pod", name))

    def _seen(self, ready: int, wanted: int) -> str:
        seen = f"{ready} of {wanted} ready"
        return f"{seen}; {summary(self._trouble.problem)}" if self._trouble else seen


def summary(problem: Problem) -> str:
    return f"{problem.what} {problem.why}".strip()
