// Package gorgonia computes the smooth L1, Huber and L1 loss of package smoothl1 for users of gorgonia.org/gorgonia and its tensors, on the
// CPU.
//
// SmoothL1 adds a node for the loss to a graph, which Gorgonia differentiates for its TapeMachine and LispMachine. A TapeMachine computes the
// loss and its gradients in one pass over memory, if the upstream gradient is 1, or what it was in the run before.
//
// Run, Forward, Backward and ForwardBackward compute on tensors without a graph, and without copying them, also if they are views of others.
//
// The results have the bits of package cpu, whose documentation has the formulas, those of PyTorch's SmoothL1Loss and HuberLoss. A loss is
// reduced in float64, in an order that depends on the number of elements alone.
//
// The nodes of a graph, and graphs, are not to be used by several goroutines at once, as in Gorgonia itself; different graphs, and clones of
// a graph, may be.
package gorgonia
