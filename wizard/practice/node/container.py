"""One container: pulled, configured, run as a process, probed, run again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wizard.practice.kubeclient import KubeError, Obj
from wizard.practice.kubevents import EventRecorder, EventType, timestamp
from wizard.practice.node.environment import ConfigError, Lookup
from wizard.practice.node.images import Image, InvalidImageName, PullError
from wizard.practice.node.launch import Launch, PortMap, prepare
from wizard.practice.node.logs import LogRing
from wizard.practice.node.podimages import PodImages
from wizard.practice.node.ports import PodPorts
from wizard.practice.node.probing import Probing
from wizard.practice.node.process import Process, Warden
from wizard.practice.node.volumes import Volumes

# A real kubelet begins with 10 s and ends with 300 s; nobody practises that long.
BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 8.0
LONG_RUN_S = 30.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the containers of a Pod share; `on_change` is called after each change of a container's state."""

    pod: Obj
    directory: Path
    volumes: Volumes
    lookup: Lookup
    ports: PodPorts
    events: EventRecorder
    warden: Warden
    pulled: set[str]
    images: PodImages
    on_change: Callable[[], None]


class Container:
    """Runs in a thread of its own from `start` until `stop`, or as long as the restart policy wants it."""

    def __init__(self, spec: Obj, around: Surroundings) -> None:
        self.name: str = spec["name"]
        self._spec, self._around = spec, around
        self._lock = threading.Lock()
        self._state: Obj = _waiting("ContainerCreating", "")
        self._last_state: Obj = {}
        self._is_ready = self._is_started = False
        self._restarts = 0
        self._image: Image | None = None
        self._process: Process | None = None
        self._probing: Probing | None = None
        self._previous_log: LogRing | None = None
        self._stopping = threading.Event()
        self._poked = threading.Event()
        self._grace_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"container {self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """SIGTERM, after `grace_s` SIGKILL; returns when the process is gone. May come again with less."""
        self._grace_s = grace_s
        self._stopping.set()
        self._poked.set()
        self._end(grace_s)
        if self._thread.ident is not None:
            self._thread.join(2)

    def poke(self) -> None:
        """Something that it may be waiting for, such as a Secret, has changed."""
        self._poked.set()

    def log(self, *, previous: bool) -> LogRing | None:
        with self._lock:
            if previous:
                return self._previous_log
            return self._process.log if self._process else None

    def status(self) -> Obj:
        """Shape: an entry of containerStatuses."""
        with self._lock:
            status = {
                "name": self.name,
                "image": self._spec["image"],
                "imageID": self._image.image_id if self._image else "",
                "ready": self._is_ready,
                "started": self._is_started,
                "restartCount": self._restarts,
                "state": self._state,
                "lastState": self._last_state,
            }
            if self._process:
                status["containerID"] = f"practice://{self._process.pid}"
            return status

    def _run(self) -> None:
        delay_s, policy = BACK_OFF_S, self._around.pod["spec"].get("restartPolicy") or "Always"
        while not self._stopping.is_set() and (image := self._pull()) and (launch := self._prepare(image)):
            begin = time.monotonic()
            exit_code = self._run_once(launch)
            if self._stopping.is_set() or policy == "Never" or (policy == "OnFailure" and exit_code == 0):
                return
            if time.monotonic() - begin > LONG_RUN_S:
                delay_s = BACK_OFF_S
            self._back_off(delay_s)
            delay_s = min(delay_s * 2, LONGEST_BACK_OFF_S)

    def _pull(self) -> Image | None:
        text, delay_s = self._spec["image"], BACK_OFF_S
        while not self._stopping.is_set():
            try:
                image = self._around.images.get(text, self._spec, self._tell_secret)
            except InvalidImageName as error:
                self._fail("InvalidImageName", str(error), f"Failed to apply default image tag: {error}")
            except PullError as error:
                self._emit("Normal", "Pulling", f'Pulling image "{text}"')
                self._fail(
                    "ErrImagePull", str(error), f'Failed to pull image "{text}": {error}', "ErrImagePull"
                )
                self._wait(delay_s)
                back_off = f'Back-off pulling image "{text}"'
                self._emit("Normal", "BackOff", back_off)
                self._fail(
                    "ImagePullBackOff", f"{back_off}: ErrImagePull: {error}", "Error: ImagePullBackOff"
                )
            except KubeError:
                pass  # the API server was too busy to say what is in a Secret: it is asked again
            else:
                self._tell_pulled(text)
                with self._lock:
                    self._image = image
                return image
            self._wait(delay_s)
            delay_s = min(delay_s * 2, LONGEST_BACK_OFF_S)
        return None

    def _tell_secret(self, names: str) -> None:
        doubt = "attempting to pull the image may not succeed."
        message = f"Unable to retrieve some image pull secrets ({names}); {doubt}"
        self._emit("Warning", "FailedToRetrieveImagePullSecret", message)

    def _tell_pulled(self, text: str) -> None:
        is_latest = ":" not in text.rpartition("/")[2] or text.endswith(":latest")
        policy = self._spec.get("imagePullPolicy") or ("Always" if is_latest else "IfNotPresent")
        if text in self._around.pulled and policy != "Always":
            self._emit("Normal", "Pulled", f'Container image "{text}" already present on machine')
            return
        self._around.pulled.add(text)
        self._emit("Normal", "Pulling", f'Pulling image "{text}"')
        self._emit("Normal", "Pulled", f'Successfully pulled image "{text}" in 1ms (1ms including waiting)')

    def _prepare(self, image: Image) -> Launch | None:
        delay_s = BACK_OFF_S
        while not self._stopping.is_set():
            try:
                return prepare(self._spec, image, self._around)
            except ConfigError as error:
                self._fail("CreateContainerConfigError", str(error), f"Error: {error}")
            except KubeError:
                pass  # as above
            self._wait(delay_s)
            delay_s = min(delay_s * 2, LONGEST_BACK_OFF_S)
        return None

    def _run_once(self, launch: Launch) -> int:
        begun = timestamp()
        ended = threading.Event()
        try:
            process = Process(
                launch.argv, launch.env, launch.directory, self._around.warden, on_exit=ended.set
            )
        except OSError as error:
            self._emit("Warning", "Failed", f"Error: {error}")
            self._terminated(begun, 128, "StartError", str(error))
            return 128
        self._emit("Normal", "Created", f"Created container: {self.name}")
        self._emit("Normal", "Started", f"Started container {self.name}")
        port_of = PortMap(self._spec, self._around.pod["metadata"]["uid"], self._around.ports)
        probing = Probing(self._spec, port_of, on_state=self._probed, on_failure=self._unhealthy)
        with self._lock:
            self._previous_log = self._process.log if self._process else None
            self._process, self._probing = process, probing
            self._state = {"running": {"startedAt": begun}}
        probing.start()
        self._around.on_change()
        if self._stopping.is_set():
            self._end(self._grace_s)
        ended.wait()
        probing.stop()
        code = process.exit_code or 0
        self._terminated(begun, code, "Error" if code else "Completed", "")
        return code

    def _probed(self, *, is_started: bool, is_ready: bool, is_alive: bool) -> None:
        with self._lock:
            if not self._process or self._process.exit_code is not None:
                return
            self._is_started, self._is_ready = is_started, is_ready
        self._around.on_change()
        if not is_alive:
            kind = "liveness" if is_started else "startup"
            self._emit("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted")
            self._end(float(self._around.pod["spec"].get("terminationGracePeriodSeconds") or 30))

    def _unhealthy(self, kind: str, message: str) -> None:
        self._emit("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}")

    def _end(self, grace_s: float) -> None:
        with self._lock:
            process, probing = self._process, self._probing
        if probing:
            probing.stop()
        if process:
            process.end(grace_s)

    def _terminated(self, begun: str, code: int, reason: str, message: str) -> None:
        state = {"exitCode": code, "reason": reason, "startedAt": begun, "finishedAt": timestamp()}
        if message:
            state["message"] = message
        with self._lock:
            self._state, self._is_ready, self._is_started = {"terminated": state}, False, False
        self._around.on_change()

    def _back_off(self, delay_s: float) -> None:
        meta = self._around.pod["metadata"]
        pod = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        self._emit("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")
        message = f"back-off {delay_s:g}s restarting failed container={self.name} pod={pod}"
        with self._lock:
            self._last_state, self._state = self._state, _waiting("CrashLoopBackOff", message)
        self._around.on_change()
        self._stopping.wait(delay_s)
        with self._lock:
            self._restarts += 1

    def _fail(self, reason: str, message: str, *events: str) -> None:
        with self._lock:
            self._state = _waiting(reason, message)
        self._around.on_change()
        for event in events:
            self._emit("Warning", "Failed", event)

    def _wait(self, delay_s: float) -> None:
        self._poked.wait(delay_s)
        self._poked.clear()

    def _emit(self, kind: EventType, reason: str, message: str) -> None:
        self._around.events.emit(self._around.pod, kind, reason, message, container=self.name)


def _waiting(reason: str, message: str) -> Obj:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
