# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
SWIFT_FLAGS = -c release
PLUMB = .build/release/plumb
.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: dependencies
dependencies: ## install the C libraries that are missing (Debian, Ubuntu)
	@deploy/install-dependencies.sh

.PHONY: build
build: dependencies ## the release build
	swift build $(SWIFT_FLAGS)

.PHONY: demo
demo: build ## train the built-in digits with two worker processes, and show what happened inside
	$(PLUMB) train examples/digits.yaml

.PHONY: test
test: dependencies ## every test, optimised; what continuous integration runs
	swift test $(SWIFT_FLAGS) -Xswiftc -enable-testing --scratch-path .build-test

.PHONY: own-layer
own-layer: dependencies ## the example of a layer of your own, as a package outside this one: build, test, train
	cd examples/own-layer && swift build $(SWIFT_FLAGS) && .build/release/own-layer train givens.yaml
	cd examples/own-layer && swift test $(SWIFT_FLAGS) -Xswiftc -enable-testing --scratch-path .build-test

.PHONY: families-table
families-table: build ## measure a layer of every family, and put the table into docs/families.md
	$(PLUMB) bench layers --markdown > .build/families-table
	sed -i -e '/<!-- bench layers: begin -->/,/<!-- bench layers: end -->/{//!d}' \
		-e '/<!-- bench layers: begin -->/r .build/families-table' docs/families.md

.PHONY: spirals-table
spirals-table: build ## train every baseline and every family on spirals with three seeds, and write docs/spirals.md
	Benchmarks/spirals.py --plumb $(PLUMB)

.PHONY: soak
soak: build ## 100,000 simulated runs, each with its own schedule of faults
	$(PLUMB) simulate --faults --seeds 100000

.PHONY: named-faults
named-faults: dependencies ## a dozen mistakes made on purpose: the simulator must see each
	Tests/NamedFaults/run.sh

FUZZ_SECONDS = 600
.PHONY: fuzz
fuzz: dependencies ## every decoder under libFuzzer and the address sanitizer, FUZZ_SECONDS each
	Tests/Fuzz/run.sh $(FUZZ_SECONDS)

.PHONY: sanitize
sanitize: dependencies ## the cluster's and the transport's tests under the thread sanitizer
	TSAN_OPTIONS="suppressions=$(CURDIR)/Tests/tsan.supp exitcode=66" swift test $(SWIFT_FLAGS) -Xswiftc -enable-testing \
	  --sanitize thread --scratch-path .build-tsan --filter 'TransportTests|ClusterTests'

.PHONY: check
check: ## formatting, and what a machine can see without building
	swift format lint --strict --recursive Package.swift Sources Tests examples

.PHONY: format
format: ## put the sources into the house's format
	swift format --in-place --recursive Package.swift Sources Tests examples

.PHONY: clean
clean: ## remove what a build leaves
	rm -rf .build .build-test .build-faults .build-fuzz .build-tsan
