// SPDX-License-Identifier: GPL-2.0-or-later
#include "schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../dns/resolver.h"
#include "../smtp/smtp.h"

static const struct word modes[] = {
	{"relay", GG_MODE_RELAY, NULL},
	{"host", GG_MODE_HOST, NULL},
	{"gateway", GG_MODE_GATEWAY, NULL},
	{NULL, 0, NULL},
};
static const struct word xdp[] = {
	{"auto", FASTPATH_AUTO, NULL},
	{"native", FASTPATH_NATIVE, NULL},
	{"generic", FASTPATH_GENERIC, NULL},
	{"off", FASTPATH_OFF, NULL},
	{NULL, 0, NULL},
};
static const struct word down[] = {{"open", 1, NULL}, {"closed", 0, NULL}, {NULL, 0, NULL}};
static const struct word logs[] = {
	{"json", LOG_JSON, NULL}, {"text", LOG_TEXT, NULL}, {NULL, 0, NULL}};
static const struct word policies[] = {
	{"enforce", POLICY_ENFORCE, NULL},
	{"learn", POLICY_LEARN, NULL},
	{"off", POLICY_OFF, NULL},
	{NULL, 0, NULL},
};
static const struct word matches[] = {
	{"network", MATCH_NETWORK, NULL}, {"address", MATCH_ADDRESS, NULL}, {NULL, 0, NULL}};
static const struct word checks[] = {
	{"off", CHECK_OFF, NULL},
	{"evidence", CHECK_EVIDENCE, NULL},
	{"reject", CHECK_REJECT, NULL},
	{NULL, 0, NULL},
};
static const struct word backend_tls[] = {
	{"opportunistic", CONFIG_TLS_OPPORTUNISTIC, NULL},
	{"required", CONFIG_TLS_REQUIRED, NULL},
	{"verified", CONFIG_TLS_VERIFIED, NULL},
	{"none", CONFIG_TLS_NONE, NULL},
	{NULL, 0, NULL},
};
static const struct word proxy[] = {{"v2", 1, NULL}, {"no", 0, NULL}, {NULL, 0, NULL}};
static const struct word yes_no[] = {{"yes", 1, NULL}, {"no", 0, NULL}, {NULL, 0, NULL}};
static const struct word xclient[] = {{"auto", 1, NULL}, {"no", 0, NULL}, {NULL, 0, NULL}};
static const struct word verdicts[] = {{"allow", GG_ALLOW, NULL},
				       {"deny", GG_DENY, NULL},
				       {"except", CONFIG_EXCEPT, NULL},
				       {NULL, 0, NULL}};
static const struct word formats[] = {
	{"cidr", LIST_CIDR, NULL},
	{"plain", LIST_CIDR, NULL},
	{"spamd", LIST_SPAMD, NULL},
	{"spamhaus-drop", LIST_SPAMHAUS_DROP, NULL},
	{"postgrey-clients", LIST_POSTGREY_CLIENTS, NULL},
	{"postgrey-recipients", LIST_POSTGREY_RECIPIENTS, NULL},
	{"sqlgrey-clients-ip", LIST_SQLGREY_CLIENTS_IP, NULL},
	{"sqlgrey-clients-fqdn", LIST_SQLGREY_CLIENTS_FQDN, NULL},
	{"postscreen-cidr", LIST_POSTSCREEN_CIDR, NULL},
	{"access", LIST_ACCESS, NULL},
	{NULL, 0, NULL},
};
_Static_assert(sizeof(formats) / sizeof(formats[0]) == LIST_FORMAT_MAX + 2, "and plain, NULL");

#define AT(field) .offset = offsetof(struct config, field)
#define LIST(field, n) .offset = offsetof(struct config, field), .count = offsetof(struct config, n)
#define MS 1ull
#define SECOND 1000ull
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* clang-format off */
/* What may be different for a domain or a mailbox. */
#define GREYLIST_KEYS(SECTION, FIELD, MORE) \
{ SECTION, "mode", KIND_WORD, KEY_RELOAD | (MORE), FIELD(mode), .def = "enforce", .words = policies, \
  .manual = "enforce: greylist. learn: only note what would have waited. off: neither." }, \
{ SECTION, "match", KIND_WORD, KEY_RELOAD | (MORE), FIELD(match), .def = "network", .words = matches, \
  .manual = "network: a retry counts from the same network (/24 of IPv4, /64 of IPv6), from the same SPF domain, or from hosts of the same organisation. address: only from the same address." }, \
{ SECTION, "delay_clean", KIND_DURATION, KEY_RELOAD | KEY_SECONDS | (MORE), FIELD(delay_clean), .def = "60s", .max = DAY, \
  .manual = "Delay of a source that looks good." }, \
{ SECTION, "delay", KIND_DURATION, KEY_RELOAD | KEY_SECONDS | (MORE), FIELD(delay), .def = "300s", .max = DAY, \
  .manual = "Delay of a source nothing is known of." }, \
{ SECTION, "delay_suspicious", KIND_DURATION, KEY_RELOAD | KEY_SECONDS | (MORE), FIELD(delay_suspicious), .def = "900s", .max = DAY, \
  .manual = "Delay of a source that looks bad." }, \
{ SECTION, "jitter", KIND_NUMBER, KEY_RELOAD | (MORE), FIELD(jitter), .def = "20", .max = 50, \
  .manual = "Percent by which a delay is longer or shorter, fixed for each triplet by a secret." }, \
{ SECTION, "window", KIND_DURATION, KEY_RELOAD | KEY_SECONDS | (MORE), FIELD(window), .def = "24h", .min = SECOND, .max = 30 * DAY, \
  .manual = "A retry counts until this long after the first attempt." }, \
{ SECTION, "keep", KIND_DURATION, KEY_RELOAD | KEY_SECONDS | (MORE), FIELD(keep), .def = "36d", .min = SECOND, .max = 3650 * DAY, \
  .manual = "How long a passed triplet or a learned source is kept after its last use." }, \
{ SECTION, "promote_after", KIND_NUMBER, KEY_RELOAD | (MORE), FIELD(promote_after), .def = "2", .max = 65535, \
  .manual = "Distinct passed triplets after which a source is allowed as a whole. 0: never." }, \
{ SECTION, "promote_net_after", KIND_NUMBER, KEY_RELOAD | (MORE), FIELD(promote_net_after), .def = "4", .max = 65535, \
  .manual = "Learned sources of one network (/24 of IPv4, /64 of IPv6) after which the network is allowed as a whole. 0: never." }, \
{ SECTION, "hammer", KIND_NUMBER, KEY_RELOAD | (MORE), FIELD(hammer), .def = "10", .max = 65535, \
  .manual = "Attempts a minute on one triplet; each one more lowers its class and so makes it wait longer. 0: none does." },
