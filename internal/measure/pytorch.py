"""PyTorch's part in the benchmark. Started by the program that measures, which sends commands to standard input, a JSON object
a line, and gets one for each from standard output; one with "error" says why the command was not done.

usage: python3 pytorch.py cuda|cpu eager|compiled

It keeps to what PyTorch has had from 1.13 to 2.11, and needs no NumPy.
"""
import ctypes
import json
import os
import sys
import time

sys.path[:] = [p for p in sys.path if p not in ("", os.getcwd())]  # a torch.py that lies here is not meant

# What libraries print does not belong among the answers.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def answer(**what):
    answers.write(json.dumps(what) + "\n")


try:
    import torch
    import torch.nn.functional as F
except Exception as e:  # there may be one that does not load
    answer(error="python3 has no PyTorch: %s" % e)
    sys.exit(0)

where, compiled = sys.argv[1], sys.argv[2] == "compiled"
if where == "cuda" and not torch.cuda.is_available():
    answer(error="PyTorch %s has no CUDA device (it was built %s)" % (
        torch.__version__, "for CUDA " + torch.version.cuda if torch.version.cuda else "without CUDA"))
    sys.exit(0)
device = torch.device(where)
dtypes = {"float32": torch.float32, "float64": torch.float64}


def loss_of(kind, beta, reduction):
    if kind == "huber":
        return lambda p, t: F.huber_loss(p, t, reduction=reduction, delta=beta)
    return lambda p, t: F.smooth_l1_loss(p, t, reduction=reduction, beta=beta)


def as_asked(function):
    """The function itself, or compiled."""
    return torch.compile(function, dynamic=False) if compiled else function


def forget():
    """Lets go of what was compiled before."""
    if compiled and hasattr(torch, "_dynamo"):
        torch._dynamo.reset()


def cannot_compile():
    """Returns why torch.compile cannot be used, or None."""
    if not hasattr(torch, "compile"):
        return "PyTorch %s has no torch.compile" % torch.__version__
    try:
        x = torch.ones(64, device=device, requires_grad=True)
        as_asked(loss_of("smooth_l1", 1.0, "mean"))(x, torch.zeros(64, device=device)).backward()
    except Exception as e:  # whatever it was, the rest goes on without it
        return "torch.compile failed: " + first_line(e)
    return None


def first_line(e):
    lines = str(e).strip().splitlines()
    return type(e).__name__ + (": " + lines[0] if lines else "")


def wait():
    if where == "cuda":
        torch.cuda.synchronize()


def hold(microseconds):
    """Keeps the device busy while calls are queued."""
    if where == "cuda" and hasattr(torch.cuda, "_sleep"):
        torch.cuda._sleep(int(microseconds * 2000))  # cycles, of at most 2 GHz


class Group:
    """Arrays of n elements, several of them, so that calls do not find theirs in a cache, and what is done with them."""

    def __init__(self, n, dtype, kind, beta, reduction, bytes):
        self.n, self.stride = n, (n + 63) // 64 * 64
        kinds = dtypes[dtype]
        self.sets = bytes // (2 * n * (8 if dtype == "float64" else 4)) + 1
        self.next = 0
        self.pred, self.target = (torch.rand(self.sets * self.stride, device=device, dtype=kinds).mul_(4).sub_(2) for _ in range(2))
        forget()
        self.terms, self.reduced = as_asked(loss_of(kind, beta, "none")), as_asked(loss_of(kind, beta, reduction))

    def take(self):
        first = self.next * self.stride
        self.next = (self.next + 1) % self.sets
        p, t = self.pred[first:first + self.n], self.target[first:first + self.n]
        return p.detach().requires_grad_(), t

    def calls(self, op, count):
        """The calls of an operation, each on the next arrays; of a backward pass alone, the forward pass is done here."""
        terms, reduced = self.terms, self.reduced

        def forward(function, p, t):
            def call():
                with torch.no_grad():
                    return function(p, t)
            return call

        def both(p, t):
            def call():
                loss = reduced(p, t)
                loss.backward()
                return loss.detach()
            return call

        pairs = [self.take() for _ in range(count)]
        if op == "forward none":
            return [forward(terms, p, t) for p, t in pairs]
        if op == "forward":
            return [forward(reduced, p, t) for p, t in pairs]
        if op == "backward":
            return [reduced(p, t).backward for p, t in pairs]
        return [both(p, t) for p, t in pairs]

    def sample(self, op, calls):
        queued = self.calls(op, calls + 1)
        last = queued.pop()
        if where == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            wait()
            hold(60 * calls)
            start.record()
            for call in queued:
                call()
            end.record()
            wait()
            took = start.elapsed_time(end) * 1e6
        else:
            begin = time.perf_counter_ns()
            for call in queued:
                call()
            took = time.perf_counter_ns() - begin
        begin = time.perf_counter_ns()
        outcome = last()
        if outcome is not None and outcome.dim() == 0:
            outcome.item()  # as who wants the loss gets it
        wait()
        return took / calls, time.perf_counter_ns() - begin


def load(path, dtype):
    with open(path, "rb") as f:
        text = f.read()
    x = torch.empty(len(text) // (8 if dtype == "float64" else 4), dtype=dtypes[dtype])
    ctypes.memmove(x.data_ptr(), text, len(text))
    return x.to(device)


def save(path, x):
    x = x.detach().cpu().contiguous()
    with open(path, "wb") as f:
        f.write(ctypes.string_at(x.data_ptr(), x.numel() * x.element_size()))


def bits(directory, dtype, kind, beta, reduction, upstream=1.0):
    """Computes the loss of the arrays in a directory and leaves its results there."""
    path = lambda name: os.path.join(directory, name)
    pred, target = load(path("pred"), dtype).requires_grad_(), load(path("target"), dtype).requires_grad_()
    forget()
    loss = as_asked(loss_of(kind, beta, reduction))(pred, target)
    if reduction == "none":
        loss.backward(load(path("upstream"), dtype))
    else:
        loss.backward(torch.tensor(upstream, dtype=loss.dtype, device=device))
    for name, x in ("loss", loss), ("grad_pred", pred.grad), ("grad_target", target.grad):
        save(path(name), x)


refused = cannot_compile() if compiled else None
if refused:
    answer(error=refused)
    sys.exit(0)
answer(version=str(torch.__version__), cuda=torch.version.cuda or "", device=torch.cuda.get_device_name() if where == "cuda" else "CPU")
group = None
for line in sys.stdin:
    command = json.loads(line)
    do = command.pop("do")
    try:
        if do == "prepare":
            group = None
            if where == "cuda":
                torch.cuda.empty_cache()
            group = Group(**command)
            answer()
        elif do == "sample":
            took, wall = group.sample(**command)
            answer(device=took, wall=wall)
        elif do == "bits":
            bits(**command)
            answer()
        else:
            answer(error="no such command: " + do)
    except Exception as e:  # such as no memory: who asked goes on without this
        answer(error=first_line(e))
