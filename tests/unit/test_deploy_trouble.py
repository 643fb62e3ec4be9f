"""Each well-known failure of Pods as its own sentence, and whether waiting can help."""

from typing import Any

import pytest

from wizard.steps._deploy_trouble import of_pod, of_workload, refusal_of_pods


def log_of(text: str) -> Any:
    return lambda _: text


def pod(**container: Any) -> dict[str, Any]:
    status = {"name": "registry", "image": "registry:3.1.1", "restartCount": 1, **container}
    return {"metadata": {"name": "p"}, "status": {"phase": "Pending", "containerStatuses": [status]}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return pod(state={"waiting": {"reason": reason, "message": message}})


@pytest.mark.parametrize(
    ("reason", "message", "code", "is_final"),
    [
        ("ErrImagePull", "docker.io/library/registry:nope: not found", "image-not-found", True),
        ("InvalidImageName", "couldn't parse image name", "image-not-found", True),
        ("ErrImagePull", "pull access denied, repository does not exist", "image-denied", True),
        ("ErrImagePull", "toomanyrequests: You have reached your pull rate limit", "image-rate-limit", False),
        ("ImagePullBackOff", "dial tcp: i/o timeout", "image-unreachable", True),
        ("ErrImagePull", "no match for platform in manifest", "image-platform", True),
        ("ErrImagePull", "something else", "image-pull", False),
    ],
)
def test_pulls(reason: str, message: str, code: str, is_final: bool) -> None:
    found = of_pod(waiting(reason, message), log_of(""), [])
    assert found is not None
    assert (found.problem.code, found.is_final) == (code, is_final)
    assert "registry:3.1.1" in found.problem.what
    assert found.problem.fix


def test_the_reason_of_a_back_off_is_in_its_events() -> None:
    found = of_pod(
        waiting("ImagePullBackOff", "Back-off pulling"), log_of(""), ["Failed: manifest unknown: nope"]
    )
    assert found is not None
    assert found.problem.code == "image-not-found"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("panic: invalid region provided: mx-central-1", "registry-region"),
        ('level=error msg="s3aws: AccessDenied: Access Denied status code: 403"', "registry-denied"),
        ("s3aws: InvalidAccessKeyId: The AWS Access Key Id you provided", "registry-key"),
        ("s3aws: NoSuchBucket: The specified bucket does not exist", "registry-bucket"),
        ('unable to configure authorization (htpasswd): "realm" must be set for htpasswd', "registry-realm"),
        ("open /auth/htpasswd: permission denied", "registry-htpasswd"),
        ("open /certs/domain.crt: no such file or directory", "registry-tls-files"),
        ("tls: failed to find any PEM data in certificate input", "registry-tls-files"),
        ("dial tcp: lookup s3.amazonaws.com: no such host", "registry-s3-unreachable"),
        ("x509: certificate signed by unknown authority", "registry-s3-certificate"),
        ("exec /bin/registry: exec format error", "image-platform"),
    ],
)
def test_the_last_words_of_a_crash(line: str, code: str) -> None:
    found = of_pod(waiting("CrashLoopBackOff"), log_of(f"time=now level=info msg=start\n{line}\n"), [])
    assert found is not None
    assert (found.problem.code, found.is_final) == (code, True)


def test_a_crash_without_known_words_is_quoted_and_waited_for_a_while() -> None:
    text = 'time="now" level=fatal msg="strange things"'
    first = of_pod(waiting("CrashLoopBackOff"), log_of(text), [])
    often = pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3)
    later = of_pod(often, log_of(text), [])
    assert first is not None
    assert later is not None
    assert (first.is_final, later.is_final) == (False, True)
    assert "strange things" in first.problem.why


def test_a_missing_secret_may_still_come() -> None:
    found = of_pod(waiting("CreateContainerConfigError", 'secret "x" not found'), log_of(""), [])
    assert found is not None
    assert (found.problem.code, found.is_final) == ("container-config", False)
    assert 'secret "x" not found' in found.problem.why


def test_a_failed_mount_names_the_secret() -> None:
    event = 'FailedMount: MountVolume.SetUp failed for volume "htpasswd" : secret "htpasswd-file" not found'
    found = of_pod({"metadata": {}, "status": {"phase": "Pending"}}, log_of(""), ["Scheduled: ok", event])
    assert found is not None
    assert "htpasswd-file" in found.problem.why


@pytest.mark.parametrize(
    ("pod", "log"),
    [
        (waiting("CrashLoopBackOff"), "level=fatal msg=strange"),
        ({"status": {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable"}]}}, ""),
        ({"status": {"phase": "Running"}}, "s3aws: AccessDenied"),
        (waiting("ErrImagePull", "not found"), ""),
        (waiting("CreateContainerConfigError", "no Secret"), ""),
    ],
    ids=["crash", "no room", "not ready", "pull", "container"],
)
def test_the_last_events_are_quoted_with_the_log(pod: dict[str, Any], log: str) -> None:
    found = of_pod(pod, log_of(log), [f"Reason{number}: message" for number in range(7)])
    assert found is not None
    lines = found.problem.raw.splitlines()
    assert lines[-6:] == [
        "Events of the Pod, the newest last:",
        *(f"Reason{n}: message" for n in range(2, 7)),
    ]
    assert log in found.problem.raw


def test_no_room_is_told_in_the_schedulers_words() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    status = {"phase": "Pending", "conditions": [{**condition, "message": "0/3 nodes are available"}]}
    found = of_pod({"metadata": {}, "status": status}, log_of(""), [])
    assert found is not None
    assert (found.problem.code, found.problem.why) == ("unschedulable", "0/3 nodes are available")


def test_a_pod_that_runs_but_has_no_storage_is_explained() -> None:
    running = {"metadata": {}, "status": {"phase": "Running"}}
    found = of_pod(running, log_of("s3aws: AccessDenied"), [])
    assert found is not None
    assert (found.problem.code, found.is_final) == ("registry-denied", False)
    assert of_pod(running, log_of("all is well"), []) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('pods "x" is forbidden: exceeded quota: compute, requested: pods=1', "quota"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', "pod-security"),
        ("maximum memory usage per Container is 256Mi", "limit-range"),
        ('admission webhook "policy.example" denied the request', "admission-denied"),
        ("something new", "pods-refused"),
    ],
)
def test_pods_that_may_not_be_made(message: str, code: str) -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    found = of_workload({"status": {"conditions": [condition]}})
    assert found is not None
    assert (found.problem.code, found.is_final) == (code, True)


def test_a_service_account_comes_in_a_moment() -> None:
    assert not refusal_of_pods(
        "error looking up service account x/default: serviceaccount not found"
    ).is_final


def test_a_passed_progress_deadline_is_final() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    found = of_workload({"status": {"conditions": [condition]}})
    assert found is not None
    assert found.is_final
    assert of_workload({"status": {"conditions": [{"type": "Available", "status": "True"}]}}) is None
