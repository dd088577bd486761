# SPDX-License-Identifier: GPL-2.0-or-later
#
# greygate: one Makefile, objects under $(BUILD). The targets that people and scripts rely on:
# all run demo check bench deps install deb fuzz lint clean. `make BUILD=dir` builds elsewhere.

BUILD  ?= build
PREFIX ?= /usr
CC     ?= gcc
CLANG  ?= clang
VERSION := $(shell sed -n 's/^\([0-9][0-9.]*\).*/\1/p;T;q' CHANGES 2>/dev/null)
# make V=1 shows the commands.
Q      := $(if $(V),,@)

ARCH   := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')

WARN   := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS ?= -O2 -g
HARDEN ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ALL_CFLAGS := -std=gnu11 $(WARN) $(CFLAGS) $(HARDEN) -D_GNU_SOURCE -DGREYGATE_VERSION='"$(VERSION)"' \
	-Iinclude -I$(BUILD)/bpf -I$(BUILD)/generated -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS ?= -pie -Wl,-z,relro,-z,now
LIBS   := -lxdp -lbpf -luring -llmdb -lconfuse -ljansson -lsodium -lssl -lcrypto -lcares -lidn2 -lpcre2-8 -lpthread

# What `make deps` installs; README says what each is for.
BUILD_DEPS := gcc make clang llvm bpftool libbpf-dev libxdp-dev liburing-dev liblmdb-dev \
	libconfuse-dev libjansson-dev libsodium-dev libc-ares-dev libidn2-dev libpcre2-dev libssl-dev \
	linux-libc-dev libc6-dev publicsuffix
TEST_DEPS  := libcmocka-dev libpsl-dev iproute2 procps util-linux postfix postgrey sqlgrey swaks nftables xdp-tools tcpdump \
	ethtool python3 mandoc openssl sudo haproxy
# What check-kernels and fuzz need besides.
KERNEL_DEPS := qemu-system-x86 busybox-static
FUZZ_DEPS   := libclang-rt-dev

# Mail servers that can't be installed beside Postfix: unpacked below $(BUILD).
TEST_PEERS := exim4-daemon-light opensmtpd

