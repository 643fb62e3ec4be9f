"""A workshop: many setups applied at once in one practice world, each from a process of its own.

`python -m bench.workshop [HOW_MANY]` runs one by itself and writes bench/results/workshop.md.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.home import Home, home
from bench.memory import peak_mib
from bench.result import Budget

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ResourceRecordSetTypeDef

RESULTS = Path(__file__).parent / "results" / "workshop.md"
MANY = 50
LIMIT_S = 3000.0
ANSWERS = """\
version = 1
setup = "team-{number}"
[connect]
namespace = "team-{number}"
create_namespace = true
[bucket]
name = "workshop-team-{number}"
[user]
name = "team-{number}"
policy = "team-{number}-policy"
[certificate]
domain = "team-{number}.practice.test"
method = "{method}"
agree_tos = true
[htpasswd]
users = ["alice"]
"""
METHODS = ("dns-route53", "webroot")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One team's run: exit code, its time, the last lines it said."""

    team: int
    code: int
    seconds: float
    told: str


def setup_name(team: int) -> str:
    return f"team-{team}"


def domain(team: int) -> str:
    return f"team-{team}.practice.test"


def write_answers(directory: Path, team: int) -> Path:
    """Every second team proves its domain by the web server, which its record leads to first."""
    method = METHODS[team % 2]
    text = ANSWERS.format(number=team, method=method)
    if method == "webroot":
        text += '[consent]\nreplace_record = "A 127.80.0.1"\n'
    path = directory / f"team-{team}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def lead_to_the_web_server(environment: Mapping[str, str], teams: Sequence[int]) -> None:
    """What the teacher prepares: a record for each team that proves its domain by the web server."""
    import boto3

    led = [team for team in teams if METHODS[team % 2] == "webroot"]
    route53 = boto3.client(
        "route53",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    zone = next(
        each["Id"] for each in route53.list_hosted_zones()["HostedZones"] if each["Name"] == "practice.test."
    )
    for team in led:
        record: ResourceRecordSetTypeDef = {
            "Name": domain(team),
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": "127.80.0.1"}],
        }
        route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        )
    route53.close()


def all_at_once(
    environment: Mapping[str, str], commands: Mapping[int, Sequence[str]], *, limit_s: float
) -> list[Outcome]:
    """Starts the program once for each team, all at the same time; what came of each, by team."""
    outcomes: dict[int, Outcome] = {}

    def run(team: int, arguments: Sequence[str]) -> None:
        begun = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "wizard", *arguments],
                env={**environment, "KUBE_REGISTRY_PASSWORD_ALICE": f"workshop {team}"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
            code, told = done.returncode, (done.stdout + done.stderr)[-2000:]
        except subprocess.TimeoutExpired:
            code, told = -1, f"It did not end within {limit_s:.0f} s."
        outcomes[team] = Outcome(team, code, time.monotonic() - begun, told)

    threads = [threading.Thread(target=run, args=each) for each in commands.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[team] for team in sorted(outcomes)]


def held(place: Home, how_many: int, directory: Path) -> tuple[list[Outcome], list[Outcome], float, float]:
    """First and second applies, the seconds until all had ended the first time, the world's peak in MiB."""
    place.program("world", "start")
    status = place.world_status()
    info = json.loads(
        (Path(place.environment["XDG_RUNTIME_DIR"]) / "kube-registry" / "world.json").read_text()
    )
    teams = range(1, how_many + 1)
    lead_to_the_web_server(info["environment"], teams)
    commands = {
        team: ("apply", "--practice", "-a", str(write_answers(directory, team)), "--json") for team in teams
    }
    begun = time.monotonic()
    first = all_at_once(place.environment, commands, limit_s=LIMIT_S)
    wall_s = time.monotonic() - begun
    second = all_at_once(place.environment, commands, limit_s=LIMIT_S)
    return first, second, wall_s, peak_mib(status["pid"])


def table(first: Sequence[Outcome], second: Sequence[Outcome], wall_s: float, world_mib: float) -> str:
    """The figures as Markdown; a failure shows what it said."""
    around = report.surroundings()
    seconds = [each.seconds for each in first]
    spread = f"({min(seconds):.0f} to {max(seconds):.0f})"
    machine = f"{around['python']}, {around['system']}, {around['cores']} cores, {around['memory_gib']} GiB"
    failed = [each for each in (*first, *second) if each.code]
    lines = [
        "# Measured by `make workshop`",
        "",
        f"{around['date']}, {machine}, load {around['load']} at the end.",
        "",
        "| measure | value |",
        "| --- | --- |",
        f"| setups applied at once, a process each | {len(first)} |",
        f"| of them with all checks passed | {sum(not each.code for each in first)} |",
        f"| until the last had ended | {wall_s:.0f} s |",
        f"| one setup, median (fastest to slowest) | {statistics.median(seconds):.0f} s {spread} |",
        f"| applied a second time, all at once, all well | {sum(not each.code for each in second)} |",
        f"| peak memory of the world | {world_mib:.0f} MiB |",
    ]
    for each in failed:
        told = report.without_paths(" ".join(each.told.split())[-600:]).replace("`", "'")
        lines += ["", f"Team {each.team} ended with {each.code}: `{told}`"]
    return "\n".join(lines) + "\n"


def main() -> int:
    how_many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    with home(Budget(3 * LIMIT_S)) as place, tempfile.TemporaryDirectory() as name:
        first, second, wall_s, world_mib = held(place, how_many, Path(name))
    text = table(first, second, wall_s, world_mib)
    if how_many == MANY:
        RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 1 if any(each.code for each in (*first, *second)) else 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
