"""PyTorch's part in the benchmark: computes the losses of arrays that it shares with the program that started it.

Commands come by standard input, a line each, and each is answered by a line:
  prepare N THREADS           ok
  run CONTENDER OP REPS       nanoseconds of REPS calls, after one that is not timed
  check CONTENDER OP          the loss, or nan where there is none; terms or gradients go to the third shared array
"""
import mmap
import sys
import time

missing = []
try:
    import numpy
except ImportError:
    missing.append("python3-numpy")
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    missing.append("python3-torch")
if missing:
    print("missing", *missing, flush=True)
    sys.exit(3)

stride = int(sys.argv[1])  # elements from one shared array to the next
memory = numpy.frombuffer(mmap.mmap(3, 3 * 4 * stride), dtype=numpy.float32)
NONE, MEAN = 0, 1  # at::Reduction


def shared(k, n):
    return torch.from_numpy(memory[k * stride:k * stride + n])


def calls(n):
    """The operations of both contenders, each a pair: the call that is timed, and what puts its outcome in its place."""
    pred, target, out = shared(0, n), shared(1, n), shared(2, n)
    aten = torch.ops.aten
    one = torch.ones(())
    value = torch.zeros(())
    terms = torch.empty(n)  # smooth_l1_loss with a mean allocates its terms, so that it is made of two operations here
    leaf = pred.detach().requires_grad_()  # the same memory
    graph = F.smooth_l1_loss(leaf, target)

    def none():
        return F.smooth_l1_loss(pred, target, reduction="none")

    def mean():
        return F.smooth_l1_loss(pred, target)

    def backward():
        leaf.grad = None
        graph.backward(retain_graph=True)

    def both():
        leaf.grad = None
        loss = F.smooth_l1_loss(leaf, target)
        loss.backward()
        return loss

    def none_into():
        aten.smooth_l1_loss.out(pred, target, NONE, 1.0, out=out)

    def mean_into():
        aten.smooth_l1_loss.out(pred, target, NONE, 1.0, out=terms)
        torch.mean(terms, dim=0, out=value)
        return value

    def backward_into():
        aten.smooth_l1_loss_backward.grad_input(one, pred, target, MEAN, 1.0, grad_input=out)

    def both_into():
        mean_into()
        backward_into()
        return value

    def keep(outcome):
        out.copy_(outcome)

    def gradient(_):
        out.copy_(leaf.grad)

    def nothing(_):
        pass

    return {
        ("pytorch", "forward none"): (none, keep),
        ("pytorch", "forward mean"): (mean, nothing),
        ("pytorch", "backward"): (backward, gradient),
        ("pytorch", "forward+backward"): (both, gradient),
        ("pytorch, preallocated", "forward none"): (none_into, nothing),
        ("pytorch, preallocated", "forward mean"): (mean_into, nothing),
        ("pytorch, preallocated", "backward"): (backward_into, nothing),
        ("pytorch, preallocated", "forward+backward"): (both_into, nothing),
    }


def main():
    print("ready", torch.__version__, flush=True)
    table = {}
    for line in sys.stdin:
        command, *words = line.rstrip("\n").split("\t")
        if command == "prepare":
            torch.set_num_threads(int(words[1]))
            table = calls(int(words[0]))
            print("ok", flush=True)
            continue
        call, place = table[words[0], words[1]]
        if command == "run":
            call()
            reps = range(int(words[2]))
            start = time.perf_counter_ns()
            for _ in reps:
                call()
            print(time.perf_counter_ns() - start, flush=True)
        elif command == "check":
            outcome = call()
            place(outcome)
            print(repr(float(outcome)) if outcome is not None and outcome.dim() == 0 else "nan", flush=True)
        else:
            sys.exit("no such command: " + line)


main()