#define AT_GREYLIST(field) AT(greylist.field)
#define AT_LEVEL(field) .offset = offsetof(struct config_level, greylist.field)

const struct schema_key schema[] = {
{ "", "hostname", KIND_HOSTNAME, KEY_RELOAD, AT(hostname), .example = "mx1.example.net",
  .manual = "Name in the banner and in EHLO. Default: the name of this machine." },
{ "", "mode", KIND_WORD, 0, AT(mode), .def = "relay", .words = modes,
  .manual = "relay: greygate is the mail exchanger and hands mail on. host: it guards a mail server on the same machine. gateway: one behind this machine, which keeps its address." },
{ "", "interfaces", KIND_INTERFACES, 0, LIST(interfaces, interface_count), .max = FASTPATH_INTERFACES, .example = "eth0",
  .manual = "Interfaces that get the XDP program. Empty: none; the daemon decides everything itself. In gateway mode the outer and the inner one, which get the tc program too. Only those with Ethernet headers: with ppp, WireGuard, tun or gre among them a start fails. In host mode the socket lookup guards what comes by such an interface though it is not named, without limits of new connections, tarpit and correspondents." },
{ "", "xdp", KIND_WORD, 0, AT(xdp), .def = "auto", .words = xdp,
  .manual = "How the XDP program is attached: auto tries native, then generic." },
{ "", "listen", KIND_ENDPOINTS, KEY_SAMPLE, LIST(listen, listen_count), .max = 16, .example = "127.0.0.1:2525",
  .manual = "Where the daemon listens. Not in gateway mode. In host mode not what the mail server owns, for example 127.0.0.1:2525 and [::1]:2525. In relay mode a wildcard such as 0.0.0.0:25 stands for every address of this machine, and those that come later; the kernel programs guard 16384 endpoints at least, and of more leave the later ones to the daemon alone, as status says." },
{ "", "protect", KIND_ENDPOINTS, KEY_RELOAD, LIST(protect, protect_count), .max = CONFIG_TARGETS, .example = "192.0.2.25:25",
  .manual = "host and gateway mode: the mail server's endpoints that are guarded; in gateway mode at most 16, which a reload does not change." },
{ "", "backend", KIND_ENDPOINTS, KEY_RELOAD | KEY_SAMPLE, LIST(backend, backend_count), .max = CONFIG_BACKENDS, .example = "127.0.0.1:10025",
  .manual = "The mail server that gets the mail; more than one are tried in order. In host mode it may be a protected endpoint of this machine, too: what comes from one of the addresses in protect to another is this machine's own, and left to the mail server; its mailers on other addresses are clients as others are (exempt). A reload that takes one out leaves it the transactions that are under way; the next one of an open session goes to another. Not in gateway mode: it is the one that the client asked for." },
{ "", "proxy_protocol_from", KIND_PREFIXES, KEY_RELOAD, LIST(balancers, balancer_count), .max = 256, .example = "10.1.0.0/24",
  .manual = "Load balancers: their connections begin with a PROXY header (version 1 or 2) that names the client; without a good one within 5 seconds they are closed without a word (counter proxy_refused). A header of version 2 may be as long as its length field can say; what it tells besides the client is skipped, a checksum has to be right. They are never judged themselves: a connection whose client is one of these addresses, the balancer's loopback or not told (UNKNOWN, LOCAL) is a health check or mail of that machine, and let through. So name the balancers alone, no network that has clients too. greygate deny refuses such an address; one that was denied before it came in here, or that a list denies, is not. Not in gateway mode." },
{ "", "state_dir", KIND_PATH, 0, AT(state_dir), .def = "/var/lib/greygate", .max = 4000,
  .manual = "Directory of the store. Never on a network file system." },
{ "", "control", KIND_PATH, 0, AT(control), .def = "/run/greygate/control.sock", .max = 107,
  .manual = "Unix socket of greygate(1)." },
{ "", "bpffs", KIND_PATH, 0, AT(bpffs), .def = "/sys/fs/bpf/greygate", .max = 4000,
  .manual = "Directory on a BPF file system where maps and links are pinned, under v1." },
{ "", "workers", KIND_NUMBER, 0, AT(workers), .def = "0", .max = 64,
  .manual = "Worker threads. 0: one per CPU." },
{ "", "user", KIND_TEXT, 0, AT(user), .def = "greygate", .min = 1, .max = 31,
  .manual = "Account the daemon changes to once it is set up." },
{ "", "contact", KIND_MAILBOX, KEY_RELOAD, AT(contact), .example = "postmaster@example.net",
  .manual = "Address named in every refusal. Default: postmaster at hostname." },
{ "", "when_down", KIND_FLAG, KEY_RELOAD, AT(open_when_down), .def = "open", .words = down,
  .manual = "host and gateway mode, when the daemon is gone: open leaves new connections to the mail server, closed refuses them; in gateway mode they get no answer." },
{ "", "reattach", KIND_FLAG, KEY_RELOAD, AT(reattach), .def = "yes", .words = yes_no,
  .manual = "Whether what somebody takes away of the kernel half (an XDP or tc program, the policy rules, an interface that is made anew) is put back while the daemon runs. no: that it is gone is only told. See greygated(8), KERNEL." },
{ "", "log", KIND_WORD, KEY_RELOAD, AT(log), .def = "json", .words = logs,
  .manual = "Form of the log lines." },
{ "", "drain_time", KIND_DURATION, KEY_RELOAD, AT(drain_time), .def = "30s", .max = HOUR,
  .manual = "How long open sessions may go on after SIGTERM, and those of the old process after an upgrade." },

{ "stutter", "first", KIND_DURATION, KEY_RELOAD, AT(stutter.first), .def = "10s", .max = 10 * MINUTE,
  .manual = "How long the banner is drawn out for a stranger. 0: not at all, see DELAYS for what that costs." },
{ "stutter", "interval", KIND_DURATION, KEY_RELOAD, AT(stutter.interval), .def = "1s", .min = 10 * MS, .max = MINUTE,
  .manual = "Time between two bytes while stuttering." },
{ "stutter", "deny_limit", KIND_DURATION, KEY_RELOAD, AT(stutter.deny_limit), .def = "400s", .max = HOUR,
  .manual = "How long a denied source with action stutter is held." },
{ "stutter", "max_sessions", KIND_NUMBER, KEY_RELOAD, AT(stutter.max_sessions), .def = "100000", .max = 10000000,
  .manual = "Sessions stuttered at once; more than that are answered without delay." },

GREYLIST_KEYS("greylist", AT_GREYLIST, 0)
{ "greylist", "demote_refused", KIND_NUMBER, KEY_RELOAD, AT(greylist.demote_refused), .def = "50", .max = 100,
  .manual = "Percent of a learned source's recipients and messages refused by the mail server with 5xx at which it loses its place. 0: never." },
{ "greylist", "demote_after", KIND_NUMBER, KEY_RELOAD, AT(greylist.demote_after), .def = "10", .min = 1, .max = 200,
  .manual = "Recipients and messages, refused or taken, before demote_refused counts." },
{ "greylist", "sample", KIND_NUMBER, KEY_RELOAD, AT(greylist.sample), .def = "64", .max = 1000000,
  .manual = "host and gateway mode: one in N new connections of a learned source goes through the daemon, without delay, so that one gone bad is noticed. Which one, a keyed hash of address, ports and the minute says. 0: none; 1: all." },
{ "greylist", "records", KIND_NUMBER, 0, AT(greylist.records), .def = "1m", .min = 1000, .max = 1000000000,
  .manual = "Records held in memory, 32 bytes each and 3 to find them by their source; the oldest grey one makes room." },
{ "greylist", "exempt", KIND_PREFIXES, KEY_RELOAD, LIST(greylist.exempt, greylist.exempt_count), .max = 4096, .example = "10.0.0.0/8",
  .manual = "Sources that are never greylisted. What an operator says of the very prefix (greygate allow, deny) wins while it lasts, over reloads and restarts too; after that it is exempt again." },

{ "trap", "addresses", KIND_TRAPS, KEY_RELOAD, LIST(trap.addresses, trap.address_count), .max = 65536, .example = "old@example.net",
  .manual = "Greytrap addresses, user@domain or @domain for all of a domain; patterns of them. Who sends to one is denied. See TRAPS." },
{ "trap", "hosted", KIND_DOMAINS, KEY_RELOAD, LIST(trap.hosted, trap.hosted_count), .max = 65536, .example = "example.net",
  .manual = "Domains that mail is taken for here, and *.example.net for all below one. Who sends to another is denied: it looks for an open relay. Empty: nobody is." },
{ "trap", "low_priority_mx", KIND_ADDRESSES, KEY_RELOAD, LIST(trap.low_priority_mx, trap.low_count), .max = 16, .example = "192.0.2.26",
  .manual = "Addresses of this gateway that only the last MX record names. Who sends mail there without having tried another address of it first is denied." },
{ "trap", "low_priority_pause", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(trap.low_pause), .def = "10m", .max = 30 * DAY,
  .manual = "How long low_priority_mx is no trap after a start of the daemon, or after clients could not be served: mail server not reached, limits exceeded." },
{ "trap", "harvest", KIND_NUMBER, KEY_RELOAD, AT(trap.harvest), .def = "5", .max = 6000,
  .manual = "Recipients in a row that the mail server refuses as unknown that deny a source. Each message delivered adds as many, up to ten times. 0: never." },
{ "trap", "sources", KIND_NUMBER, 0, AT(trap.sources), .def = "100k", .min = 1000, .max = 100000000,
  .manual = "Sources whose conduct is remembered for traps and demotion, 32 bytes each and 3 to find them; the one longest unheard of makes room." },
{ "trap", "life", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(trap.life), .def = "24h", .min = SECOND, .max = 365 * DAY,
  .manual = "How long the first hit denies a source; each further one doubles it and starts the clock again." },
{ "trap", "max", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(trap.max), .def = "30d", .min = SECOND, .max = 3650 * DAY,
  .manual = "Longest denial by traps." },
{ "trap", "action", KIND_WORD, KEY_RELOAD, AT(trap.action), .def = "stutter", .words = value_actions,
  .manual = "What happens to a trapped source." },

{ "correspondent", "observe", KIND_FLAG, 0, AT(correspondent.observe), .def = "yes", .words = yes_no,
  .manual = "host and gateway mode: the hosts that the protected machine opens connections to on port 25 are correspondents once they have answered. In host mode XDP sees it, on interfaces; in gateway mode a tc program on their way out." },
{ "correspondent", "life", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(correspondent.life), .def = "36d", .min = SECOND, .max = 3650 * DAY,
  .manual = "How long somebody our users wrote to is let through at once; each use begins it anew." },
{ "correspondent", "domains", KIND_NUMBER, 0, AT(correspondent.domains), .def = "100k", .min = 1000, .max = 100000000,
  .manual = "Domains of correspondents held in memory, 32 bytes each; more than that are refused. Their hosts count towards limit.hosts." },

{ "limit", "sessions", KIND_NUMBER, 0, AT(limit.sessions), .def = "200000", .min = 16, .max = 10000000,
  .manual = "Sessions open at once; the next one gets 421." },
{ "limit", "per_source", KIND_NUMBER, KEY_RELOAD, AT(limit.per_source), .def = "50", .min = 1, .max = 10000000,
  .manual = "Sessions of one address open at once." },
{ "limit", "new_per_source", KIND_NUMBER, KEY_RELOAD, AT(limit.new_per_source), .def = "20", .max = 1000000,
  .manual = "New connections a second from one source, an IPv4 address or an IPv6 /64, that XDP lets through; twice as many at once after a quiet time. Allowed sources are exempt; whom only a list of names or of DNS allows is not. 0: unlimited." },
{ "limit", "new_per_cpu", KIND_NUMBER, KEY_RELOAD, AT(limit.new_per_cpu), .def = "20k", .max = 100000000,
  .manual = "New connections a second from all sources that aren't allowed, that XDP lets through on each CPU, evenly: after a quiet time one and an eighth of them at once. It is exact up to 1m, and within 5 % beyond; asked before new_per_source. 0: unlimited." },
{ "limit", "offender_life", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(limit.offender_life), .def = "10m", .max = 30 * DAY,
  .manual = "How long a source is denied that stays over new_per_source for ten seconds, without two seconds within it; new connections of it are dropped meanwhile, so that they come again. Those that are open go on, and no mail of theirs is refused for it. 0: not at all." },
{ "limit", "recipients", KIND_NUMBER, 0, AT(limit.recipients), .def = "100", .min = 1, .max = 10000,
  .manual = "Recipients of one message, those included that were refused or deferred." },
{ "limit", "line", KIND_NUMBER, 0, AT(limit.line), .def = "2048", .min = 512, .max = 8192,
  .manual = "Bytes of one command line, CRLF included." },
{ "limit", "commands", KIND_NUMBER, KEY_RELOAD, AT(limit.commands), .def = "100", .min = 10, .max = 1000000,
  .manual = "Commands of one session since it began or since the last message that was accepted. Recipients within recipients and chunks of 512 bytes or more are not counted." },
{ "limit", "errors", KIND_NUMBER, KEY_RELOAD, AT(limit.errors), .def = "10", .min = 1, .max = 1000,
  .manual = "Errors of one session: commands answered with a 5xx of our own, not with the mail server's. What follows is said by check errors." },
{ "limit", "message", KIND_SIZE, KEY_RELOAD, AT(limit.message), .def = "50m", .min = 64 * KIB, .max = 16 * GIB,
  .manual = "Bytes of one message; announced as SIZE." },
{ "limit", "state_time", KIND_DURATION, KEY_RELOAD, AT(limit.state_time), .def = "300s", .min = SECOND, .max = HOUR,
  .manual = "Longest wait for the client's next line; in a message, for the next line or 1000 bytes." },
{ "limit", "session_time", KIND_DURATION, KEY_RELOAD, AT(limit.session_time), .def = "900s", .min = 10 * SECOND, .max = DAY,
  .manual = "Longest session, without the time that the mail server takes for messages." },
{ "limit", "unconfirmed", KIND_NUMBER, 0, AT(limit.unconfirmed), .def = "100k", .max = 16000000,
  .manual = "Messages remembered for a day because the client may not have heard that they were taken, 40 bytes each; the same one again is answered 250 and not delivered twice. The longest remembered makes room. 0: none." },
{ "limit", "hosts", KIND_NUMBER, 0, AT(limit.hosts), .def = "1m", .min = 1000, .max = 16000000,
  .manual = "Addresses in each of the kernel's maps host4 and host6. When they are full, an operator's entries take the place of those that the daemon has made itself and that expire first; what is learned then is in memory alone, until there is room." },
{ "limit", "nets", KIND_NUMBER, 0, AT(limit.nets), .def = "100k", .min = 100, .max = 16000000,
  .manual = "Prefixes of the daemon's own, an operator's, learned ones and those of IPv6 traps, of each family. When they are full: as hosts." },
{ "limit", "imports", KIND_NUMBER, 0, AT(limit.imports), .def = "4m", .min = 1000, .max = 64000000,
  .manual = "Prefixes of all lists together, of each family." },
{ "limit", "store", KIND_SIZE, 0, AT(limit.store), .def = "4g", .min = 16 * MIB, .max = 1024 * GIB,
  .manual = "Size the store may grow to on disk." },

{ "relief", "shorten", KIND_NUMBER, KEY_RELOAD, AT(relief.steps.enter[RELIEF_SHORTER]), .def = "60", .min = 1, .max = 100,
  .manual = "Percent of limit sessions open, from which on strangers are stuttered for a shorter time." },
{ "relief", "first", KIND_DURATION, KEY_RELOAD, AT(relief.first), .def = "2s", .max = 10 * MINUTE,
  .manual = "How long the banner is drawn out for a stranger then, in place of a longer stutter first. 0: not at all." },
{ "relief", "unstutter", KIND_NUMBER, KEY_RELOAD, AT(relief.steps.enter[RELIEF_UNSTUTTERED]), .def = "75", .min = 1, .max = 100,
  .manual = "Percent from which on denied sources are told so without being stuttered; those that are held are let go." },
{ "relief", "refuse", KIND_NUMBER, KEY_RELOAD, AT(relief.steps.enter[RELIEF_REFUSE]), .def = "90", .min = 1, .max = 100,
  .manual = "Percent from which on new sessions get 421, but for those of allowed sources." },
{ "relief", "leave", KIND_NUMBER, KEY_RELOAD, AT(relief.steps.leave), .def = "10", .max = 99,
  .manual = "So many percent below its own each of these steps is left again." },

{ "check", "early_talk", KIND_WORD, KEY_RELOAD, AT(check.early_talk), .def = "evidence", .words = checks,
  .manual = "Clients that speak before a stuttered banner is complete." },
{ "check", "pipelining", KIND_WORD, KEY_RELOAD, AT(check.pipelining), .def = "evidence", .words = checks,
  .manual = "Commands sent along with HELO or EHLO, whose answer says whether that is allowed." },
{ "check", "helo_syntax", KIND_WORD, KEY_RELOAD, AT(check.helo_syntax), .def = "reject", .words = checks,
  .manual = "HELO or EHLO with neither a domain nor an address literal. reject answers it with 501." },
{ "check", "helo_name", KIND_WORD, KEY_RELOAD, AT(check.helo_name), .def = "evidence", .words = checks,
  .manual = "A name that is not fully qualified, or an address without brackets." },
{ "check", "helo_literal", KIND_WORD, KEY_RELOAD, AT(check.helo_literal), .def = "evidence", .words = checks,
  .manual = "An address literal that is not the client's address." },
{ "check", "helo_ours", KIND_WORD, KEY_RELOAD, AT(check.helo_ours), .def = "evidence", .words = checks,
  .manual = "Our own hostname in HELO or EHLO." },
{ "check", "non_smtp", KIND_WORD, KEY_RELOAD, AT(check.non_smtp), .def = "reject", .words = checks,
  .manual = "Commands of HTTP, header lines, the greetings of TLS and SSH. reject answers with 550 and closes the connection." },
{ "check", "errors", KIND_WORD, KEY_RELOAD, AT(check.errors), .def = "reject", .words = checks,
  .manual = "As many errors in one session as limit errors has. reject answers the last one with 421 too and closes the connection. With off and evidence the session goes on until limit commands or limit session_time ends it." },
{ "check", "paths", KIND_WORD, KEY_RELOAD, AT(check.paths), .def = "evidence", .words = checks,
  .manual = "Addresses in MAIL and RCPT that RFC 5321 does not allow. With off and evidence those are taken, and handed on as they are, that have no other fault than dots at the ends of the local part or in a row, or underscores in the domain: the mail server decides. reject answers them with 501 as well. All others get 501 in any case." },

{ "tls", "certificate", KIND_PATHS, KEY_RELOAD, LIST(tls.certificates, tls.certificate_count), .max = 64, .example = "/etc/greygate/tls.pem",
  .manual = "PEM file with the certificate and its chain; of more than one, the client gets one that is for the name it asks for." },
{ "tls", "key", KIND_PATHS, KEY_RELOAD, LIST(tls.keys, tls.key_count), .max = 64, .example = "/etc/greygate/tls.key",
  .manual = "PEM file with the key of the certificate, without a password; as many, in the same order. A reload reads it as user." },
{ "tls", "sessions", KIND_NUMBER, 0, AT(tls.sessions), .def = "10000", .min = 1, .max = 1000000,
  .manual = "TLS sessions with clients open at once, about 16 kilobytes each; more than that are told to go on without." },
{ "tls", "reserve", KIND_NUMBER, KEY_RELOAD, AT(tls.reserve), .def = "20", .max = 90,
  .manual = "Percent of sessions, rounded down, that are kept for sources that are allowed: a stranger is told to go on without while no more than those are free. 0: none." },
{ "tls", "backend", KIND_WORD, KEY_RELOAD, AT(tls.backend), .def = "opportunistic", .words = backend_tls,
  .manual = "TLS to the mail server. opportunistic: where it offers STARTTLS, in the clear where the handshake fails or the mail server hangs up or says nothing in it. required: or no mail is handed on, whatever its certificate. verified: required, with a certificate that is valid, comes from backend_ca and is for backend_name. none: never." },
{ "tls", "backend_ca", KIND_PATH, KEY_RELOAD, AT(tls.backend_ca), .max = 4000, .example = "/etc/ssl/certs/ca-certificates.crt",
  .manual = "backend = verified: PEM file with the certificates of those who may issue the mail server's, or a self-signed one itself. A reload reads it as user." },
{ "tls", "backend_name", KIND_HOSTNAMES, KEY_RELOAD, LIST(tls.backend_names, tls.backend_name_count), .max = CONFIG_BACKENDS, .example = "mail.example.net",
  .manual = "backend = verified: a name that the mail server's certificate must hold; of more than one, any. The first one is asked for (SNI). None: its certificate must hold the address in backend or protect." },

{ "upstream", "xclient", KIND_FLAG, KEY_RELOAD, AT(upstream.xclient), .def = "auto", .words = xclient,
  .manual = "auto: tell the mail server the client's address and names, and ours that it came to, with XCLIENT when it offers that. Not in gateway mode, where it sees the address itself." },
{ "upstream", "proxy", KIND_FLAG, KEY_RELOAD, AT(upstream.proxy), .def = "no", .words = proxy,
  .manual = "v2: begin every connection to the mail server with a PROXY header of version 2 that names the client and our address, and greet in the client's name; XCLIENT is not spoken then. The mail server must expect it. Not in gateway mode." },
{ "upstream", "timeout", KIND_DURATION, KEY_RELOAD, AT(upstream.timeout), .def = "30s", .min = SECOND, .max = 10 * MINUTE,
  .manual = "Longest wait for the mail server: for its greeting and each reply. Four times as long for the reply to DATA, six times without a byte of a message taken or for the reply to a chunk, twenty times for the reply to a whole message, counted from the last byte that it took." },
{ "upstream", "idle", KIND_DURATION, KEY_RELOAD, AT(upstream.idle), .def = "0", .max = MINUTE,
  .manual = "How long a connection to the mail server is kept for the next message when nobody needs it, half of connections at most. 0: not at all. Only where the mail server is not told who the client is: not with PROXY or XCLIENT, not in gateway mode." },
{ "upstream", "connections", KIND_NUMBER, 0, AT(upstream.connections), .def = "500", .min = 1, .max = 1000000,
  .manual = "Connections to the mail server open at once. It should take as many from one client, and those of verify_probes." },
{ "upstream", "reserve", KIND_NUMBER, KEY_RELOAD, AT(upstream.reserve), .def = "20", .max = 90,
  .manual = "Percent of connections, rounded down, that are kept for sources that are allowed: a stranger who is let through is told 451 and comes again while no more than those are free (counter limit_reserve). 0: none." },
{ "upstream", "per_source", KIND_NUMBER, KEY_RELOAD, AT(upstream.per_source), .def = "30", .min = 1, .max = 1000000,
  .manual = "Connections to the mail server that sessions of one source, an IPv4 address or an IPv6 /64, may hold at once while it is not allowed; one more is told 451 (counter limit_held)." },

{ "upstream", "verify_recipients", KIND_FLAG, KEY_RELOAD, AT(upstream.verify_recipients), .def = "yes", .words = yes_no,
  .manual = "yes: ask the mail server whether it knows a recipient before strangers are greylisted for it, and refuse with its words whom it does not know. no: only for strangers with the null sender." },
{ "upstream", "verify_probes", KIND_NUMBER, KEY_RELOAD, AT(upstream.verify_probes), .def = "4", .min = 1, .max = 64,
  .manual = "Connections to the mail server for such questions at once, beside those of connections; one question at a time on each." },
{ "upstream", "verify_waiting", KIND_NUMBER, KEY_RELOAD, AT(upstream.verify_waiting), .def = "500", .min = 0, .max = CONFIG_WAITING,
  .manual = "Clients that wait at once for such an answer, as strangers with the null sender do, for timeout at most; one more is greylisted at RCPT without (counter limit_waiting)." },
{ "upstream", "verify_cache", KIND_NUMBER, 0, AT(upstream.verify_cache), .def = "100k", .min = 1000, .max = 100000000,
  .manual = "Recipients and domains whose answer is kept in memory, about 64 bytes each; those that end soonest make room." },
{ "upstream", "verify_keep", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(upstream.verify_keep), .def = "24h", .min = SECOND, .max = 30 * DAY,
  .manual = "How long a recipient counts as known to the mail server." },
{ "upstream", "verify_keep_unknown", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(upstream.verify_keep_unknown), .def = "2h", .min = SECOND, .max = DAY,
  .manual = "How long a recipient counts as unknown to it, and is refused. A reload forgets all answers." },
{ "upstream", "verify_keep_domain", KIND_DURATION, KEY_RELOAD | KEY_SECONDS, AT(upstream.verify_keep_domain), .def = "6h", .min = SECOND, .max = 30 * DAY,
  .manual = "How long it counts as known whether the mail server takes any recipient in a domain; where it does, none is asked about." },

{ "dns", "servers", KIND_SERVERS, 0, LIST(dns.servers, dns.server_count), .max = RESOLVER_SERVERS, .example = "127.0.0.1",
  .manual = "Name servers that are asked what is known of a source. Empty: those of /etc/resolv.conf." },
{ "dns", "timeout", KIND_DURATION, 0, AT(dns.timeout), .def = "5s", .min = 300 * MS, .max = MINUTE,
  .manual = "Longest wait for an answer; what comes later is not known." },
{ "dns", "cache", KIND_NUMBER, 0, AT(dns.cache), .def = "100000", .min = 1000, .max = 100000000,
  .manual = "Answers kept in memory, about 256 bytes each; the oldest one makes room." },
};

