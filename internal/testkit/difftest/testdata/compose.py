"""Computes the cases of FOLDER/cases.json as a user of PyTorch composes them, from arrays that are files of raw elements there.

usage: compose.py FOLDER
"""
import json, os, sys
import torch
import torch.nn.functional as F

folder = sys.argv[1]


def load(case, name, dtype, rows, cols):
    path = os.path.join(folder, case["name"] + "." + name)
    if not os.path.exists(path):
        return None
    data = bytearray(open(path, "rb").read())
    return torch.frombuffer(data, dtype=dtype).reshape(rows, cols) if data else torch.zeros(rows, cols, dtype=dtype)


def compute(case):
    rows, cols = case["rows"], case["cols"]
    T = getattr(torch, case["dtype"])
    pred, target = load(case, "pred", T, rows, case["actions"] or cols), load(case, "target", T, rows, cols)
    weight, mask, index = load(case, "weight", T, rows, cols), load(case, "mask", torch.uint8, rows, cols), load(case, "index", torch.int32, rows, 1)
    upstream, direction = load(case, "upstream", T, rows, cols), load(case, "direction", T, rows, cols)
    pred.requires_grad_(), target.requires_grad_()
    p = pred if index is None else pred.gather(1, index.long())
    keep = torch.ones(rows, cols, dtype=torch.bool) if mask is None else mask != 0
    zero = torch.zeros((), dtype=T)
    p, t = torch.where(keep, p, zero), torch.where(keep, target, zero)
    if case["kind"] == "huber":
        terms = F.huber_loss(p, t, delta=case["beta"], reduction="none")
    elif case["beta"] == 0:  # the gradient of smooth_l1_loss with beta 0 is wrong in PyTorch 1.13 where pred equals target
        terms = F.l1_loss(p, t, reduction="none")
    else:
        terms = F.smooth_l1_loss(p, t, beta=case["beta"], reduction="none")
    if weight is not None:
        terms = terms * torch.where(keep, weight, zero)
    terms = torch.where(keep, terms, zero)
    over = dict(dim=1, keepdim=True) if case["by_row"] else {}
    divisor = case["divisor"]
    if case["reduction"] != "mean":
        divisor = 1.0
    elif divisor == "kept":
        divisor = keep.double().sum(**over)
    elif divisor == "weights":
        divisor = torch.where(keep, weight, zero).double().sum(**over)
    outputs = dict(terms=terms, value=terms.double().sum(**over) / divisor)
    norm = (1 / torch.as_tensor(divisor, dtype=torch.float64)).to(T)
    # The sum of the terms times their upstream gradients has the gradient of the loss times its upstream gradient, by row or as a whole.
    objective = (terms * (case["g"] if upstream is None else torch.where(keep, upstream, zero)) * norm).sum()
    grads = torch.autograd.grad(objective, (pred, target), create_graph=True)
    outputs["gradPred"], outputs["gradTarget"] = grads
    if direction is not None:
        v = torch.where(keep, direction, zero)
        along = v if index is None else torch.zeros_like(pred).scatter(1, index.long(), v)
        second = torch.autograd.grad(grads[0], pred, along, allow_unused=True)[0] if grads[0].requires_grad else None
        second = torch.zeros_like(pred) if second is None else second
        outputs["second"] = second if index is None else second.gather(1, index.long())
    for name, x in outputs.items():
        with open(os.path.join(folder, case["name"] + "." + name + ".out"), "wb") as f:
            f.write(x.detach().contiguous().numpy().tobytes())


for case in json.load(open(os.path.join(folder, "cases.json"))):
    compute(case)
