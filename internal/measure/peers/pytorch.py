"""PyTorch as users call it; compiled; compiled whole, that is with loss and gradient in one function; as a CUDA graph of what users call;
and with all its memory allocated beforehand, which no training loop does. It uses only what PyTorch 1.13 to 2.11 have in common, but
for compilation, and does not need NumPy.

Types of 16 bits are widened to float32, as autocast does for this loss: computed in 16 bits, the gradient of a large mean would vanish.
Preallocated, they are not, because PyTorch has no such operation.
"""
# on cuda: pytorch; pytorch, compiled; pytorch, compiled whole; pytorch, CUDA graph
# on cpu: pytorch; pytorch, compiled; pytorch, preallocated
import ctypes

try:
    import torch
    import torch.nn.functional as F
except Exception as e:  # it may be installed and fail to load
    torch, why = None, e

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}  # at::Reduction
MOST_GRAPHS = 32  # of an operation: their arrays exceed the caches, unless they are small, when the time is not that of memory
GRAPH_ELEMENTS = 1 << 24  # the most for which a graph is captured


class Leaf:
    """Holds a gradient, as a tensor does."""
    grad = None


class Contender(Clock):
    def __init__(self, where, variant):
        if torch is None:
            raise Missing("python3 has no PyTorch: %s" % why)
        if where == "cuda" and not torch.cuda.is_available():
            raise Missing("PyTorch %s has no CUDA device (it was built %s)" % (
                torch.__version__, "for CUDA " + torch.version.cuda if torch.version.cuda else "without CUDA"))
        self.where, self.compiled, self.preallocated = torch.device(where), variant.startswith("compiled"), variant == "preallocated"
        self.whole, self.graph = variant == "compiled whole", variant == "CUDA graph"
        self.dtypes = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
        self.version, self.cuda = str(torch.__version__), torch.version.cuda or ""
        self.device = torch.cuda.get_device_name() if where == "cuda" else "CPU"
        self.operations = None
        if self.preallocated:
            self.bits = None  # the same as eager PyTorch's
            self.operations = ["forward none", "forward", "backward", "forward+backward"]
        if self.whole:
            self.bits = None  # those of the compiled variant
            self.operations = ["forward+backward", "weighted", "masked", "weighted, masked", "boxes", "DQN step"]
        if self.compiled:
            self.try_to_compile()
        if self.graph:
            self.bits = None  # eager PyTorch's
            if where != "cuda" or not hasattr(torch.cuda, "graph"):
                raise Missing("PyTorch %s has no CUDA graphs on the device %s" % (torch.__version__, where))
            self.side = torch.cuda.Stream()

    def try_to_compile(self):
        if not hasattr(torch, "compile"):
            raise Missing("PyTorch %s has no torch.compile" % torch.__version__)
        if self.whole and not hasattr(torch, "func"):
            raise Missing("PyTorch %s has no torch.func" % torch.__version__)
        try:
            function = self.as_asked(self.loss_of("smooth_l1", 1.0, "mean"))
            x = torch.ones(64, device=self.where, requires_grad=not self.whole)
            outcome = function(x, torch.zeros(64, device=self.where))
            if not self.whole:
                outcome.backward()
        except Exception as e:
            raise Missing("torch.compile failed: " + first_line(e))

    def loss_of(self, kind, beta, reduction):
        if kind == "huber":
            return lambda p, t: F.huber_loss(p, t, reduction=reduction, delta=beta)
        return lambda p, t: F.smooth_l1_loss(p, t, reduction=reduction, beta=beta)

    def as_asked(self, function):
        """Returns the function, compiled if this is a compiled variant; compiled whole it returns gradient and loss."""
        if self.whole:
            return torch.compile(torch.func.grad_and_value(function), dynamic=False, fullgraph=True)
        return torch.compile(function, dynamic=False) if self.compiled else function

    def forget(self):
        """Drops what was compiled before."""
        if self.compiled and hasattr(torch, "_dynamo"):
            torch._dynamo.reset()

    # Arrays.

    def prepare(self, rows, columns, dtype, kind, beta, reduction, weight, mask, index, count, memory, places, threads):
        self.pred = self.target = self.out = self.weight = self.mask = self.index = None  # free the last workload's memory first
        self.graphs, self.turn = {}, 0  # captured when they are first used
        if self.graph and rows * columns > GRAPH_ELEMENTS:
            raise ValueError("arrays of more than %d elements gain nothing by a graph" % GRAPH_ELEMENTS)
        if self.where.type == "cuda":
            torch.cuda.empty_cache()
        if threads:
            torch.set_num_threads(threads)
        self.rows, self.columns, self.n = rows, columns, rows * columns
        self.kind, self.beta, self.reduction, self.dtype = kind, beta, reduction, self.dtypes[dtype]
        if memory is not None:
            at = lambda name, dtype: torch.frombuffer(memory, dtype=dtype, count=count, offset=places[name])
            self.pred, self.target, self.out = (at(name, self.dtype) for name in ("pred", "target", "out"))
            if weight:
                self.weight = at("weight", self.dtype)
            if mask:
                self.mask = at("mask", torch.bool)
            if index:
                self.index = at("index", torch.int32)
        else:
            random = lambda: torch.rand(count, device=self.where)
            self.pred, self.target = (random().mul_(4).sub_(2).to(self.dtype) for _ in range(2))
            if self.preallocated:
                self.out = torch.empty_like(self.pred)
            if weight:
                self.weight = random().to(self.dtype)
            if mask:
                self.mask = random() < 0.5
            if index:
                self.index = torch.randint(columns, (count,), device=self.where)
        if index:
            self.index = self.index.long()  # the only type that gather takes
        if self.preallocated:
            self.one, self.sum = (torch.ones((), device=self.where, dtype=self.dtype) for _ in range(2))
            self.room = torch.empty(self.n, device=self.where, dtype=self.dtype)  # a reduced loss would allocate its terms, so it is done as two operations
        self.forget()
        self.functions = {}  # compiled when they are first used

    # Operations.

    def composition(self, op):
        """Returns the function that an operation computes, of pred and target, as vectors or, if it has rows, as matrices; and which of
        weight, mask and index it takes beside them."""
        each, reduced, wide = self.loss_of(self.kind, self.beta, "none"), self.loss_of(self.kind, self.beta, self.reduction), lambda x: x
        terms = each
        if self.dtype in (torch.float16, torch.bfloat16):
            wide, narrow_each, narrow_reduced = torch.Tensor.float, each, reduced
            each = lambda p, t: narrow_each(p.float(), t.float())
            reduced = lambda p, t: narrow_reduced(p.float(), t.float())
            terms = lambda p, t: each(p, t).to(self.dtype)
        zero = torch.zeros((), device=self.where, dtype=wide(self.pred[:1]).dtype)

        def masked(p, t, mask):
            return torch.where(mask, each(p, t), zero).sum() / mask.sum()

        def weighted_masked(p, t, weight, mask):
            weight = torch.where(mask, wide(weight), zero)
            return torch.where(mask, each(p, t) * weight, zero).sum() / weight.sum()

        def boxes(p, t, weight, mask):
            return torch.where(mask, each(p, t) * wide(weight), zero).sum() / (mask.sum() * self.columns)

        return {
            "forward none": (terms, ()),
            "weighted": (lambda p, t, weight: (each(p, t) * wide(weight)).mean(), ("weight",)),
            "masked": (masked, ("mask",)),
            "weighted, masked": (weighted_masked, ("weight", "mask")),
            "boxes": (boxes, ("weight", "mask")),
            "DQN step": (lambda p, t, index: reduced(p.gather(1, index), t), ("index",)),
        }.get(op, (reduced, ()))

    def call(self, op, first):
        if not self.graph:
            return self.plain(op, first)
        made = self.graphs.setdefault(op, {})
        if first not in made and len(made) < MOST_GRAPHS:
            made[first] = self.captured(op, first)
        if first in made:
            return made[first]
        self.turn += 1
        return list(made.values())[self.turn % len(made)]

    def captured(self, op, first):
        """Returns the replay of a call. As PyTorch's documentation asks, inputs and outputs stay where they are, and a side stream warms
        up; the autograd graph of a backward pass alone is made there too, because its work runs on the stream that made it."""
        self.side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side):
            call = self.plain(op, first)
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(self.side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.side):
            outcome = call()

        def replay():
            graph.replay()
            return outcome
        if hasattr(call, "leaf"):
            replay.leaf = call.leaf
        return replay

    def plain(self, op, first):
        if op not in self.functions:
            function, beside = self.composition(op)
            self.functions[op] = self.as_asked(function), beside
        function, beside = self.functions[op]
        n, rows = self.n, self.rows
        p, t = self.pred[first:first + n], self.target[first:first + n]
        others = [getattr(self, name)[first:first + n] for name in beside]
        if self.preallocated:
            return self.call_into(op, p, t, self.out[first:first + n])
        if op == "boxes":
            p, t = (x.view(rows, self.columns) for x in (p, t))
            others = [x[:rows].view(rows, 1) for x in others]
        if op == "DQN step":
            p, t = p.view(rows, self.columns), t[:rows].view(rows, 1)
            others = [x[:rows].view(rows, 1) for x in others]
        if op in ("forward none", "forward"):
            return lambda: function(p, t)
        if self.whole:
            def whole():
                whole.leaf.grad, loss = function(p, t, *others)
                return loss
            whole.leaf = Leaf()
            return whole
        leaf = p.detach().requires_grad_()  # the same memory
        if op == "backward":
            graph = function(leaf, t)

            def backward():
                leaf.grad = None
                graph.backward(retain_graph=True)
            backward.leaf = leaf
            return backward

        def both():
            leaf.grad = None
            loss = function(leaf, t, *others)
            loss.backward()
            return loss
        both.leaf = leaf
        return both

    def call_into(self, op, p, t, out):
        aten, beta = torch.ops.aten, self.beta
        forward, backward = aten.smooth_l1_loss.out, aten.smooth_l1_loss_backward.grad_input
        if self.kind == "huber":
            forward, backward = aten.huber_loss.out, aten.huber_loss_backward.out
        reduce, reduction = torch.mean if self.reduction == "mean" else torch.sum, REDUCTIONS[self.reduction]

        def terms():
            forward(p, t, 0, beta, out=out)

        def reduced():
            forward(p, t, 0, beta, out=self.room)
            reduce(self.room, dim=0, out=self.sum)
            return self.sum

        def gradient():
            backward(self.one, p, t, reduction, beta, grad_input=out)

        def both():
            reduced()
            gradient()
            return self.sum
        return {"forward none": terms, "forward": reduced, "backward": gradient, "forward+backward": both}[op]

    def keep(self, call, first, outcome):
        if hasattr(call, "leaf"):
            outcome = call.leaf.grad
        if not self.preallocated and outcome.dim() > 0:
            self.out[first:first + self.n].copy_(outcome.view(-1))

    def value(self, outcome):
        return outcome.item() if outcome is not None and outcome.dim() == 0 else None

    # Time.

    def wait(self):
        if self.where.type == "cuda":
            torch.cuda.synchronize()

    def timed(self, calls):
        if self.where.type != "cuda":
            return super().timed(calls)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()
        if hasattr(torch.cuda, "_sleep"):  # keep the device busy while calls are queued: 60 µs each at 2 GHz
            torch.cuda._sleep(120000 * len(calls))
        start.record()
        for call in calls:
            call()
        end.record()
        self.wait()
        return start.elapsed_time(end) * 1e6

    # Bits.

    def bits(self, directory, dtype, kind, beta, reduction, upstream=1.0):
        path = lambda name: os.path.join(directory, name)
        pred, target = (self.load(path(name), dtype).requires_grad_() for name in ("pred", "target"))
        self.forget()
        loss = self.as_asked(self.loss_of(kind, beta, reduction))(pred, target)
        if reduction == "none":
            loss.backward(self.load(path("upstream"), dtype))
        else:
            loss.backward(torch.tensor(upstream, dtype=loss.dtype, device=self.where))
        for name, x in ("loss", loss), ("grad_pred", pred.grad), ("grad_target", target.grad):
            x = x.detach().cpu().contiguous()
            with open(path(name), "wb") as f:
                f.write(ctypes.string_at(x.data_ptr(), x.numel() * x.element_size()))

    def load(self, path, dtype):
        with open(path, "rb") as f:
            text = f.read()
        x = torch.empty(len(text) // (8 if dtype == "float64" else 4), dtype=self.dtypes[dtype])
        ctypes.memmove(x.data_ptr(), text, len(text))
        return x.to(self.where)