static int title_zone(const char *text, char ret[SCHEMA_TITLE])
{
	if (!smtp_domain_ok(text, strlen(text)))
		return -EINVAL;
	snprintf(ret, SCHEMA_TITLE, "%s", text);
	return 0;
}

#define ELEMENT(field) .offset = offsetof(struct config_dnslist, field)

static const struct schema_key dnslist_keys[] = {
{ "dnslist", "weight", KIND_WEIGHT, KEY_RELOAD, ELEMENT(weight), .def = "1", .max = 100,
  .manual = "What a listed source counts. Positive: the list names bad sources. Negative: it names good ones." },
{ "dnslist", "replies", KIND_REPLIES, KEY_RELOAD, ELEMENT(replies), .def = "127.*.*.*",
  .manual = "Replies that mean listed; each part is a number, a range or an asterisk. Never counted: 127.0.0.1, and with 127.0.0.255, 127.255.255.* or anything outside 127 the whole answer, which then says that the list does not serve us." },
};

#define OF_LIST(field) .offset = offsetof(struct config_list, field)

static const struct schema_key list_keys[] = {
{ "list", "file", KIND_PATH, KEY_RELOAD, OF_LIST(file), .max = 4000, .example = "/etc/postgrey/whitelist_clients",
  .manual = "The file, read as user. One that can't be read, or isn't of its format, leaves what was read before in force." },
{ "list", "format", KIND_WORD, KEY_RELOAD, OF_LIST(format), .def = "cidr", .words = formats,
  .manual = "What its lines are, see LISTS." },
{ "list", "verdict", KIND_WORD, KEY_RELOAD, OF_LIST(verdict), .words = verdicts, .example = "allow",
  .manual = "What becomes of those it names: allow lets them through at once, deny refuses them, except takes them out of the list that stands before this one. Has to be said of the formats cidr, plain and spamd; lists of postgrey and sqlgrey allow, spamhaus-drop denies and is never for allow; entries of postscreen-cidr and access say for themselves." },
{ "list", "action", KIND_WORD, KEY_RELOAD, OF_LIST(action), .def = "reject", .words = value_actions,
  .manual = "How denied addresses are treated. Denied names are rejected." },
{ "list", "message", KIND_SENTENCE, KEY_RELOAD, OF_LIST(message), .min = 1, .max = LIST_MESSAGE, .example = "see https://www.example.org/list",
  .manual = "Words of the refusal, for entries without words of their own." },
};
static const struct schema_key domain_keys[] = { GREYLIST_KEYS("domain", AT_LEVEL, KEY_LEVEL) };
static const struct schema_key mailbox_keys[] = { GREYLIST_KEYS("mailbox", AT_LEVEL, KEY_LEVEL) };

