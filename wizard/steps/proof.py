"""The step proof: the registry asks for a login, takes an image, gives it back, and forgets it."""

import secrets
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from wizard import names, rules
from wizard.answers import Answers
from wizard.endpoints import Endpoints
from wizard.errors import Problem, WizardError, wizard_error
from wizard.events import StepId
from wizard.facts import FactBook, ProofFacts
from wizard.journal import Entry
from wizard.polling import NotReady
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps.htpasswd.login import password_in

if TYPE_CHECKING:
    from wizard.services.registry import Greeting, Login, Registry
    from wizard.steps._proof_image import ProofImage

# A changed Secret reaches a Pod's files within the kubelet's sync period and cache: 60 to 90 s.
LOGIN_DEADLINE_S = 120
MEBIBYTE = 1024 * 1024


class ProofStep:
    """See wizard.step.Step; only pull Secrets stay, where the answers ask for them."""

    id = StepId.PROOF

    def inspect(self, ctx: Context) -> ProofFacts:
        from wizard.steps import _proof_secrets

        pull_secrets, last = _proof_secrets.look(ctx), ctx.journal.last_verified(StepId.PROOF)
        if last is None:
            return ProofFacts(pull_secrets=pull_secrets)
        return ProofFacts(
            proven_at=datetime.fromisoformat(last["time"]),
            proven_for=str(last.get("probed", "")),
            pull_secrets=pull_secrets,
        )

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        from wizard.steps import _proof_secrets

        return _proof_secrets.plan(answers, facts.proof or ProofFacts())

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:  # noqa: ARG002 - of the protocol
        from wizard.steps import _proof_secrets

        return _proof_secrets.apply(ctx, change)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        from wizard.steps._proof_blobs import LAYER_BYTES
        from wizard.steps._proof_image import ProofImage

        image = ProofImage(_architecture(ctx))
        writing = partial(_writing, ctx)
        pods = tuple(
            Check(
                f"pull-in-{namespace}",
                f"let a Pod in the namespace {namespace} pull it",
                writing(partial(_pull_in, ctx, image, namespace)),
                writes=True,
                after=("pull",),
            )
            for namespace in ctx.answers.proof.pull_secret_namespaces
        )
        return (
            Check("anonymous", "without a login: refused", partial(_check_anonymous, ctx)),
            Check("wrong-password", "with a wrong password: refused", partial(_check_wrong, ctx)),
            Check("login", "with the right password: let in", partial(_check_login, ctx)),
            Check(
                "push",
                f"push an image of {LAYER_BYTES // MEBIBYTE} MiB",
                writing(partial(_push, ctx, image)),
                writes=True,
                after=("anonymous", "wrong-password", "login"),
            ),
            Check(
                "pull",
                "pull it, and compare the digests",
                writing(partial(_pull, ctx, image)),
                writes=True,
                after=("push",),
            ),
            Check(
                "stored",
                "find its layer in the bucket",
                writing(partial(_find, ctx, image)),
                writes=True,
                after=("pull",),
            ),
            *pods,
            Check(
                "removed",
                "remove it from the bucket",
                partial(_remove, ctx),
                writes=True,
                after=("stored", *(check.name for check in pods)),
            ),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:
        """A new certificate, key, balancer, bucket, name or image has to be proven anew."""
        certificate, user, deploy = facts.certificate, facts.user, facts.deploy
        parts = (
            answers.certificate.domain,
            certificate.chain.serial if certificate and certificate.chain else "",
            user.secret_access_key_id if user else "",
            deploy.balancer_hostname if deploy else "",
            answers.bucket.name,
            answers.deploy.image,
            *sorted(answers.proof.pull_secret_namespaces),
        )
        return " ".join(parts)

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:
        from wizard.steps import _proof_secrets

        del delete_bucket
        return _proof_secrets.undo(ctx, entry)


def snippets(answers: Answers, endpoints: Endpoints, programs: Collection[str]) -> tuple[str, ...]:
    """Commands to copy: log in, push, pull, and let Pods of the namespace pull.

    `programs` are those of docker and skopeo that are there. Docker's daemon takes no proxy from a shell, so
    where one leads to the registry only skopeo gets there.
    """
    domain, namespace = answers.certificate.domain, answers.connect.namespace
    user = next(iter(answers.htpasswd.users), rules.CHECK_USER)
    is_proxied = bool(endpoints.proxy_for("https", domain))
    lines: list[str] = []
    if not is_proxied and ("docker" in programs or "skopeo" not in programs):
        lines += _docker_lines(domain, user)
    if is_proxied or "skopeo" in programs:
        lines += _skopeo_lines(domain, user, has_docker="docker" in programs, is_proxied=is_proxied)
    secrets_of = {namespace: names.CHECK_SECRET}
    secrets_of |= dict.fromkeys(answers.proof.pull_secret_namespaces, names.PULL_SECRET)
    return (*lines, *(_lets_pods_pull(place, secret) for place, secret in secrets_of.items()))


def _lets_pods_pull(namespace: str, secret: str) -> str:
    patch = f'{{"imagePullSecrets":[{{"name":"{secret}"}}]}}'
    return f"kubectl --namespace {namespace} patch serviceaccount default --patch '{patch}'"


def _docker_lines(domain: str, user: str) -> list[str]:
    return [
        f"docker login {domain} --username {user}",
        f"docker pull busybox && docker tag busybox {domain}/busybox",
        f"docker push {domain}/busybox",
        f"docker pull {domain}/busybox",
    ]


def _skopeo_lines(domain: str, user: str, *, has_docker: bool, is_proxied: bool) -> list[str]:
    """A proxy to the registry need not lead to Docker Hub too, so behind one the image comes from here."""
    copy = f"skopeo copy docker://busybox docker://{domain}/busybox"
    if is_proxied and has_docker:
        copy = f"docker pull busybox && skopeo copy docker-daemon:busybox:latest docker://{domain}/busybox"
    elif is_proxied:
        copy = f"skopeo copy docker-archive:busybox.tar docker://{domain}/busybox"
    return [
        f"skopeo login {domain} --username {user}",
        copy,
        f"skopeo copy docker://{domain}/busybox oci:busybox-again",
    ]


def _check_anonymous(ctx: Context) -> CheckResult:
    greeting = _greeting(ctx, None)
    if greeting.status == 200:
        return CheckResult.failed(
            Problem(
                "open-to-all",
                f"{ctx.answers.certificate.domain} lets everybody in, without a login.",
                "The registry that answers has no htpasswd file, or it is another registry.",
                "Run the step deploy again.",
            )
        )
    _expect_refusal(ctx, greeting)
    return CheckResult.passed(greeting.challenge)


def _check_wrong(ctx: Context) -> CheckResult:
    from wizard.services.registry import Login

    wrong = Login(rules.CHECK_USER, SecretStr(secrets.token_urlsafe(16)))
    greeting = _greeting(ctx, wrong)
    if greeting.status == 200:
        return CheckResult.failed(
            Problem(
                "any-password",
                "A wrong password is let in.",
                "Something in front of the registry answers in its stead, or remembers logins.",
                "Lead port 443 to the registry as TCP, with nothing in between.",
            )
        )
    _expect_refusal(ctx, greeting)
    return CheckResult.passed("401")


def _check_login(ctx: Context) -> CheckResult:
    """Waits where the htpasswd file is right and the Pods have not read it yet."""
    login = _login(ctx)
    is_in_file = ctx.facts.htpasswd is not None and ctx.facts.htpasswd.check_user_is_right

    def look() -> "Greeting":
        greeting = _greeting(ctx, login)
        if greeting.status == 401 and is_in_file:
            raise NotReady("the Pods still have the former htpasswd file")
        return greeting

    greeting = ctx.wait(look, what="the login of the check user", deadline_s=LOGIN_DEADLINE_S)
    if greeting.status == 200:
        return CheckResult.passed(f"as {rules.CHECK_USER}")
    if greeting.status == 401:
        raise wizard_error(
            "login-refused",
            f"The registry refuses the user {rules.CHECK_USER}.",
            why=f"The Secret {names.CHECK_SECRET} and the htpasswd file do not fit together.",
            fix="Run the step htpasswd again.",
        )
    raise _not_a_registry(ctx, greeting)


def _push(ctx: Context, image: "ProofImage") -> CheckResult:
    with _registry(ctx, _login(ctx)) as registry:
        image.push(registry)
    return CheckResult.passed(f"{names.PROOF_REPOSITORY}:{image.tag}")


def _pull(ctx: Context, image: "ProofImage") -> CheckResult:
    with _registry(ctx, _login(ctx)) as registry:
        came_from = image.pull(registry)
    return CheckResult.passed(f"{image.manifest_digest}{came_from and f', its layer from {came_from}'}")


def _pull_in(ctx: Context, image: "ProofImage", namespace: str) -> CheckResult:
    from wizard.steps._proof_pod import pull_in

    return pull_in(ctx, namespace, image.tag, _architecture(ctx))


def _architecture(ctx: Context) -> str:
    """Of the nodes; the commonest one where it is not known."""
    found = ctx.facts.connect.node_architectures if ctx.facts.connect else ()
    return found[0] if found else "amd64"


def _find(ctx: Context, image: "ProofImage") -> CheckResult:
    return CheckResult.passed(image.find_in(ctx.services.aws, ctx.answers.bucket.name))


def _remove(ctx: Context) -> CheckResult:
    from wizard.steps._proof_image import remove_all

    removed = remove_all(ctx.services.aws, ctx.answers.bucket.name)
    return CheckResult.passed(f"{removed} objects removed")


def _writing(ctx: Context, run: Callable[[], CheckResult]) -> Callable[[], CheckResult]:
    """The last check cleans up, but is not reached after a failure: then the failed one does it."""

    def guarded() -> CheckResult:
        try:
            return run()
        except BaseException:
            from wizard.steps._proof_image import remove_after_failure

            remove_after_failure(ctx.services.aws, ctx.answers.bucket.name)
            raise

    return guarded


def _registry(ctx: Context, login: "Login | None") -> "Registry":
    from wizard.services.registry import Registry

    return Registry(ctx.answers.certificate.domain, ctx.services.endpoints, login=login)


def _greeting(ctx: Context, login: "Login | None") -> "Greeting":
    with _registry(ctx, login) as registry:
        return registry.ping()


def _login(ctx: Context) -> "Login":
    from wizard.services.registry import Login

    found = ctx.services.cluster.read_secret(names.CHECK_SECRET)
    password = password_in(found.data.get(names.DOCKER_CONFIG_KEY, b"")) if found else ""
    if not password:
        raise wizard_error(
            "check-user-missing",
            f"The Secret {names.CHECK_SECRET} holds no password of the user {rules.CHECK_USER}.",
            why="Every proof logs in as this user.",
            fix="Run the step htpasswd again.",
        )
    return Login(rules.CHECK_USER, SecretStr(password))


def _expect_refusal(ctx: Context, greeting: "Greeting") -> None:
    if greeting.status != 401 or not greeting.challenge.lower().startswith("basic realm="):
        raise _not_a_registry(ctx, greeting)


def _not_a_registry(ctx: Context, greeting: "Greeting") -> WizardError:
    domain = ctx.answers.certificate.domain
    return wizard_error(
        "not-a-registry",
        f"https://{domain}/v2/ answers {greeting.status}, which a registry with this login does not.",
        why="The name leads to another server, or something in front of the registry answers.",
        fix="Run the step dns again.",
        raw=f"WWW-Authenticate: {greeting.challenge}",
    )
