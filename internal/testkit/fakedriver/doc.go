// Package fakedriver replaces the driver's libcuda.so.1 with a fake, so that package cuda can be tested without a GPU, together with cu,
// cgo and the dynamic loader as in a user's program. The fake is written in C (libcuda/) and works on host memory; it is stricter than a
// real driver and fails on demand. Package fakedriver is for tests only.
package fakedriver
