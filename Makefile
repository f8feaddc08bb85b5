# make            the binary for this machine, build/textback
# make deb        Debian packages for amd64 and arm64 in build/; they need nothing but Go, git, gzip and the module proxy
# make test       what needs no peer; .ci/run is all of it
# make clean

ARCHES     ?= amd64 arm64
MAINTAINER ?= The textback authors <maintainers@textback.example>
# The newest whose dependencies the module proxy of Go still has.
NFPM_VERSION = v2.45.2

# v1.2.3 is 1.2.3; three commits later it is 1.2.3+3.gabcdef0; before the first tag it is lower than any release.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/' | grep . || \
	echo "0~git$$(git rev-list --count HEAD).$$(git rev-parse --short=8 HEAD)")
# The same source makes the same package, byte for byte.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
export VERSION MAINTAINER SOURCE_DATE_EPOCH

GO      ?= go
# Earlier ones have known holes in their standard library (.ci/vuln/run). GOTOOLCHAIN=local takes the Go that is installed.
GOTOOLCHAIN ?= go1.26.11
export GOTOOLCHAIN
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"
# Folders of configs that a package shows as examples.
EXAMPLES = $(filter-out debian fail2ban testdata,$(notdir $(patsubst %/,%,$(wildcard configs/*/))))

.PHONY: all deb made test clean $(ARCHES)

all:
	$(BUILD) -o build/textback ./cmd/textback

test:
	$(GO) test ./...

deb: $(ARCHES)

# What is the same for all machines: manual pages and completion from the binary's own help, notices, changelog, documentation.
made: all
	rm -rf build/made build/doc
	install -d build/made build/doc/examples
	$(GO) run ./cmd/packaging -textback build/textback -version '$(VERSION)' -date $(SOURCE_DATE_EPOCH) \
		-maintainer '$(MAINTAINER)' -out build/made
	cd build/made && gzip -9n textback.1 textback.toml.5 changelog third-party-notices.txt
	cd docs && find . -type f -exec install -D -m 644 {} ../build/doc/{} \;
	sed -i -E 's#\]\(\.\./configs#](examples#' build/doc/*.md
	install -m 644 configs/reference.toml configs/minimal.toml build/doc/examples/
	cd configs && find $(EXAMPLES) -type f ! -name '*.go' -exec install -D -m 644 '{}' '../build/doc/examples/{}' ';'

# nfpm is compiled for this machine, and told of the other.
NFPM = build/nfpm-$(NFPM_VERSION)
$(NFPM):
	GOBIN=$(CURDIR)/build $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	mv build/nfpm $@

$(ARCHES): made $(NFPM)
	GOOS=linux GOARCH=$@ $(BUILD) -o build/$@/textback ./cmd/textback
	GOARCH=$@ $(NFPM) package --config configs/nfpm.yaml --packager deb --target build/

clean:
	rm -rf build
