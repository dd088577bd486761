// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tools/doctor_firewall.c"
#include "tools/doctor_question.c"
#include "tools/doctor_rule.c"

static struct {
	enum doctor_level level;
	char mend[300], what[200];
} found[8];
static int count;

void doctor_say(const struct doctor *d, enum doctor_level level, const char *check,
		const char *about, const char *mend, const char *format, ...)
{
	va_list ap;

	(void)d;
	assert_string_equal(check, "firewall");
	assert_string_equal(about, "");
	assert_true(count < 8);
	va_start(ap, format);
	assert_true(vsnprintf(found[count].what, sizeof(found[0].what), format, ap) < 200);
	va_end(ap);
	found[count].level = level;
	snprintf(found[count++].mend, sizeof(found[0].mend), "%s", mend);
}

bool doctor_names(const struct config *c, const char *interface)
{
	(void)c;
	return !strcmp(interface, "g0") || !strcmp(interface, "g1");
}

/* Whatever leads where here, the inner interface is g1. */
int fastpath_way_out(const struct addr *to, char ret[IF_NAMESIZE])
{
	(void)to;
	snprintf(ret, IF_NAMESIZE, "g1");
	return 0;
}

static struct endpoint both[] = {{.addr.b = {[10] = 0xff, 0xff, 192, 0, 2, 25}, .port = 25},
				 {.addr.b = {0x20, 1}, .port = 25}};

static void read_rules(const char *family, const char *name, const char *policy, const char *rules,
		       int protect_count)
{
	char *names[] = {(char *)"g0", (char *)"g1"};
	const struct config c = {
		.mode = GG_MODE_GATEWAY,
		.protect = both,
		.protect_count = protect_count,
		.interfaces = names,
		.interface_count = 2,
	};
	const struct doctor d = {.root = "", .config = &c};
	char text[2000];

	snprintf(text, sizeof(text),
		 "table %s fw {\n\tset known {\n\t\ttype inet_service\n\t\telements = { 25 "
		 "}\n\t}\n\n"
		 "\tchain more {\n\t\ttcp dport 25 accept\n\t}\n\n"
		 "\tchain less {\n\t\ttcp dport 25 return\n\t\taccept\n\t}\n\n"
		 "\tchain doubt {\n\t\tip saddr 203.0.113.9 drop\n\t}\n\n"
		 "\tchain never {\n\t\tdrop\n\t}\n\n"
		 "\tchain round {\n\t\tjump round\n\t}\n\n"
		 "\tchain %s {\n\t\ttype filter hook input priority filter; policy %s;\n%s\t}\n\n"
		 "\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n"
		 "\t\ttcp dport 25 accept\n\t}\n}\n"
		 "table inet other {\n\tchain more {\n\t\taccept\n\t}\n}\n",
		 family, name, policy, rules);
	count = 0;
	doctor_rules(&d, text);
}

#define STATE "\t\tct state established,related accept\n\t\tct state invalid drop\n"

