"""The part that all contenders in Python share. The benchmark runs this text followed by that of a contender, a file in the folder
peers. It sends commands to standard input, one JSON object a line, and reads one answer to each from standard output; an answer with
"error" says why the command failed. The first answer is sent unasked and describes the contender.

usage: python3 -c TEXTS cuda|cpu VARIANT

  prepare  rows, columns of pred; dtype, kind, beta, reduction: the loss; sets, stride: the number of sets of arrays, and the elements from
           one to the next; weight, mask, index: whether there are such arrays; memory: the file that holds all sets of each array;
           places: where in it they begin; "": the peer makes its own arrays; threads, or 0
  sample   op, calls: answers with the nanoseconds of one of that many queued calls on the device, and of a single call
  cold     op, calls, walk: answers with the median of the nanoseconds of single calls, before each of which it reads walk bytes of other
           memory
  check    op: computes on the first set and leaves terms or gradient in out; answers with the loss, if there is one
  bits     directory, dtype, kind, beta, reduction: reads the files pred, target, upstream and writes loss, grad_pred, grad_target

A contender is a class Contender with

  __init__(device, variant)   raises Missing if it cannot take part
  version, cuda, device       strings
  operations                  the names of those that it has; None: all
  bits(...)                   the command bits; None if there is nothing to compare
  prepare(rows, columns, dtype, kind, beta, reduction, weight, mask, index, count, memory, places, threads)
                              makes the arrays pred, target and out of count elements, and weight of the same type, mask of uint8 and
                              index of int32 if they are wanted, or finds them at places of the buffer memory, unless that is None
  call(op, first)             returns a function without arguments that does the operation on the arrays from element first on; it is
                              called repeatedly, and returns the loss, the terms or nothing
  keep(call, first, outcome)  copies the terms or gradient of a call that returned outcome to out
  value(outcome)              the loss as a number, or None
  wait()                      waits until the device is done
  timed(calls)                calls each of them and returns the nanoseconds on the device; Clock implements it for a CPU
"""
import json
import mmap
import os
import sys
import time

sys.path[:] = [p for p in sys.path if p not in ("", os.getcwd())]  # do not import a torch.py of the current directory

# What libraries print goes to standard error, apart from the answers.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def answer(**what):
    answers.write(json.dumps(what) + "\n")


class Missing(Exception):
    """Raised with the reason why a contender cannot take part."""


def first_line(e):
    lines = str(e).strip().splitlines()
    return type(e).__name__ + (": " + lines[0] if lines else "")


class Clock:
    """The clock of a synchronous device."""

    def wait(self):
        pass

    def timed(self, calls):
        begin = time.perf_counter_ns()
        for call in calls:
            call()
        return time.perf_counter_ns() - begin


class Rotation:
    """The sets of arrays of a workload. Successive calls use successive sets."""

    def __init__(self, contender, sets, stride, memory, **workload):
        self.contender, self.sets, self.stride, self.next, self.only = contender, sets, stride, 0, {}
        self.walked = b""
        buffer = None
        if memory:
            with open(memory, "r+b") as f:
                size = os.fstat(f.fileno()).st_size
                buffer = mmap.mmap(f.fileno(), size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        self.here = buffer is not None
        contender.prepare(count=sets * stride, memory=buffer, **workload)

    def calls(self, op, count):
        """Returns calls of an operation on successive sets. For a backward pass alone, it runs the forward pass."""
        if self.here and self.sets == 1:
            if op not in self.only:
                self.only[op] = self.contender.call(op, 0)
            return [self.only[op]] * count
        all = []
        for _ in range(count):
            all.append(self.contender.call(op, self.next * self.stride))
            self.next = (self.next + 1) % self.sets
        return all

    def sample(self, op, calls):
        contender = self.contender
        queued = self.calls(op, calls + 1)
        last = queued.pop()
        if self.here:
            last()  # it finds the caches as the last contender left them
        took = contender.timed(queued)
        begin = time.perf_counter_ns()
        contender.value(last())  # callers read the loss
        contender.wait()
        return took / calls, time.perf_counter_ns() - begin

    def cold(self, op, calls, walk):
        contender = self.contender
        if len(self.walked) != walk:
            self.walked = b"\1" * walk
        call, took = self.calls(op, 1)[0], []
        for _ in range(calls):
            self.walked.find(b"\0")  # reads all of it
            begin = time.perf_counter_ns()
            contender.value(call())
            contender.wait()
            took.append(time.perf_counter_ns() - begin)
        return sorted(took)[calls // 2]

    def check(self, op):
        call = self.contender.call(op, 0)
        outcome = call()
        self.contender.wait()
        self.contender.keep(call, 0, outcome)
        loss = self.contender.value(outcome)
        if loss is not None and loss - loss != 0:
            raise ValueError("the loss is %s" % loss)  # JSON has no such number
        return loss


def serve(make):
    """Answers commands until standard input ends."""
    try:
        contender = make(sys.argv[1], sys.argv[2])
    except Missing as e:
        return answer(error=str(e))
    answer(version=contender.version, cuda=contender.cuda, device=contender.device, bits=contender.bits is not None,
           operations=contender.operations)
    rotation = None
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        try:
            if do == "prepare":
                rotation = None  # free its memory first
                rotation = Rotation(contender, **command)
                answer()
            elif do == "sample":
                took, wall = rotation.sample(**command)
                answer(device=took, wall=wall)
            elif do == "cold":
                answer(wall=rotation.cold(**command))
            elif do == "check":
                answer(loss=rotation.check(**command))
            elif do == "bits":
                contender.bits(**command)
                answer()
            else:
                answer(error="no such command: " + do)
        except Exception as e:  # out of memory, for example: the other commands may still work
            answer(error=first_line(e))
