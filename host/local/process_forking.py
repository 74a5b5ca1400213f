"""The template process at work: one thread that forks a child per order, kills on demand, and buries the dead."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from host.local.process_calls import CallServer, JobSource
from host.local.process_frames import MAX_MESSAGE_BYTES, ChildLimits, ForkOrder, ForkWord, rehearse
from host.wire import from_json, to_json

MIB = 1024 * 1024
OOM_SCORE = 500
"""Added to what the kernel thinks of a child when memory runs out: rather it than the host."""
FAILED_STATUS = 70

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DEFAULT = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end it now if that has happened."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(FAILED_STATUS)


def running_threads() -> tuple[str, ...]:
    """Name the threads beside this one; those that Python does not know by their number."""
    here = threading.get_native_id()
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    tasks = sorted(int(task) for task in os.listdir("/proc/self/task"))
    return tuple(names.get(task, f"native thread {task}") for task in tasks if task != here)


class ForkServer:
    """Forks children until the host closes its end; what is left of them then is killed."""

    def __init__(self, control: socket.socket, limits: ChildLimits, jobs: JobSource) -> None:
        self._control = control
        self._limits = limits
        self._jobs = jobs
        self._wake, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._numbers: dict[int, int] = {}
        """``{process id: number}`` of the children that are not buried."""

    def serve(self) -> None:
        """Take orders until there are no more."""
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        _prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what children leave behind comes here to be buried
        rehearse()
        gc.collect()
        gc.disable()
        gc.freeze()  # a collection in a child must not write to pages that all of them share
        self._say(ForkWord(is_ready=True, threads=running_threads()))
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while self._turn({descriptor for descriptor, _ in poll.poll()}):
            pass
        for process in list(self._numbers):
            _kill_group(process)
        self._bury_all()

    def _turn(self, ready: set[int]) -> bool:
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.read(self._wake, 4096)
            self._bury()
        return self._control.fileno() not in ready or self._obey()

    def _obey(self) -> bool:
        """Take one order; False if the host has gone."""
        data, descriptors, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 4, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return False
        order = from_json(data, ForkOrder)
        if order.fork is not None:
            self._fork(order.fork, descriptors)
        for process, number in self._numbers.items():
            if number == order.kill:
                _kill_group(process)
        return True

    def _fork(self, number: int, descriptors: Sequence[int]) -> None:
        template = os.getpid()
        try:
            process = os.fork()
        except OSError as error:
            self._say(ForkWord(ended=number, failed=f"it could not be forked: {error}"))
        else:
            if process == 0:
                self._become_child(template, descriptors)
            self._numbers[process] = number
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _become_child(self, template: int, descriptors: Sequence[int]) -> NoReturn:
        status = FAILED_STATUS
        try:
            os.setsid()
            die_with_parent(template)
            calls, steering, output, errors = descriptors
            self._settle(output, errors)
            _limit(self._limits)
            jobs, cpu = self._jobs, self._limits.cpu_seconds
            CallServer(socket.socket(fileno=calls), socket.socket(fileno=steering), jobs, cpu_seconds=cpu).serve()
            status = 0
        except BaseException:  # the child's own end, whatever it is: nothing of the template may run in it
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _settle(self, output: int, errors: int) -> None:
        signal.set_wakeup_fd(-1)
        for number in _DEFAULT:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._control.close()
        os.close(self._wake)
        os.close(self._alarm)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (errors, 2)):
            os.dup2(source, target)
            os.close(source)
        faulthandler.enable(2)
        gc.enable()

    def _bury_all(self) -> None:
        """Kill and bury until nothing is left, also of what left its group and came here when its parent ended."""
        with suppress(ChildProcessError):
            while True:
                for process in _children():
                    os.kill(process, signal.SIGKILL)
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
                self._bury()

    def _bury(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:
                return
            if found is None:
                return
            number = self._numbers.pop(found.si_pid, None)
            if number is not None:
                _kill_group(found.si_pid)  # what the job left in its group ends with it, while the id is still its own
            _, status = os.waitpid(found.si_pid, 0)
            if number is not None:
                self._say(ForkWord(ended=number, code=os.waitstatus_to_exitcode(status)))

    def _say(self, word: ForkWord) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the host has gone; the next order says so
            self._control.send(to_json(word))


def _children() -> list[int]:
    """Give the children of this process; none of them is buried, so that each id is still its own."""
    found: list[int] = []
    for task in os.listdir("/proc/self/task"):
        with suppress(FileNotFoundError):  # a thread that has ended, or a kernel that does not tell
            found += map(int, Path(f"/proc/self/task/{task}/children").read_text(encoding="ascii").split())
    return found


def _kill_group(process: int) -> None:
    for kill in (os.killpg, os.kill):  # it may not have made its group yet
        with suppress(ProcessLookupError):
            kill(process, signal.SIGKILL)


def _limit(limits: ChildLimits) -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    if limits.memory_mib is not None:
        # Of data, not of address space: libraries and reserved but unused memory do no harm.
        _lower(resource.RLIMIT_DATA, limits.memory_mib * MIB)
    if limits.open_files is not None:
        _lower(resource.RLIMIT_NOFILE, limits.open_files)


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (allowed, allowed))
