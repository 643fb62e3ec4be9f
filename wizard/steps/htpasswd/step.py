"""The htpasswd step: inspect, apply, verify and undo; its plan is in `planning`."""

from functools import partial

from wizard import names, rules
from wizard.answers import Answers
from wizard.errors import Problem, wizard_error
from wizard.events import StepId
from wizard.facts import FactBook, HtpasswdFacts, SecretFacts
from wizard.journal import Entry
from wizard.parallel import side_by_side
from wizard.services.cluster import SecretContents
from wizard.step import Change, Check, CheckResult, Context, Plan, Receipt
from wizard.steps.htpasswd import login, planning
from wizard.steps.htpasswd.files import Kept, annotated_users, users_annotation
from wizard.steps.htpasswd.lines import HtpasswdLines, hash_passwords, verify_passwords

FILE = Kept(names.HTPASSWD_SECRET, names.HTPASSWD_KEY, f"previous.{names.HTPASSWD_KEY}")
CHECK = Kept(
    names.CHECK_SECRET,
    names.DOCKER_CONFIG_KEY,
    "previous.dockerconfigjson",
    "kubernetes.io/dockerconfigjson",
)
NOT_KNOWN = "password not known in this run"


class HtpasswdStep:
    """Keeps users in the Secret that the registry mounts, and the check user's password in its own."""

    id = StepId.HTPASSWD

    def inspect(self, ctx: Context) -> HtpasswdFacts:
        read = ctx.services.cluster.read_secret
        found, check = side_by_side([partial(read, names.HTPASSWD_SECRET), partial(read, names.CHECK_SECRET)])
        lines = _lines(found)
        stored = _stored(check)
        known = {
            user: password.get_secret_value()
            for user in ctx.answers.htpasswd.users
            if (password := ctx.vault.password(user)) is not None
        }
        asked = {user: password for user, password in known.items() if lines.hash_of(user)}
        if stored and lines.hash_of(rules.CHECK_USER):
            asked[rules.CHECK_USER] = stored
        fits = verify_passwords([(password, lines.hash_of(user)) for user, password in asked.items()])
        right = {user for user, is_right in zip(asked, fits, strict=True) if is_right}
        bad = lines.bad()
        return HtpasswdFacts(
            secret=found.facts if found else SecretFacts(name=names.HTPASSWD_SECRET),
            check_secret=check.facts if check else SecretFacts(name=names.CHECK_SECRET),
            users=lines.users(),
            bad_lines=tuple(line.number for line in bad),
            bad=bad,
            added=tuple(annotated_users(found)),
            check_secret_is_right=check is not None
            and login.is_right(check.data.get(CHECK.key, b""), ctx.answers.certificate.domain),
            passwords_known=tuple(known),
            passwords_changed=tuple(user for user in known if user in asked and user not in right),
            check_user_is_right=rules.CHECK_USER in right,
        )

    def plan(self, answers: Answers, facts: FactBook) -> Plan:
        return planning.plan(answers, facts)

    def apply(self, ctx: Context, change: Change, entry: Entry) -> Receipt:  # noqa: ARG002 - the protocol's signature
        if change.action == planning.WRITE_CHECK:
            return _write_check(ctx, change)
        return _write_file(ctx, change)

    def verify(self, ctx: Context) -> tuple[Check, ...]:
        facts = ctx.facts.htpasswd or HtpasswdFacts()
        users = tuple(
            Check(
                f"password-{user}",
                f"the password of {user} fits its line",
                partial(_user_result, facts, user),
                after=("lines",),
            )
            for user in ctx.answers.htpasswd.users
        )
        return (
            Check("lines", "every line of the htpasswd file is bcrypt", partial(_lines_result, facts)),
            *users,
            Check(
                "check-user",
                "the check user's stored password fits its line",
                partial(_check_user_result, facts),
                after=("lines",),
            ),
        )

    def probed(self, answers: Answers, facts: FactBook) -> str:  # noqa: ARG002 - the protocol's signature
        """No check of this step writes."""
        return ""

    def undo(self, ctx: Context, entry: Entry, *, delete_bucket: str = "") -> str:  # noqa: ARG002 - the protocol's signature
        kept = CHECK if entry.change.action == planning.WRITE_CHECK else FILE
        cluster = ctx.services.cluster
        found = cluster.read_secret(kept.name)
        if found is None:
            return f"The Secret {kept.name} is gone already."
        if found.facts.owner == ctx.answers.setup:
            cluster.delete("v1", "Secret", kept.name)
            return f"Deleted the Secret {kept.name}."
        if kept.previous not in found.data:
            return f"The Secret {kept.name} holds nothing of this setup any more."
        if kept.is_as_written(found):
            kept.restore(cluster, found, found.data[kept.previous], setup=ctx.answers.setup)
            return f"Put the former contents of the Secret {kept.name} back."
        if kept is CHECK:
            return f"Left the Secret {kept.name} as it is: somebody has changed it since."
        lines = _lines(found)
        for user in (*annotated_users(found), rules.CHECK_USER):
            lines.remove(user)
        kept.restore(cluster, found, lines.contents(), setup=ctx.answers.setup)
        return (
            f"Took this setup's users out of the Secret {kept.name}, and left the rest: "
            "somebody has changed it since."
        )