#define KEYS(keys) keys, sizeof(keys) / sizeof((keys)[0])

const struct schema_list schema_lists[] = {
{ "dnslist", LIST(dnslists, dnslist_count), sizeof(struct config_dnslist), CONFIG_DNSLISTS,
  KEYS(dnslist_keys), title_zone, "a domain", "a name", "zen.example.org" },
{ "list", LIST(lists, list_count), sizeof(struct config_list), CONFIG_LISTS,
  KEYS(list_keys), list_title, "a name of a list", "up to 31 letters, digits, dots, dashes and underscores, but not . or ..,", "senders" },
{ "domain", LIST(domains, domain_count), sizeof(struct config_level), CONFIG_LEVELS,
  KEYS(domain_keys), level_domain, "a domain", "a name, or with a dot before it all names below it,", "example.net" },
{ "mailbox", LIST(mailboxes, mailbox_count), sizeof(struct config_level), CONFIG_LEVELS,
  KEYS(mailbox_keys), level_mailbox, "a mail address", "an address", "ceo@example.net" },
};
/* clang-format on */

enum gg_verdict config_verdict(const char *text)
{
	for (const struct word *w = verdicts; w->text; w++)
		if (!strcmp(w->text, text))
			return (enum gg_verdict)w->value;
	return GG_UNKNOWN;
}

