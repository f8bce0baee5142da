// Package fakedriver puts a stand-in for libcuda.so.1 in the place of the driver, so that package cuda can be tested without
// a GPU: by way of cu, cgo and the dynamic loader, all as they are in a user's program. The stand-in is written in C
// (libcuda/) and works on host memory; it is stricter than a real driver and fails when told to. It is for tests only.
package fakedriver
