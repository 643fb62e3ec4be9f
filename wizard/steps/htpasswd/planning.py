"""What is to be done about the users: pure, from answers and facts."""

from collections.abc import Iterable
from dataclasses import dataclass

from wizard import names, rules
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import Verb
from wizard.facts import FactBook, HtpasswdFacts, SecretFacts
from wizard.step import Change, Consent, Plan

WRITE_CHECK, WRITE_FILE = "write-check-secret", "write-file"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Edits:
    """Lines to set, by why, and lines to take out; the check user is among them by its name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def edits(answers: Answers, facts: HtpasswdFacts) -> Edits:
    """A user whose line is fine and whose password is not known stays as is."""
    wanted = answers.htpasswd.users
    has_line = {*facts.users, *(line.user for line in facts.bad)}
    added = [user for user in wanted if user not in has_line]
    changed = [user for user in facts.passwords_changed if user in wanted]
    changed += [user for user in wanted if user in has_line and user not in facts.users]
    if rules.CHECK_USER not in has_line:
        added.append(rules.CHECK_USER)
    elif not facts.check_user_is_right:
        changed.append(rules.CHECK_USER)
    removed = [user for user in facts.added if user not in wanted and user != rules.CHECK_USER]
    return Edits(tuple(added), tuple(dict.fromkeys(changed)), tuple(u for u in removed if u in has_line))


def plan(answers: Answers, book: FactBook) -> Plan:
    """Nothing where the step has not been looked at yet."""
    facts = book.htpasswd
    if facts is None:
        return Plan()
    todo = edits(answers, facts)
    changes = []
    if not facts.check_secret_is_right:
        changes.append(_check_change(answers, facts))
    if todo:
        changes.append(_file_change(answers, facts, todo))
    blockers = [*_foreign(answers, facts), *_passwords(facts, todo), *_bad_lines(answers, facts)]
    touched = [facts.check_secret] if not facts.check_secret_is_right else []
    touched += [facts.secret] if todo else []
    return Plan(tuple(changes), _consents(touched), tuple(blockers))


def _check_change(answers: Answers, facts: HtpasswdFacts) -> Change:
    is_there = facts.check_secret is not None and facts.check_secret.exists
    return Change(
        WRITE_CHECK,
        Verb.CHANGE if is_there else Verb.CREATE,
        "Secret",
        names.CHECK_SECRET,
        f"Secret {names.CHECK_SECRET}: random password of the user {rules.CHECK_USER} for the proofs",
        {"domain": answers.certificate.domain, "existed": is_there},
        command=f"kubectl -n {answers.connect.namespace} create secret docker-registry {names.CHECK_SECRET} "
        f"--docker-server={answers.certificate.domain} --docker-username={rules.CHECK_USER} "
        '--docker-password="$CHECK_PASSWORD"',
    )


def _file_change(answers: Answers, facts: HtpasswdFacts, todo: Edits) -> Change:
    is_there = facts.secret is not None and facts.secret.exists
    parts = [
        f"{what} {_list(users)}"
        for what, users in (
            ("add", todo.added),
            ("new password for", todo.changed),
            ("remove", todo.removed),
        )
        if users
    ]
    return Change(
        WRITE_FILE,
        Verb.CHANGE if is_there else Verb.CREATE,
        "Secret",
        names.HTPASSWD_SECRET,
        f"Secret {names.HTPASSWD_SECRET}: {'; '.join(parts)}",
        {
            "added": list(todo.added),
            "changed": list(todo.changed),
            "removed": list(todo.removed),
            "existed": is_there,
        },
        command=_by_hand(answers, todo, is_there=is_there),
    )


def _by_hand(answers: Answers, todo: Edits, *, is_there: bool) -> str:
    """The file from the cluster, edited by Apache's htpasswd (which asks for each password), and back."""
    kubectl, secret, file = (
        f"kubectl -n {answers.connect.namespace}",
        names.HTPASSWD_SECRET,
        names.HTPASSWD_KEY,
    )
    fetch = f"{kubectl} get secret {secret} -o jsonpath='{{.data.{file}}}' | base64 -d > {file}"
    lines = [fetch if is_there else f": > {file}"]
    lines += [f"htpasswd -B {file} {user}" for user in (*todo.added, *todo.changed)]
    lines += [f"htpasswd -D {file} {user}" for user in todo.removed]
    store = f"{kubectl} create secret generic {secret} --from-file={file}"
    if is_there:
        store += f" --dry-run=client -o yaml | {kubectl} apply --server-side --force-conflicts -f -"
    return "\n".join([*lines, store])


def _list(users: Iterable[str]) -> str:
    users = list(users)
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(users[:SHOWN]) + more


def _consents(secrets: Iterable[SecretFacts | None]) -> tuple[Consent, ...]:
    nobodys = [each.name for each in secrets if each is not None and each.exists and not each.owner]
    if not nobodys:
        return ()
    question = (
        f"The Secret {' and the Secret '.join(nobodys)} was there before. May the wizard change it? "
        "Other users in it stay, and undo puts it back as it was."
    )
    return (Consent("adopt", "secrets", question),)


def _foreign(answers: Answers, facts: HtpasswdFacts) -> Iterable[Problem]:
    for secret in (facts.secret, facts.check_secret):
        if secret is not None and secret.owner not in {"", answers.setup}:
            yield Problem(
                "other-setup",
                f"The Secret {secret.name} belongs to the setup {secret.owner}.",
                "A namespace holds one setup.",
                f"Choose another namespace, or go on with the setup {secret.owner}.",
            )


def _passwords(facts: HtpasswdFacts, todo: Edits) -> Iterable[Problem]:
    bad = {line.user: line for line in facts.bad}
    for user in (*todo.added, *todo.changed):
        if user == rules.CHECK_USER or user in facts.passwords_known:
            continue
        line = bad.get(user)
        why = f"Line {line.number} of {names.HTPASSWD_SECRET} is {user}'s, but {line.reason}." if line else ""
        yield Problem(
            "password-missing",
            f"No password is known for the user {user}.",
            why or "It has no line in the htpasswd file yet, and only a hash of it will be kept.",
            f"Set {rules.password_variable(user)}, or name a file for generated ones with --passwords-to.",
        )


def _bad_lines(answers: Answers, facts: HtpasswdFacts) -> Iterable[Problem]:
    ours = {*answers.htpasswd.users, *facts.added, rules.CHECK_USER}
    for line in facts.bad:
        if line.user and line.user in ours:
            continue
        whose = f" ({line.user})" if line.user else ""
        yield Problem(
            f"htpasswd-line-{line.number}",
            f"Line {line.number}{whose} of the Secret {names.HTPASSWD_SECRET} cannot be used.",
            f"{line.reason[:1].upper()}{line.reason[1:]}.",
            f"Delete the line, or add {line.user} to htpasswd.users and give a password."
            if line.user
            else "Delete the line; each must be user:hash.",
        )