def _lines(found: SecretContents | None) -> HtpasswdLines:
    return HtpasswdLines(found.data.get(FILE.key, b"") if found else b"")


def _stored(check: SecretContents | None) -> str:
    return login.password_in(check.data.get(CHECK.key, b"")) if check else ""


def _write_check(ctx: Context, change: Change) -> Receipt:
    """A password that is there already is kept, so that the htpasswd file goes on fitting."""
    cluster = ctx.services.cluster
    found = cluster.read_secret(CHECK.name)
    password = _stored(found) or login.new_password()
    contents = login.document(str(change.params["domain"]), password)
    facts = CHECK.write(cluster, found, contents, setup=ctx.answers.setup)
    return {"secret": CHECK.name, "resource_version": facts.resource_version}


def _write_file(ctx: Context, change: Change) -> Receipt:
    """Sets only the lines that do not fit yet, so that a second try after a crash changes nothing."""
    cluster = ctx.services.cluster
    found = cluster.read_secret(FILE.name)
    lines = _lines(found)
    before = set(lines.users()) | {line.user for line in lines.bad()}
    wanted = _passwords(ctx, [*change.params["added"], *change.params["changed"]])
    pairs = [(password, lines.hash_of(user)) for user, password in wanted.items() if lines.hash_of(user)]
    have_line = [user for user in wanted if lines.hash_of(user)]
    fitting = {user for user, fits in zip(have_line, verify_passwords(pairs), strict=True) if fits}
    hashes = hash_passwords({user: text for user, text in wanted.items() if user not in fitting})
    for user, hashed in hashes.items():
        lines.put(user, hashed)
    for user in change.params["removed"]:
        lines.remove(user)
    removed = set(change.params["removed"])
    added = [user for user in wanted if user not in before or user in annotated_users(found)]
    ours = [user for user in dict.fromkeys([*annotated_users(found), *added]) if user not in removed]
    facts = FILE.write(
        cluster, found, lines.contents(), setup=ctx.answers.setup, annotations=users_annotation(ours)
    )
    return {"secret": FILE.name, "resource_version": facts.resource_version}


def _passwords(ctx: Context, users: list[str]) -> dict[str, str]:
    """Raises WizardError for a user whose password this run does not know."""
    found = {}
    for user in users:
        password = ctx.vault.password(user)
        if user == rules.CHECK_USER:
            found[user] = _stored(ctx.services.cluster.read_secret(CHECK.name))
        elif password is not None:
            found[user] = password.get_secret_value()
        if not found.get(user):
            raise wizard_error(
                "password-missing",
                f"No password is known for the user {user}.",
                why="It was known when the plan was made, and is not any more.",
                fix=f"Set {rules.password_variable(user)}, then run the same command again.",
            )
    return found


def _lines_result(facts: HtpasswdFacts) -> CheckResult:
    if facts.bad:
        line = facts.bad[0]
        return CheckResult.failed(
            Problem(
                "htpasswd-line",
                f"Line {line.number} of the Secret {names.HTPASSWD_SECRET} cannot be used.",
                f"{line.reason[:1].upper()}{line.reason[1:]}.",
                "Delete the line, or run apply with a password for its user.",
            )
        )
    if not facts.users:
        return CheckResult.failed(
            Problem(
                "htpasswd-empty",
                f"The Secret {names.HTPASSWD_SECRET} holds no user.",
                "Without the file the registry would invent a user of its own.",
                "Run apply to write it.",
            )
        )
    count = len(facts.users)
    return CheckResult.passed("1 user" if count == 1 else f"{count} users")


def _user_result(facts: HtpasswdFacts, user: str) -> CheckResult:
    if user not in facts.users:
        return CheckResult.failed(
            Problem(
                "htpasswd-user-missing",
                f"The user {user} is not in the htpasswd file.",
                "The line was removed from outside, or never written.",
                f"Run apply with a password in {rules.password_variable(user)}.",
            )
        )
    if user not in facts.passwords_known:
        return CheckResult.skipped(NOT_KNOWN)
    if user in facts.passwords_changed:
        return CheckResult.failed(
            Problem(
                "htpasswd-password",
                f"The password of {user} does not fit its line in the htpasswd file.",
                "The line was written with another password.",
                "Run apply to write it with this one.",
            )
        )
    return CheckResult.passed()


def _check_user_result(facts: HtpasswdFacts) -> CheckResult:
    if facts.check_user_is_right and facts.check_secret_is_right:
        return CheckResult.passed()
    return CheckResult.failed(
        Problem(
            "check-user",
            f"The user {rules.CHECK_USER} of the proofs cannot log in.",
            f"Its password in the Secret {names.CHECK_SECRET} does not fit its line in "
            f"{names.HTPASSWD_SECRET}, or is missing.",
            "Run apply to write both anew.",
        )
    )