static void who_is_let_in(void **state)
{
	static const struct {
		enum doctor_level level;
		const char *policy, *rules;
	} t[] = {
		{DOCTOR_OK, "accept", ""},
		{DOCTOR_FAIL, "drop", ""},
		{DOCTOR_FAIL, "drop", STATE "\t\ttcp dport 22 accept\n\t\tiifname \"lo\" accept\n"},
		{DOCTOR_OK, "drop", STATE "\t\tmeta mark 0x67726579 accept\n"},
		{DOCTOR_FAIL, "drop", "\t\tmeta mark 0x67726578 accept\n"},
		{DOCTOR_OK, "drop", "\t\ttcp dport 25 counter packets 7 bytes 420 accept\n"},
		{DOCTOR_OK, "drop", "\t\ttcp dport { 22, 25 } ct state new accept\n"},
		{DOCTOR_OK, "drop", "\t\ttcp dport { 20-30, 80 } accept comment \"drop\"\n"},
		{DOCTOR_FAIL, "drop", "\t\ttcp dport { 22, 26-250 } accept\n"},
		{DOCTOR_FAIL, "drop", "\t\ttcp dport 225 accept\n"},
		/* Trusting the inside is not letting strangers in. */
		{DOCTOR_FAIL, "drop", "\t\tiifname \"g1\" accept\n"},
		{DOCTOR_OK, "drop", "\t\tiifname { \"g0\", \"x\" } meta l4proto tcp accept\n"},
		{DOCTOR_WARN, "drop", "\t\tiifname \"g0\" oifname \"g1\" accept\n"},
		{DOCTOR_OK, "drop", "\t\tiifname \"g0\" jump more\n"},
		{DOCTOR_FAIL, "drop", "\t\tjump less\n"},
		{DOCTOR_FAIL, "drop", "\t\tgoto less\n\t\taccept\n"},
		{DOCTOR_FAIL, "drop", "\t\tjump round\n\t\tjump nowhere\n"},
		{DOCTOR_FAIL, "accept", STATE "\t\tcounter packets 0 bytes 0 drop\n"},
		{DOCTOR_FAIL, "accept", "\t\treject with icmpx admin-prohibited\n"},
		{DOCTOR_OK, "accept", "\t\taccept\n\t\tdrop\n"},
		{DOCTOR_OK, "accept", "\t\treturn\n\t\tdrop\n"},
		{DOCTOR_FAIL, "drop", "\t\treturn\n\t\taccept\n"},
		/* Maps, patterns, what is not. */
		{DOCTOR_OK, "drop", "\t\ttcp dport vmap { 22 : drop, 25 : accept }\n"},
		{DOCTOR_FAIL, "drop", "\t\ttcp dport vmap { 22 : accept }\n"},
		{DOCTOR_OK, "drop", "\t\tiifname vmap { \"lo\" : accept, \"g0\" : jump more }\n"},
		{DOCTOR_FAIL, "accept",
		 "\t\tiifname vmap { \"lo\" : accept, \"g0\" : jump less }\n"
		 "\t\tct state vmap { established : accept, new : drop }\n"},
		{DOCTOR_OK, "drop", "\t\ttcp dport != 22 accept\n"},
		{DOCTOR_FAIL, "drop", "\t\ttcp dport != { 22, 25 } accept\n"},
		{DOCTOR_OK, "drop", "\t\tiifname \"g*\" accept\n"},
		{DOCTOR_FAIL, "drop", "\t\tiifname \"wg*\" accept\n"},
		{DOCTOR_FAIL, "accept", "\t\tiifname != \"g1\" drop\n"},
		{DOCTOR_FAIL, "accept", "\t\tct state != established | related drop\n"},
		{DOCTOR_FAIL, "accept", "\t\tfib daddr type != local drop\n"},
		{DOCTOR_FAIL, "accept",
		 "\t\tip daddr 10.0.0.0/8 accept\n"
		 "\t\tct state vmap { new : drop }\n"},
		/* What stands before a verdict and asks nothing. */
		{DOCTOR_FAIL, "accept", "\t\tlog prefix \"a drop: \" level debug flags all drop\n"},
		{DOCTOR_FAIL, "accept",
		 "\t\ttcp dport 25 counter packets 0 bytes 0 log flags tcp sequence group 2 "
		 "drop\n"},
		{DOCTOR_FAIL, "drop", "\t\tlog prefix \"accept\"\n"},
		/* Flags of a first packet. */
		{DOCTOR_FAIL, "accept", "\t\ttcp flags syn / fin,syn,rst,ack drop\n"},
		{DOCTOR_FAIL, "accept", "\t\ttcp flags & (fin | syn | rst | ack) == syn drop\n"},
		{DOCTOR_FAIL, "accept", "\t\ttcp flags == 0x2 drop\n"},
		{DOCTOR_FAIL, "accept", "\t\ttcp flags syn drop\n"},
		{DOCTOR_FAIL, "accept", "\t\ttcp flags ! ack drop\n"},
		/* What can't be told may let them in. */
		{DOCTOR_WARN, "drop", "\t\ttcp dport @known accept\n"},
		{DOCTOR_WARN, "drop", "\t\ttcp dport vmap @known\n"},
		{DOCTOR_WARN, "drop", "\t\ttcp sport vmap { 1024-65535 : accept }\n"},
		{DOCTOR_WARN, "drop", "\t\txt match \"multiport\" accept\n"},
		{DOCTOR_WARN, "drop", "\t\ttcp sport 1024-65535 accept\n"},
		/* IPv6 it does not let in. */
		{DOCTOR_FAIL, "drop", "\t\tip saddr 192.0.2.0/24 accept\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		read_rules("inet", "input", t[i].policy, t[i].rules, 2);
		assert_int_equal(count, 1);
		if (found[0].level != t[i].level)
			fail_msg("policy %s, %s: level %d, not %d: %s", t[i].policy, t[i].rules,
				 found[0].level, t[i].level, found[0].what);
		if (t[i].level != DOCTOR_OK)
			assert_string_equal(
				found[0].mend,
				"nft insert rule inet fw input meta mark 0x67726579 accept");
	}
}

/* A rule that can't be judged is named, with the chain that it stands in. */
static void rules_that_may_drop(void **state)
{
	static const struct {
		const char *rules, *chain; /* NULL: none does */
	} t[] = {
		{"\t\tip saddr 203.0.113.0/24 drop\n", "input"},
		{"\t\tip saddr @known counter packets 1 bytes 2 log drop\n", "input"},
		{"\t\ttcp dport 25 ct state new limit rate over 1/hour burst 1 packets drop\n",
		 "input"},
		{"\t\tip saddr vmap { 192.0.2.0/24 : drop }\n", "input"},
		{"\t\tip saddr . tcp dport { 192.0.2.1 . 25 } drop\n", "input"},
		{"\t\ttcp dport vmap @known\n", "input"},
		{"\t\ttcp dport >= 1024 reject with tcp reset\n", "input"},
		{"\t\tfib saddr . iif oif missing drop\n", "input"},
		{"\t\tqueue flags bypass to 1\n", "input"},
		{"\t\tjump doubt\n", "doubt"},
		{"\t\tip saddr 203.0.113.0/24 jump never\n", "input"},
		{"\t\ttcp flags { syn, fin } drop\n", "input"},
		{"\t\ttcp dport 25 drop comment \"sure\"\n\t\tip saddr 192.0.2.1 drop\n", ""},
		/* Ordinary ones that meet no stranger on his way to the mail server. */
		{STATE "\t\tct state vmap { invalid : drop, established : accept }\n", NULL},
		{"\t\ttcp dport 23 ip saddr 192.0.2.1 drop\n", NULL},
		{"\t\tip saddr @known tcp dport 22 drop\n", NULL},
		{"\t\tip saddr . tcp dport { 192.0.2.1 . 22 } drop\n", NULL},
		{"\t\ttcp dport != 25 drop\n\t\tudp dport 0-65535 drop\n", NULL},
		{"\t\tiifname \"docker0\" drop\n\t\tiifname \"wg*\" drop\n", NULL},
		{"\t\tip protocol icmp limit rate over 1/second drop\n\t\ticmp type redirect drop\n"
		 "\t\ticmpv6 type nd-redirect drop\n\t\tmeta l4proto != tcp drop\n",
		 NULL},
		{"\t\tmeta pkttype { broadcast, multicast } drop\n"
		 "\t\tfib daddr type { broadcast, anycast, multicast } drop\n"
		 "\t\tip daddr 224.0.0.0/4 drop\n\t\tip6 daddr ff00::/8 drop\n",
		 NULL},
		{"\t\ttcp flags != syn / fin,syn,rst,ack ct state new drop\n"
		 "\t\ttcp flags ! fin,syn,rst,psh,ack,urg drop\n"
		 "\t\ttcp flags fin,syn / fin,syn drop\n"
		 "\t\ttcp flags & (fin | syn) == fin | syn drop\n"
		 "\t\ttcp flags & (syn | ack) == (syn | ack) drop\n"
		 "\t\ttcp flags ack,rst drop\n\t\ttcp flags != syn drop\n",
		 NULL},
		{"\t\tmeta mark 0x67726579 accept\n\t\tip saddr 203.0.113.0/24 drop\n", NULL},
		{"\t\tip saddr 192.0.2.0/24 accept\n\t\tip saddr 192.0.2.0/24 return\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char mend[100];

		read_rules("inet", "input", "accept", t[i].rules, 2);
		assert_int_equal(count, 1);
		if (!t[i].chain && found[0].level)
			fail_msg("%s: %s", t[i].rules, found[0].what);
		if (!t[i].chain)
			continue;
		assert_int_equal(found[0].level, *t[i].chain ? DOCTOR_WARN : DOCTOR_FAIL);
		if (!*t[i].chain)
			continue;
		snprintf(mend, sizeof(mend), "nft list chain inet fw %s", t[i].chain);
		assert_string_equal(found[0].mend, mend);
		assert_non_null(strstr(found[0].what, " may drop strangers: "));
	}
	read_rules("inet", "input", "accept", "\t\tip6 saddr 2001:db8::/32 drop\n", 1);
	assert_int_equal(found[0].level, DOCTOR_OK); /* IPv4 alone is protected */
}

static void families_and_ports(void **state)
{
	(void)state;
	read_rules("ip6", "input", "drop", "", 1); /* IPv4 alone is protected */
	assert_int_equal(found[0].level, DOCTOR_OK);
	read_rules("ip6", "input", "drop", "", 2);
	assert_int_equal(found[0].level, DOCTOR_FAIL);
	read_rules("arp", "input", "drop", "", 2);
	assert_int_equal(found[0].level, DOCTOR_OK);
	read_rules("inet", "input", "drop", "\t\tmeta nfproto ipv4 tcp dport 25 accept\n", 1);
	assert_int_equal(found[0].level, DOCTOR_OK);
	read_rules("inet", "input", "drop", "\t\tmeta nfproto ipv4 tcp dport 25 accept\n", 2);
	assert_int_equal(found[0].level, DOCTOR_FAIL);
	both[0].port = 587;
	read_rules("inet", "input", "drop", "\t\ttcp dport 25 accept\n", 2);
	assert_int_equal(found[0].level, DOCTOR_FAIL);
	both[0].port = 25;
}

static void chains_of_iptables(void **state)
{
	(void)state;
	read_rules("ip", "INPUT", "drop", "", 2);
	assert_string_equal(found[0].mend,
			    "nft insert rule ip fw INPUT meta mark 0x67726579 accept");
	mend_chain(&(struct chain){"ip", "filter", "INPUT", NULL}, found[0].mend,
		   sizeof(found[0].mend));
	assert_string_equal(found[0].mend, "iptables -I INPUT -m mark --mark 0x67726579 -j ACCEPT");
	mend_chain(&(struct chain){"ip6", "filter", "INPUT", NULL}, found[0].mend,
		   sizeof(found[0].mend));
	assert_string_equal(found[0].mend,
			    "ip6tables -I INPUT -m mark --mark 0x67726579 -j ACCEPT");
}

static void read_prerouting(const char *family, const char *table, const char *chain,
			    const char *type, const char *rules)
{
	char *names[] = {(char *)"g0", (char *)"g1"};
	const struct config c = {
		.protect = both, .protect_count = 2, .interfaces = names, .interface_count = 2};
	const struct doctor d = {.root = "", .config = &c};
	char text[2000];

	snprintf(text, sizeof(text),
		 "table %s %s {\n\tchain restore {\n\t\tmeta mark set ct mark\n\t}\n\n"
		 "\tchain %s {\n\t\ttype %s hook prerouting priority mangle; policy "
		 "accept;\n%s\t}\n}\n",
		 family, table, chain, type, rules);
	count = 0;
	doctor_rules(&d, text);
}

static void rules_that_take_the_mark(void **state)
{
	static const struct {
		enum doctor_level level;
		const char *rules;
	} t[] = {
		{DOCTOR_OK, ""},
		{DOCTOR_FAIL, "\t\tmeta mark set ct mark\n"},
		{DOCTOR_FAIL, "\t\tcounter packets 3 bytes 180 meta mark set 0x00000000\n"},
		{DOCTOR_FAIL, "\t\tmeta mark set meta mark & 0xffffff00\n"},
		{DOCTOR_WARN, "\t\tcounter packets 3 bytes 180 xt target \"CONNMARK\"\n"},
		{DOCTOR_WARN, "\t\tip saddr 10.0.0.0/8 jump restore\n"},
		{DOCTOR_FAIL, "\t\tiifname \"g0\" jump restore\n"},
		{DOCTOR_FAIL, "\t\ttcp dport 25 meta mark set 0x00000001 accept\n"},
		{DOCTOR_WARN, "\t\tip saddr 203.0.113.9 meta mark set 0x00000001\n"},
		{DOCTOR_OK, "\t\ttcp dport 80 meta mark set 0x00000001\n"},
		{DOCTOR_OK, "\t\tiifname \"wg0\" jump restore\n"},
		{DOCTOR_OK, "\t\tmeta mark 0x67726579 accept\n\t\tmeta mark set ct mark\n"},
		{DOCTOR_OK, "\t\tct mark set meta mark\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		read_prerouting("inet", "fw", "pre", "filter", t[i].rules);
		if (count != 1 || found[0].level != t[i].level)
			fail_msg("%s: %d found, the first of level %d", t[i].rules, count,
				 found[0].level);
	}
	read_prerouting("inet", "fw", "pre", "filter", "\t\tjump restore\n");
	assert_string_equal(found[0].mend,
			    "nft insert rule inet fw pre meta mark 0x67726579 accept");
	assert_string_equal(found[0].what, "chain restore of table inet fw changes the mark of "
					   "strangers, who go past the daemon then: meta mark set "
					   "ct mark");
	read_prerouting("ip6", "mangle", "PREROUTING", "filter", "\t\tjump restore\n");
	assert_string_equal(found[0].mend, "ip6tables -t mangle -I PREROUTING -m mark --mark "
					   "0x67726579 -j ACCEPT");
}

static void what_is_translated_to_the_mail_server(void **state)
{
	static const struct {
		enum doctor_level level;
		const char *family, *rule;
	} t[] = {
		{DOCTOR_WARN, "ip", "ip daddr 198.51.100.9 tcp dport 25 dnat to 192.0.2.25"},
		{DOCTOR_FAIL, "ip", "tcp dport 25 counter packets 0 bytes 0 dnat to 192.0.2.25:25"},
		{DOCTOR_OK, "inet", "tcp dport 25 dnat ip to 192.0.2.25:2525"},
		{DOCTOR_FAIL, "inet", "tcp dport 25 dnat ip6 to [2001::]:25"},
		{DOCTOR_WARN, "ip6", "tcp dport 25 dnat to 2001::"},
		{DOCTOR_OK, "ip", "tcp dport 443 dnat to 192.0.2.26:443"},
		{DOCTOR_OK, "ip", "tcp dport 25 dnat to numgen inc mod 2 map { 0 : 10.0.0.1 }"},
		{DOCTOR_OK, "bridge", "dnat to 192.0.2.25"},
	};
	char rule[200];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(rule, sizeof(rule), "\t\t%s\n", t[i].rule);
		read_prerouting(t[i].family, "nat", "pre", "nat", rule);
		if (count != 1 || found[0].level != t[i].level)
			fail_msg("%s: %d found, the first of level %d", rule, count,
				 found[0].level);
	}
}

/* A listing that ends anywhere is read to there. */
static void cut_short(void **state)
{
	static const char whole[] =
		"table inet fw {\n\tchain input {\n\t\ttype filter hook input priority filter; "
		"policy drop;\n\t\tiifname { \"g0\", \"g1\" } tcp dport { 22, 25 } counter packets "
		"1 bytes 2 log prefix \"x\" flags tcp options accept\n\t\ttcp flags & (syn | ack) "
		"== "
		"syn jump more\n\t\tct state vmap { new : drop, related : jump more }\n\t}\n}\n";
	char *names[] = {(char *)"g0", (char *)"g1"};
	const struct config c = {
		.protect = both, .protect_count = 2, .interfaces = names, .interface_count = 2};
	const struct doctor d = {.root = "", .config = &c};

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *text = strndup(whole, n);

		count = 0;
		doctor_rules(&d, text);
		assert_int_equal(count, 1);
		free(text);
	}
	assert_int_equal(found[0].level, DOCTOR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_let_in),
		cmocka_unit_test(rules_that_may_drop),
		cmocka_unit_test(families_and_ports),
		cmocka_unit_test(chains_of_iptables),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(rules_that_take_the_mark),
		cmocka_unit_test(what_is_translated_to_the_mail_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
