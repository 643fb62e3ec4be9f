"""What stands in the way of user, policy or Secret, each as a sentence with the one thing to do."""

from wizard import names, ownership, rules
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.facts import SecretFacts, UserFacts
from wizard.steps._user_policy import says_the_same


def user_blockers(answers: Answers, facts: UserFacts) -> tuple[Problem, ...]:
    if answers.user.kind == "existing-secret":
        found = [_brought_secret(answers, facts)]
    else:
        found = [_user(answers, facts), _policy(answers, facts), _secret(answers, facts)]
        found += [_used_up(answers, name) for name in facts.quotas_used_up]
    return tuple(problem for problem in found if problem)


def _brought_secret(answers: Answers, facts: UserFacts) -> Problem | None:
    name, namespace = answers.user.secret_name, answers.connect.namespace
    if facts.secret_is_complete:
        return None
    is_there = facts.secret is not None and facts.secret.exists
    literals = f"--from-literal={names.S3_ACCESS_KEY_ID}=... --from-literal={names.S3_SECRET_ACCESS_KEY}=..."
    return Problem(
        "secret-incomplete" if is_there else "secret-missing",
        f"The Secret {name} in the namespace {namespace} does not hold an access key."
        if is_there
        else f"There is no Secret {name} in the namespace {namespace}.",
        f"user.kind is existing-secret: it needs {names.S3_ACCESS_KEY_ID}, {names.S3_SECRET_ACCESS_KEY}.",
        f"Make it: kubectl -n {namespace} create secret generic {name} {literals}",
    )


def _user(answers: Answers, facts: UserFacts) -> Problem | None:
    user = answers.user
    if not facts.user_exists and not user.create:
        return Problem(
            "user-missing",
            f"There is no IAM user {user.name}.",
            "user.create is false, so it has to be there already.",
            "Set user.create to true, or user.name to a user that exists.",
        )
    if facts.user_owner and facts.user_owner != answers.setup:
        return Problem(
            "user-of-other-setup",
            f"The IAM user {user.name} belongs to the setup {facts.user_owner}.",
            f"It carries the tag {ownership.TAG}.",
            "Choose another user.name.",
        )
    return None


def _policy(answers: Answers, facts: UserFacts) -> Problem | None:
    if facts.policy_owner in {"", answers.setup}:
        return None
    partition = facts.policy_arn.split(":")[1]
    if says_the_same(facts.policy_document, rules.registry_policy(answers.bucket.name, partition)):
        return None
    return Problem(
        "policy-of-other-setup",
        f"The policy {answers.user.policy} belongs to the setup {facts.policy_owner}.",
        "It is for that setup's bucket.",
        "Choose another user.policy.",
    )


def _used_up(answers: Answers, quota: str) -> Problem:
    """Source: "IAM and AWS STS quotas" in the IAM user guide."""
    user = answers.user
    what, fix = {
        "Users": ("The account has as many IAM users as it may have.", "delete a user that nobody needs"),
        "Policies": (
            "The account has as many IAM policies as it may have.",
            "delete a policy that nobody needs",
        ),
        "AttachedPoliciesPerUser": (
            f"The IAM user {user.name} has as many policies attached as a user may have.",
            "choose another user.name",
        ),
    }[quota]
    made = f"the user {user.name}" if quota == "Users" else f"the policy {user.policy}"
    return Problem(
        "iam-quota",
        what,
        f"There is no room for {made}.",
        f"Raise {quota} of IAM in Service Quotas, or {fix}.",
    )


def _secret(answers: Answers, facts: UserFacts) -> Problem | None:
    """What a Secret of somebody else's holds could not be given back, so it is never overwritten."""
    secret, name = facts.secret or SecretFacts(name=answers.user.secret_name), answers.user.secret_name
    if not secret.exists or secret.owner == answers.setup:
        return None
    if secret.owner:
        return Problem(
            "secret-of-other-setup",
            f"The Secret {name} belongs to the setup {secret.owner}.",
            "A namespace holds one registry.",
            "Set connect.namespace to another namespace, or use that setup.",
        )
    usable = {key.access_key_id for key in facts.access_keys if key.is_active}
    if facts.secret_is_complete and facts.secret_access_key_id in usable:
        return None
    return Problem(
        "secret-in-use",
        f"There is a Secret {name} already, and it holds something else.",
        "The wizard did not make it, and could not give its contents back.",
        'Choose another user.secret_name, or set user.kind to "existing-secret" to use the key in it.',
    )
