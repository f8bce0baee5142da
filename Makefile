# Bare "make" lists the targets.

GO ?= go

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ptx: ## compile kernels/smoothl1.cu to kernels/ptx, one file for each element type, and the benchmarks' ceilings (needs nvcc)
	scripts/ptx.sh kernels/ptx
	scripts/ptx-ceiling.sh internal/measure/ceiling/ceiling.ptx

ptx-check: ## compile the kernels again and fail if kernels/ptx differs (needs nvcc V11.8.89)
	scripts/ptx-check.sh

ptxas-check: ## check for spills on all architectures, explicit rounding, and 16-byte accesses in the loops (needs ptxas, cuobjdump); ARCHS="sm_75 sm_100" for a newer ptxas
	cd tools && $(GO) run ./ptxcheck $(ARCHS)

ptx-archs: ## the differential test of the kernels compiled for compute_70, 80 and 90, on the simulated device (needs nvcc)
	scripts/ptx-archs.sh

asm: ## generate the assembly
	cd tools && $(GO) run ./asmgen ..

asm-check: ## fail if the assembly differs from what its generator writes
	cd tools && $(GO) run ./asmgen -check ..

test: ## all tests that need no GPU
	$(GO) test ./...

test-long: long-table long-others ## the tests that take minutes, and the full form of those that are shortened without -long; -j2 for half the time
long-table:
	$(GO) test -count=1 -timeout 30m ./internal/testkit/difftest -run '^TestTable$$' -long
long-others:
	$(GO) test -count=1 -timeout 30m ./internal/testkit/difftest -run '^Test(Random|Large|Levels|ContractOfLargeArrays)$$' -long
	$(GO) test -count=1 ./sim -run '^Test(Contract|RandomControlFlow|ManyAllocations|LongTexts|StrictMemory)$$' -long
	$(GO) test -count=1 ./sim/internal/vectors -run '^Test(IEEE|Halves)$$' -long
	$(GO) test -count=1 ./internal/measure -run 'PyTorch$$' -long

test-cuda: LONG = -long
test-cuda: ## the CUDA side: on the GPU where there is one, and on a stand-in for libcuda (needs the CUDA headers); LONG= for less
	$(GO) test -tags cuda -count=1 . ./gpu ./internal/cuda ./internal/testkit/devicetest ./internal/testkit/fakedriver
	$(GO) test -tags cuda -count=1 -timeout 30m ./internal/testkit/difftest $(LONG)

race-cuda: ## the CUDA side under the race detector, on the stand-in (needs the CUDA headers)
	$(GO) test -tags cuda -race ./internal/cuda ./internal/testkit/devicetest ./internal/testkit/fakedriver

cuda-symbols-check: ## fail if the stand-ins for libcuda functions are not those that cu imports (needs the CUDA headers)
	scripts/cuda-symbols.sh --check

cuda13-check: ## build the CUDA side with a stand-in for the headers of CUDA 13 (needs the CUDA headers)
	scripts/cuda13-check.sh

# Long tests whose results are the same on every processor, which are left out where another one is tested.
same = ^Test(Ties|Geometries|Traffic.+|Targets|For)$$
# The packages that compute, or have code of their own for a processor.
processor = ./internal/testkit/difftest . ./cpu/... ./device ./gpu ./sim/... ./internal/isa ./internal/op ./internal/memory ./internal/npy ./examples/...

test-cpu-sets: ## the CPU code with each instruction set of this processor forced in turn
	scripts/cpu-sets.sh '$(same)'

test-v3: ## what depends on the processor, shortened, with the instructions of GOAMD64=v3, where Go may fuse multiply and add
	GOAMD64=v3 $(GO) test -short -skip '$(same)' $(processor)

test-arm64: ## what depends on the processor, shortened, on arm64 (needs qemu-aarch64 on other machines)
	CGO_ENABLED=0 GOARCH=arm64 $(GO) test -short -exec "$$(command -v qemu-aarch64 || command -v qemu-aarch64-static)" -skip '$(same)' $(processor)

# With the headers of CUDA 13, cu needs this one before them. With those of CUDA 11.8 and 12 it changes nothing.
test-cuda race-cuda cuda-symbols-check bundle bundle-check fallback-check bench-gpu: export CGO_CPPFLAGS += -I$(CURDIR)/internal/cuda/cuda13

# By default every process that a test starts sleeps for a second when it exits.
race: export GORACE = atexit_sleep_ms=0
race: export CGO_ENABLED = 1
# Left out: tests of drawing, which is one goroutine's work, and a long one whose goroutines are those of the simulated device, as in others.
race: left_out = ^Test(CeilingsOnAllGrids|Ranges|Plot.*|Curve.*)$$
race: ## the concurrent tests under the race detector (needs a C compiler)
	$(GO) test -race -short -skip '$(left_out)' ./cmd/... . ./cpu/... ./gpu ./sim/... ./internal/files ./internal/memory ./internal/npy ./internal/measure ./examples/...

