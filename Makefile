# socklab: `make help` lists everything. Each exercise is a target of its own name and keeps to the
# loopback interface unless ARGS says otherwise: make echo-client ARGS="127.0.0.1 65432 'Good day'"

CARGO ?= cargo
SOCKLAB ?= $(CARGO) run --quiet --release --

# The exercises and what they are called with. tests/repository.rs holds this list to the table in
# src/exercises.rs.
EXERCISES := echo-server echo-client udp-receiver udp-sender udp-echo-server udp-echo-client \
	pack unpack pack-server pack-client concurrent-server concurrent-client sensor-server \
	sensor-client traffic reliable-receive reliable-send stamp-server stamp-client topology message-server message-client chat-server \
	chat-client chat-room web-server web-client udp-ping-server udp-ping-client \
	heartbeat-server heartbeat-client ping trace mail-server mail-client

pack: ARGS ?= =iif 1 4 2.7
unpack: ARGS ?= =iif 0100000004000000cdcc2c40
traffic: ARGS ?= docs/captures/sensor-udp.pcap
reliable-receive: ARGS ?= 7002 -o target/received.pcap --force
reliable-send: ARGS ?= docs/captures/sensor-tcp.pcap 127.0.0.1 7002
stamp-server: ARGS ?= --bind 127.0.0.1
message-server: ARGS ?= 50000 --bind 127.0.0.1
message-client: ARGS ?= 127.0.0.1 50000
chat-server: ARGS ?= 2000 --bind 127.0.0.1
chat-client: ARGS ?= 127.0.0.1 2000
chat-room: ARGS ?= 2001 --bind 127.0.0.1
web-server: ARGS ?= --root docs/site --bind 127.0.0.1
web-client: ARGS ?= 127.0.0.1 6789 /HelloWorld.html
udp-ping-server: ARGS ?= --bind 127.0.0.1
ping: ARGS ?= 127.0.0.1 -c 4
trace: ARGS ?= 127.0.0.1
mail-client: ARGS ?= --server 127.0.0.1:2525 --from ada@example.org --to bob@example.org

.PHONY: help build test lint demo bench traffic-page clean $(EXERCISES)

help:
	@echo 'make EXERCISE [ARGS=…]   run one of these, on the loopback interface unless told:'
	@echo
	@echo '$(EXERCISES)' | fmt -w 90 | sed 's/^/    /'
	@echo
	@echo 'make build               the program: target/release/socklab'
	@echo 'make demo                every exercise once, client against server'
	@echo 'make test                all tests; what needs root or another program says so and is skipped'
	@echo 'make lint                rustfmt, clippy and rustdoc without a warning'
	@echo 'make traffic-page        capture, count and draw docs/traffic-analysis.md again (as root)'
	@echo 'make bench               measure beside other servers and write docs/performance.md (ROOM=echo: one section)'

$(EXERCISES):
	@$(SOCKLAB) $@ $(ARGS)

build:
	$(CARGO) build --release

test:
	$(CARGO) test --quiet --no-fail-fast

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --quiet --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --quiet --no-deps

# The release build, so that what is shown is what is used.
demo:
	@$(CARGO) build --quiet --release
	@$(CARGO) run --quiet --release --example demo

bench:
	@$(CARGO) build --quiet --release
	@python3 -B tests/bench/bench.py $(ROOM)

# The captures, figures and pictures of docs/traffic-analysis.md. As root, for tcpdump.
traffic-page:
	@$(CARGO) build --quiet --release
	@python3 -B tests/bench/traffic_page.py

clean:
	$(CARGO) clean