const char *config_mode_text(enum gg_mode m)
{
	return word_text(modes, m);
}

const int schema_lists_count = sizeof(schema_lists) / sizeof(schema_lists[0]);
_Static_assert(sizeof(schema_lists) / sizeof(schema_lists[0]) <= SCHEMA_LISTS, "SCHEMA_LISTS");
_Static_assert(sizeof(dnslist_keys) / sizeof(dnslist_keys[0]) <= SCHEMA_ELEMENT_KEYS,
	       "SCHEMA_ELEMENT_KEYS");
_Static_assert(sizeof(list_keys) / sizeof(list_keys[0]) <= SCHEMA_ELEMENT_KEYS,
	       "SCHEMA_ELEMENT_KEYS");
_Static_assert(sizeof(domain_keys) / sizeof(domain_keys[0]) == CONFIG_LEVEL_KEYS &&
		       CONFIG_LEVEL_KEYS <= SCHEMA_ELEMENT_KEYS,
	       "CONFIG_LEVEL_KEYS");

const int schema_count = sizeof(schema) / sizeof(schema[0]);
_Static_assert(sizeof(schema) / sizeof(schema[0]) <= SCHEMA_MAX, "SCHEMA_MAX");

int schema_find(const char *section, const char *name)
{
	for (int i = 0; i < schema_count; i++) {
		if (!strcmp(schema[i].section, section) && !strcmp(schema[i].name, name))
			return i;
	}
	return -1;
}