lint: ## gofmt, go vet, staticcheck (needs Open MPI)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted" >&2; exit 1; }
	staticcheck=$$(cd tools && $(GO) tool -n staticcheck) && \
	for module in . bench tools gorgonia mpi beam; do (cd $$module && $(GO) vet ./... && $$staticcheck ./...) || exit 1; done

bench: ## GB/s of the CPU, and the share of a copy's speed in the same run
	$(GO) test -run '^$$' -bench '^Benchmark(Forward|Backward|Call)' -count 5 ./cpu ./gpu

bench-cpu-peers: ## the CPU, PyTorch and the speed of memory; up to an hour, or BUDGET=10m (needs Debian's python3-torch)
	cd bench && $(GO) run ./peers $(if $(BUDGET),-for $(BUDGET))

test-modules: ## the tests of the modules bench and tools
	cd bench && $(GO) test ./...
	cd tools && $(GO) test ./...

test-gorgonia: ## the tests of the module gorgonia
	cd gorgonia && $(GO) test ./...

gorgonia-cuda-check: ## the module gorgonia with -tags cuda, on the stand-in for libcuda and without cuDNN (needs the CUDA headers and cuBLAS)
	gorgonia/scripts/cuda-check.sh

test-mpi: ## the tests of the module mpi (needs Open MPI: libopenmpi-dev, openmpi-bin)
	cd mpi && $(GO) test ./...

test-beam: ## the tests of the module beam
	cd beam && $(GO) test ./...

tidy: ## go mod tidy in all modules
	scripts/tidy.sh

release-check: ## fail if the modules of the last commit cannot be fetched as their users will fetch them
	scripts/release-check.sh

report: ## generate docs/performance.md, its pictures and docs/hardware.md from the runs in bench/results
	cd bench && $(GO) run ./report

hardware: ## add a run of the bundle on a GPU to bench/results, docs/hardware.md and docs/performance.md: RESULTS=results.tar.gz, or the folder
	cd bench && $(GO) run ./report -add "$(abspath $(RESULTS))"

roofline: ## generate docs/roofline.md, bytes, instructions, registers and predicted times of each kernel, and their part of docs/performance.md (needs ptxas, cuobjdump)
	cd tools && $(GO) run ./roofline ../docs

roofline-check: ## fail if they are out of date (needs ptxas, cuobjdump)
	cd tools && $(GO) run ./roofline -check ../docs

instructions: ## generate docs/arm64.md, the instructions of the CPU code for an element on arm64 (needs qemu-aarch64)
	cd tools && $(GO) run ./instructions ../docs

bench-gpu: ## the GPU beside a copy, kernels that only move memory, and PyTorch if python3 has it with CUDA; many minutes (needs a GPU and the CUDA headers)
	scripts/bench-gpu.sh

verify: ## the long differential test: all fixed cases and four random ones for each, on the simulated device and on the CPU
	$(GO) run ./cmd/smoothl1 verify
	$(GO) run ./cmd/smoothl1 verify --device cpu
	$(GO) test -count=1 ./cpu -run TestAllSignificands -exhaustive
	$(GO) test -count=1 ./internal/testkit/difftest -run TestSignificands -long

mutants: ## change the kernels' PTX in 300 places, one at a time, and check that the differential test catches each; N, SEED
	cd tools && $(GO) run ./mutants -n $(or $(N),300) -seed $(or $(SEED),1)

soak: ## a million training steps on the CPU and on the simulated device, and fail if memory grows; STEPS for fewer
	cd tools && $(GO) run ./soak -device cpu -steps $(or $(STEPS),1000000)
	cd tools && $(GO) run ./soak -device sim -steps $(or $(STEPS),1000000)

dockerfile-lint: ## check Dockerfile.cuda with BuildKit's linter, and test the linter
	cd tools/dockerlint && $(GO) vet . && $(GO) test . && $(GO) run . ../../Dockerfile.cuda

fuzz: ## run each fuzz target for a minute; SECONDS=10 for less
	scripts/fuzz.sh $(or $(SECONDS),60)

bundle: ## pack dist/smoothl1-cuda-test.tar.gz: the tests and benchmarks for a GPU, on a machine without Go (needs the CUDA headers)
	scripts/bundle.sh

bundle-check: ## run the bundle to completion and interrupted, on a libcuda backed by the simulated device; three minutes
	scripts/bundle-check.sh

fallback-check: ## run one binary with libcuda but no GPU, and without libcuda; cross-builds (needs root and the CUDA toolkit)
	scripts/fallback-check.sh

check: ## everything that CI runs
	scripts/check.sh --tests