ROOMS   := core lists smtp proxy tls policy store fastpath loop dns relay control config replay
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELS   := $(BPF_SRC:bpf/%.bpf.c=$(BUILD)/bpf/%.skel.h)
MADE    := $(SKELS) $(BUILD)/generated/suffix_list.h
LIB_SRC := $(foreach r,$(ROOMS),$(wildcard userspace/$(r)/*.c)) $(filter-out userspace/main.c,$(wildcard userspace/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_SRC := $(wildcard tools/*.c)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)
UNIT    := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/unit/*/test_*.c))
BPFTEST := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/bpf/test_*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard selftests/bench/*.c))
BENCH_BPF := $(patsubst selftests/bench/%.bpf.c,$(BUILD)/selftests/bench/%.skel.h,$(wildcard selftests/bench/*.bpf.c))
BENCHES := $(filter-out %.bpf,$(BENCHES))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tests san deps run demo check check-system check-kernels bench install deb fuzz lint clean

all: $(BUILD)/greygated $(BUILD)/greygate

$(BUILD)/greygated: $(BUILD)/userspace/main.o $(BUILD)/libgreygate.a
	@echo '  LD   $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/greygate: $(CLI_OBJ) $(BUILD)/libgreygate.a
	@echo '  LD   $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libgreygate.a: $(LIB_OBJ)
	@echo '  AR   $@'
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c | $(MADE)
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# ---- the Public Suffix List ----

PSL ?= /usr/share/publicsuffix/public_suffix_list.dat

$(PSL):
	@echo '$@ is missing: install the package publicsuffix (make deps does)' >&2; exit 1

$(BUILD)/suffixes: tools/suffixes/suffixes.c userspace/policy/suffix.h
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< -lidn2

$(BUILD)/generated/suffix_list.h: $(BUILD)/suffixes $(PSL)
	@mkdir -p $(@D)
	@echo '  LIST $@'
	$(Q)$(BUILD)/suffixes $(PSL) > $@

# ---- kernel programs ----

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	@echo '  BPF  $<'
	$(Q)$(CLANG) -target bpf -O2 -g -mcpu=v3 -Wall -Wextra -Werror -D__TARGET_ARCH_$(ARCH) -Iinclude \
		-I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP -MT $@ -c -o $@ $<

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@echo '  SKEL $@'
	$(Q)PATH="$$PATH:/usr/sbin:/sbin" bpftool gen skeleton $< name $*_bpf > $@

$(BUILD)/selftests/bench/%.bpf.o: selftests/bench/%.bpf.c
	@mkdir -p $(@D)
	@echo '  BPF  $<'
	$(Q)$(CLANG) -target bpf -O2 -g -mcpu=v3 -Wall -Wextra -Werror -Iinclude -I. \
		-I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP -MT $@ -c -o $@ $<

$(BUILD)/selftests/bench/%.skel.h: $(BUILD)/selftests/bench/%.bpf.o
	@echo '  SKEL $@'
	$(Q)PATH="$$PATH:/usr/sbin:/sbin" bpftool gen skeleton $< name $*_bpf > $@

# ---- unit tests under AddressSanitizer and UndefinedBehaviorSanitizer ----

SAN       := $(BUILD)/san
SAN_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_OBJ   := $(LIB_SRC:%.c=$(SAN)/%.o)
SAN_UNIT  := $(UNIT:$(BUILD)/%=$(SAN)/%)
SAN_CC    := $(CC) $(filter-out $(CFLAGS) $(HARDEN),$(ALL_CFLAGS)) $(SAN_FLAGS)

$(SAN)/userspace/%.o: userspace/%.c | $(MADE)
	@mkdir -p $(@D)
	@echo '  SAN  $<'
	$(Q)$(SAN_CC) -c -o $@ $<

$(SAN)/libgreygate.a: $(SAN_OBJ)
	@echo '  AR   $@'
	$(Q)rm -f $@ && ar rcs $@ $^

$(SAN)/selftests/unit/%: selftests/unit/%.c $(SAN)/libgreygate.a
	@mkdir -p $(@D)
	@echo '  SAN  $<'
	$(Q)$(SAN_CC) -Iuserspace -I. -o $@ $< $(SAN)/libgreygate.a $(LIBS) -lcmocka

san: $(SAN_UNIT)

# What ours is compared with.
$(BUILD)/selftests/unit/policy/test_domain $(SAN)/selftests/unit/policy/test_domain: private LIBS += -lpsl

# ---- tests ----

tests: all $(UNIT) $(BPFTEST) $(BUILD)/selftests/greygated-next $(BUILD)/selftests/bpf/heir

# The daemon, and a start of its kernel half, of a version whose maps have another layout, by its number.
NEXT     := $(BUILD)/next
NEXT_OBJ := $(patsubst userspace/fastpath/%.c,$(NEXT)/%.o,$(wildcard userspace/fastpath/*.c))

$(NEXT)/include/greygate/types.h: include/greygate/types.h
	@mkdir -p $(@D)
	$(Q)sed 's/^#define GG_SCHEMA 1$$/#define GG_SCHEMA 2/' $< > $@ && grep -q 'GG_SCHEMA 2' $@

$(NEXT)/%.o: userspace/fastpath/%.c $(NEXT)/include/greygate/types.h | $(MADE)
	@echo '  NEXT $<'
	$(Q)$(CC) -I$(NEXT)/include $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/selftests/greygated-next: $(BUILD)/userspace/main.o $(NEXT_OBJ) $(BUILD)/libgreygate.a
	@mkdir -p $(@D)
	@echo '  LD   $@'
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/selftests/bpf/heir: selftests/bpf/heir.c $(NEXT_OBJ) $(BUILD)/libgreygate.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) -I$(NEXT)/include $(ALL_CFLAGS) -Iuserspace -I. $(LDFLAGS) -o $@ $< $(NEXT_OBJ) $(BUILD)/libgreygate.a \
		$(LIBS) -lcmocka

$(BUILD)/selftests/unit/%: selftests/unit/%.c $(BUILD)/libgreygate.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(ALL_CFLAGS) -Iuserspace -I. $(LDFLAGS) -o $@ $< $(BUILD)/libgreygate.a $(LIBS) -lcmocka

$(BUILD)/selftests/bpf/%: selftests/bpf/%.c $(BUILD)/libgreygate.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(ALL_CFLAGS) -Iuserspace -I. $(LDFLAGS) -o $@ $< $(BUILD)/libgreygate.a $(LIBS) -lcmocka

$(BUILD)/selftests/bench/%: selftests/bench/%.c $(BUILD)/libgreygate.a | $(BENCH_BPF)
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(ALL_CFLAGS) -I$(BUILD)/selftests/bench -Iuserspace -I. $(LDFLAGS) -o $@ $< $(BUILD)/libgreygate.a $(LIBS) -lm

deps:
	@selftests/deps $(BUILD_DEPS) $(TEST_DEPS)
	@selftests/peers $(BUILD)/peers $(TEST_PEERS)

# As many at once as there are CPUs, unless make was told how many.
JOBS = $(if $(findstring j,$(firstword -$(MAKEFLAGS))),,-j$(shell nproc))

check: deps
	$(MAKE) --no-print-directory $(JOBS) tests san
	@BUILD=$(BUILD) SANITIZED=yes selftests/run

# The BPF tests under Debian's stock kernel in an emulated machine: minutes, and not part of check.
check-kernels: deps
	@selftests/deps $(KERNEL_DEPS)
	$(MAKE) --no-print-directory tests
	@BUILD=$(BUILD) selftests/kernels

run: deps
	$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) tools/run.sh $(CONFIG)

demo: deps
	$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) selftests/demo.sh

bench: deps
	$(MAKE) --no-print-directory all $(BENCHES)
	@BUILD=$(BUILD) BENCH="$(BENCH)" selftests/bench/run.sh

# Programs, manual pages, unit, sample configuration; DESTDIR and PREFIX are honoured.
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/doc/greygate/examples \
		$(DESTDIR)/etc/greygate $(DESTDIR)/etc/fail2ban/filter.d
	install -m 755 $(BUILD)/greygated $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/greygate $(DESTDIR)$(PREFIX)/bin/
	install -m 644 tools/greygate.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 tools/greygate.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 tools/greygated.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 tools/systemd/greygated.service $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -m 644 README CHANGES tools/examples/*.conf $(DESTDIR)$(PREFIX)/share/doc/greygate/examples/
	install -m 644 tools/fail2ban/greygate.conf $(DESTDIR)/etc/fail2ban/filter.d/

# A binary package for this machine's release, from what install lays down.
deb: all
	@BUILD=$(BUILD) VERSION=$(VERSION) tools/deb.sh

FUZZERS := $(patsubst selftests/fuzz/%.c,%,$(wildcard selftests/fuzz/*.c))
FUZZ_SECONDS ?= 60

FUZZ_CC  := $(CLANG) -std=gnu11 -g -O1 -D_GNU_SOURCE -DGREYGATE_VERSION='"fuzz"' -Iinclude -Iuserspace -I. \
	-I$(BUILD)/bpf -I$(BUILD)/generated -MMD -MP
FUZZ_OBJ := $(LIB_SRC:%.c=$(BUILD)/fuzz/%.o)

$(BUILD)/fuzz/userspace/%.o: userspace/%.c | $(MADE)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -c -o $@ $<

$(BUILD)/fuzz/libgreygate.a: $(FUZZ_OBJ)
	@echo '  AR   $@'
	$(Q)rm -f $@ && ar rcs $@ $^

$(FUZZERS:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: selftests/fuzz/%.c $(BUILD)/fuzz/libgreygate.a
	@mkdir -p $(@D)
	@echo '  FUZZ $<'
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ $< $(BUILD)/fuzz/libgreygate.a $(LIBS)

# Each driver for FUZZ_SECONDS, from its corpus; what it finds is written to $(BUILD)/fuzz.
fuzz: deps
	@selftests/deps $(FUZZ_DEPS)
	$(MAKE) --no-print-directory $(JOBS) $(FUZZERS:%=$(BUILD)/fuzz/%)
	@set -e; for f in $(FUZZERS); do mkdir -p $(BUILD)/fuzz/corpus-$$f; \
		$(BUILD)/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
			-artifact_prefix=$(BUILD)/fuzz/ -dict=selftests/fuzz/$$f.dict \
			$(BUILD)/fuzz/corpus-$$f selftests/fuzz/corpus/$$f; done

lint:
	@selftests/lint

clean:
	rm -rf $(BUILD) run bench.json

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