/* Rows of a section stand together, so a section begins where the name changes. */
const char *schema_section(int n)
{
	const char *last = "";

	for (int i = 0; i < schema_count; i++) {
		if (strcmp(schema[i].section, last) != 0 && n-- == 0)
			return schema[i].section;
		last = schema[i].section;
	}
	return NULL;
}

const char *schema_name(const struct schema_key *k, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", k->section, *k->section ? "." : "", k->name);
	return buf;
}

/* The i-th candidate of schema_near and schema_known. */
static const char *candidate(const char *section, int i)
{
	const struct schema_list *l = section ? schema_list_find(section) : NULL;

	if (!section) {
		for (int n = 0; schema_section(n); n++) {
			if (n == i)
				return schema_section(n);
		}
		for (int n = 0; schema_section(n); n++)
			i--;
		return i < schema_lists_count ? schema_lists[i].section : NULL;
	}
	if (l)
		return i < l->key_count ? l->keys[i].name : NULL;
	for (int k = 0; k < schema_count; k++) {
		if (!strcmp(schema[k].section, section) && i-- == 0)
			return schema[k].name;
	}
	return NULL;
}

/* Levenshtein distance of two short words. */
static int distance(const char *a, const char *b)
{
	int row[40], n = (int)strlen(b);

	if (n >= 40)
		return 40;
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = up;
		}
	}
	return row[n];
}

