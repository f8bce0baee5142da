"""Runs python3 -u -c TEXT cuda VARIANT on the CPU, with stand-ins for what PyTorch has of a GPU only, or only in later versions: streams and
CUDA graphs, which check that they are used as the documentation asks; compilation, which does nothing; and torch.func. A graph's
replay does nothing either, since its inputs and outputs stay where they are. Each writes a line to the file LOG."""
import contextlib
import os
import sys
import types

import torch

log = open(os.environ["LOG"], "a", buffering=1)
current, waited = ["main"], set()


class Stream:
    name = "side"

    def wait_stream(self, other):
        waited.add((self.name, other.name))


class Main(Stream):
    name = "main"


class CUDAGraph:
    def replay(self):
        assert self.captured and current[-1] == "main"
        log.write("replay\n")


@contextlib.contextmanager
def on(stream):
    assert (stream.name, "main") in waited
    current.append(stream.name)
    log.write("warm up\n")
    yield
    current.pop()


@contextlib.contextmanager
def graph(g, stream):
    assert ("main", stream.name) in waited
    log.write("capture\n")
    yield
    g.captured = True


def grad_and_value(function):
    def both(p, *others):
        leaf = p.detach().requires_grad_()
        loss = function(leaf, *others)
        log.write("whole\n")
        return torch.autograd.grad(loss, leaf)[0], loss.detach()
    return both


cpu = torch.device("cpu")
torch.device = lambda name: cpu
torch.cuda.is_available = lambda: True
torch.cuda.get_device_name = lambda: "stand-in"
torch.cuda.empty_cache = lambda: None
torch.cuda.Stream, torch.cuda.stream, torch.cuda.current_stream = Stream, on, Main
torch.cuda.CUDAGraph, torch.cuda.graph = CUDAGraph, graph
torch.compile = lambda function, **how: function
torch.func = types.SimpleNamespace(grad_and_value=grad_and_value)
text = sys.argv[3]
sys.argv = ["-c"] + sys.argv[4:]
exec(text, {"__name__": "__main__"})
