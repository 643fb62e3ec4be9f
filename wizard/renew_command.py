"""The command `renew`: when it is time, a new certificate; a timer for that; another key for the account."""

import argparse
import os
import sys

from wizard import timer
from wizard.errors import ExitCode
from wizard.output import plain
from wizard.renew import Renewal


def run(renewal: Renewal, options: argparse.Namespace) -> int:
    """Quiet with `--if-due` where nothing is due: what runs it sends mail for every word."""
    if options.install_timer or options.print_cron:
        return install(renewal, options)
    if options.new_account_key:
        renewal.change_account_key()
    else:
        renewal.renew(if_due=options.if_due)
    return ExitCode.DONE


def install(renewal: Renewal, options: argparse.Namespace) -> int:
    """Data on stdout; with `--json` only its events are there."""
    from wizard import renewal_role

    wish = timer.Wish.gather(renewal.directory.name, os.environ, is_practice=options.practice)
    doubts = renewal_role.doubts(renewal.answers, renewal.services, os.environ)
    told: list[str] = []
    if options.print_cron:
        told.append(wish.cron_line())
    elif timer.has_systemd():
        told += timer.install(wish)
    else:
        told += [
            "# There is no systemd for users here. This line for crontab -e does the same:",
            wish.cron_line(),
        ]
    if doubts:
        told += ["", *(f"# {line}" for problem in doubts for line in str(problem).splitlines())]
        told += ["", *renewal_role.least(renewal.answers)]
    if not options.json:
        sys.stdout.write(plain("\n".join(told) + "\n"))
    return ExitCode.DONE