const char *schema_near(const char *section, const char *name)
{
	const char *near = NULL, *known;
	int best = 3;

	for (int i = 0; (known = candidate(section, i)); i++) {
		int d = distance(name, known);

		if (d < best && 2 * d <= (int)strlen(known)) {
			best = d;
			near = known;
		}
	}
	return near;
}

const char *schema_known(const char *section, char *buf, size_t size)
{
	const char *known;
	size_t len = 0;

	*buf = 0;
	for (int i = 0; (known = candidate(section, i)) && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", known);
	return buf;
}

/* Words of the manual as comment lines of at most 80 columns. */
static void print_words(FILE *f, const char *indent, const char *words)
{
	int column = 0;

	while (*words) {
		int n = (int)strcspn(words, " ");

		if (!column || column + 1 + n > 80)
			column = fprintf(f, "%s%s#", column ? "\n" : "", indent) - (column ? 1 : 0);
		column += fprintf(f, " %.*s", n, words);
		words += n;
		words += strspn(words, " ");
	}
	fputc('\n', f);
}

/* A titled section as an example, commented out: there is none by default. */
static void print_list(FILE *f, const struct schema_list *l)
{
	char allowed[200], line[220], value[200];

	fprintf(f, "\n#%s \"%s\" {\n", l->section, l->example);
	for (int i = 0; i < l->key_count; i++) {
		const struct schema_key *k = &l->keys[i];

		if (!(k->flags & KEY_LEVEL)) {
			print_words(f, "#\t", k->manual);
			snprintf(line, sizeof(line), "Allowed: %s",
				 kind_allowed(k, allowed, sizeof(allowed)));
			print_words(f, "#\t", line);
		}
		fprintf(f, "#\t%s = %s\n", k->name,
			kind_spelling(k, k->def ? k->def : k->example, value, sizeof(value)));
	}
	fputs("#}\n", f);
}

void config_print_sample(FILE *f)
{
	char allowed[200], line[220], value[200];
	const char *section = "";

	fputs("# greygate.conf: every key with its default; see greygate.conf(5).\n"
	      "# Check a change with: greygated -t -c FILE\n",
	      f);
	for (int i = 0; i < schema_count; i++) {
		const struct schema_key *k = &schema[i];
		const char *indent = *k->section ? "\t" : "";
		bool sets = k->def || k->flags & KEY_SAMPLE;

		if (strcmp(k->section, section) != 0) {
			fprintf(f, "%s\n%s {\n", *section ? "}\n" : "", k->section);
			section = k->section;
		} else {
			fputc('\n', f);
		}
		print_words(f, indent, k->manual);
		snprintf(line, sizeof(line), "Allowed: %s",
			 kind_allowed(k, allowed, sizeof(allowed)));
		print_words(f, indent, line);
		fprintf(f, "%s%s%s = %s\n", indent, sets ? "" : "#", k->name,
			kind_spelling(k, k->def ? k->def : k->example, value, sizeof(value)));
	}
	if (*section)
		fputs("}\n", f);
	for (int i = 0; i < schema_lists_count; i++)
		print_list(f, &schema_lists[i]);
}
