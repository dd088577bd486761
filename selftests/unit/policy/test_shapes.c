// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "policy/internal.h"

static bool dynamic(const char *name, const char *src)
{
	struct addr a;

	assert_int_equal(addr_parse(src, &a), 0);
	return policy_dynamic(name, &a);
}

/* Names that are made by a rule, seen from an address that they do not tell. */
static void made_by_a_rule(void **state)
{
	static const struct {
		const char *name;
		bool made;
	} rows[] = {
		/* an address, whosever */
		{"84-208-100-77.isp.example", true},
		{"84.208.100.77.isp.example", true},
		{"h84-208-100-77.isp.example", true},
		{"cust-84-208.100-77x.isp.example", true},
		{"084-208-100-077.isp.example", true},
		{"256-208-100-77.isp.example", false},
		{"84-208-1000-77.isp.example", false},
		{"0084-208-100-77.isp.example", false},
		{"84-208-100.isp.example", false},
		{"84-208-100-.isp.example", false},
		{"84-208--100-77.isp.example", false},
		{"84x208x100x77.isp.example", false},
		{"4.1-2-3.tv", false}, /* a company may be called as it likes */
		/* of a network, also where that is the domain */
		{"ns3012345.ip-198-51-100.eu", true},
		{"ip231.ip-198-51-100.eu", true},
		{"ip-198-51-100.eu", true},
		{"ip-198-51-100.isp.example", true},
		{"ip-198-51.eu", false},
		{"ip-198-51-300.eu", false},
		{"chip-198-51-100.eu", false},
		/* cable modems */
		{"cm-100-77-12-34.isp.example", true},
		{"cm-100-77.isp.example", true},
		{"cm-100-777.isp.example", false},
		{"cm-100.isp.example", false},
		{"cm.isp.example", false},
		{"acm-100-77.isp.example", false},
		/* a letter, and an address in hex */
		{"i5e8699d0.versanet.de", true},
		{"i5e8699d0.isp.example", true},
		{"p57a1b2c3.city.isp.example", true},
		{"i5e8699d.isp.example", false},
		{"i5e8699d00.isp.example", false},
		{"ip5e8699d0.isp.example", false},
		{"a5e8699d0.isp.example", false},
		{"i5e8699g0.isp.example", false},
		{"i5e8699d0.de", false}, /* a domain */
		{"i5e8699d0", true},
		/* rented machines */
		{"vps12345.hoster.example", true},
		{"vps12345.example", true},
		{"vps-1f2e3d4c.hoster.example", true},
		{"vps123.hoster.example", true},
		{"vps12.hoster.example", false},
		{"vps.hoster.example", false},
		{"vps-1f2e3d4.hoster.example", false},
		{"myvps12345.hoster.example", false},
		{"vds4711.hoster.example", true},
		{"vmi1234567.hoster.example", true},
		{"vm12345.hoster.example", true},
		{"vm2022.university.example", false},
		{"srv512345.hoster.example", true},
		{"srv2019.company.example", false},
		{"ns3012345.hoster.example", true},
		{"ns1.hoster.example", false},
		{"server12345.hoster.example", true},
		{"server12.company.example", false},
		{"srv512345.example", false},
		/* IPv6 */
		{"n2001-db8--77.isp.example", true},
		{"2001-db8--77.isp.example", true},
		{"host2001-0db8-0001-0002-0003-0004-0005-0006.isp.example", true},
		{"dyn-2a02-8071-1-2--9.isp.example", true},
		{"2001-db8-77.isp.example", false},
		{"2001-db8--77--1.isp.example", false},
		{"fd00-db8--77.isp.example", false},
		{"201-db8--77.isp.example", false},
		{"n2001-db8--g7.isp.example", false},
		{"xn--80ak6aa92e.isp.example", false},
		{"n2001-db8--77.example", false}, /* a domain */
		/* providers */
		{"h2902812.stratoserver.net", true},
		{"s15432176.onlinehome-server.info", true},
		{"stratoserver.net", false},
		/* whose mail server it says it is */
		{"smtp.84-208-100-77.isp.example", false},
		{"mail.vps12345.hoster.example", false},
		{"mx1.ip-198-51-100.eu", false},
		{"static-84-208-100-77.isp.example", false},
		{"mail.dsl-84-208-100-77.isp.example", true},
	};
	static const char *const srcs[] = {"203.0.113.7", "2001:db8:99:1::5"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 2; k++)
			if (dynamic(rows[i].name, srcs[k]) != rows[i].made)
				fail_msg("%s of %s: %s", rows[i].name, srcs[k],
					 rows[i].made ? "is made" : "is not");
}

/* The same, and shorter ones, with their own address. */
static void of_their_own_address(void **state)
{
	static const struct {
		const char *name, *src;
		bool dynamic;
	} rows[] = {
		{"cm-100-77-12-34.isp.example", "77.100.34.12", true},
		{"i5e8699d0.versanet.de", "94.134.153.208", true},
		{"ns3012345.ip-198-51-100.eu", "198.51.100.7", true},
		{"n2001-db8--77.isp.example", "2001:db8::77", true},
		{"n2001-db8-77.isp.example", "2001:db8::77", true},
		{"c2001-db8-1-2.isp.example", "2001:db8:1:2:a1b2:c3d4:e5f6:789a", true},
		{"a1b2-c3d4-e5f6-789a.isp.example", "2001:db8:1:2:a1b2:c3d4:e5f6:789a", true},
		{"a1b2-c3d4.isp.example", "2001:db8:1:2:a1b2:c3d4:e5f6:789a", false},
		{"2001-1-2.isp.example", "2001:db8:1:2:a1b2:c3d4:e5f6:789a", false},
		{"rack-1-2-3.isp.example", "2001:db8:1:2:0:1:2:3", false},
		{"mail.n2001-db8-77.isp.example", "2001:db8::77", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dynamic(rows[i].name, rows[i].src) != rows[i].dynamic)
			fail_msg("%s of %s: %s", rows[i].name, rows[i].src,
				 rows[i].dynamic ? "is dynamic" : "is not");
}

/* What large senders call their servers. */
static void mail_servers(void **state)
{
	static const char *const rows[][2] = {
		{"mail-ej1-f54.google.com", "209.85.218.54"},
		{"mail-wr1-f41.google.com", "209.85.221.41"},
		{"mail-sor-f69.google.com", "209.85.220.69"},
		{"mail-ej1-x633.google.com", "2a00:1450:4864:20::633"},
		{"mail-qv1-xf2a.google.com", "2607:f8b0:4864:20::f2a"},
		{"mail-db3eur04on2071.outbound.protection.outlook.com", "40.107.6.71"},
		{"mail-eopbgr80041.outbound.protection.outlook.com", "40.107.8.41"},
		{"mail-am6eur05on20701.outbound.protection.outlook.com", "2a01:111:f400:7e1b::701"},
		{"mail-db8eur05on2100.outbound.protection.outlook.com", "2a01:111:f403:2614::100"},
		{"a8-33.smtp-out.amazonses.com", "54.240.8.33"},
		{"a27-12.smtp-out.us-west-2.amazonses.com", "54.240.27.12"},
		{"b224-7.smtp-out.eu-central-1.amazonses.com", "69.169.224.7"},
		{"smtp-out-127-12.amazonses.com", "54.240.127.12"},
		{"sonic312-21.consmr.mail.bf2.yahoo.com", "74.6.128.83"},
		{"sonic310-11.consmr.mail.ir2.yahoo.com", "77.238.177.32"},
		{"mr85p00im-zteg06021501.me.com", "17.58.23.183"},
		{"pv50p00im-ztdg10012101.me.com", "17.58.6.49"},
		{"ma-mailsvcp-mx-lapp01.apple.com", "17.32.222.22"},
		{"66-220-144-178.mail-mail.facebook.com", "66.220.144.178"},
		{"mail121-2.linkedin.com", "108.174.0.2"},
		{"mxphxpool11.ebay.com", "66.211.185.11"},
		{"mx1.slc.paypal.com", "173.0.84.226"},
		{"out-17.smtp.github.com", "192.30.252.200"},
		{"out-25.smtp.github.com", "192.30.252.208"},
		{"wfbtzhfp.outbound-mail.sendgrid.net", "159.183.224.104"},
		{"o1678950229.outbound-mail.sendgrid.net", "167.89.50.229"},
		{"o1.ptr1234.sender.example", "149.72.1.2"},
		{"mta-70-30-48.sparkpostmail.com", "156.70.30.48"},
		{"m42-4.mailgun.net", "69.72.42.4"},
		{"rs227.mailgun.us", "209.61.151.227"},
		{"mail180-14.suw31.mandrillapp.com", "198.2.180.14"},
		{"mail12.mcsignup.com", "198.2.137.12"},
		{"mta211a-ord.mtasv.net", "104.245.209.211"},
		{"o82.p38.mailjet.com", "185.250.237.82"},
		{"em-sj-77.mktomail.com", "199.15.215.77"},
		{"ccm164.constantcontact.com", "208.75.123.164"},
		{"smtp14-ia4-sp1.mta.salesforce.com", "13.110.6.221"},
		{"outbyoip12.pod17.use1.zdsys.com", "188.172.138.12"},
		{"outbound18.service-now.com", "149.96.5.18"},
		{"us-smtp-delivery-124.mimecast.com", "170.10.129.124"},
		{"eu-smtp-1.mimecast.com", "195.130.217.221"},
		{"mx0a-001b2d01.pphosted.com", "148.163.156.1"},
		{"mx0b-00191d01.pphosted.com", "67.231.149.131"},
		{"dispatch1-us1.ppe-hosted.com", "148.163.129.48"},
		{"esa12.hc3962-36.iphmx.com", "139.138.35.140"},
		{"outbound-ip8b.ess.barracuda.com", "209.222.82.125"},
		{"mail1.bemta25.messagelabs.com", "195.245.230.1"},
		{"mail6.bemta.az-d.eu-central-1.aws.symcld.net", "3.123.4.6"},
		{"smtp105.iad3a.emailsrvr.com", "173.203.187.105"},
		{"wout5-smtp.messagingengine.com", "64.147.123.21"},
		{"fout-a1-smtp.messagingengine.com", "103.168.172.144"},
		{"mail-40133.protonmail.ch", "185.70.40.133"},
		{"sender4-op-o12.zoho.com", "136.143.188.12"},
		{"mout.gmx.net", "212.227.15.18"},
		{"mout.kundenserver.de", "212.227.126.131"},
		{"mout-p-201.mailbox.org", "80.241.56.171"},
		{"mout01.posteo.de", "185.67.36.65"},
		{"mailout05.t-online.de", "194.25.134.82"},
		{"mo4-p00-ob.smtp.rzone.de", "85.215.255.22"},
		{"dd12345.kasserver.com", "85.13.128.45"},
		{"dedi1234.your-server.de", "78.46.5.205"},
		{"smtp-12.smtpout.orange.fr", "80.12.242.12"},
		{"4.mo581.mail-out.ovh.net", "178.33.248.196"},
		{"relay9-d.mail.gandi.net", "217.70.183.199"},
		{"smtp-8fac.infomaniak.ch", "83.166.143.172"},
		{"mailrelay2-3.pub.mailoutpod2-cph3.one.com", "46.30.211.178"},
		{"smtprelay0012.b.hostedemail.com", "64.98.42.12"},
		{"forward501a.mail.yandex.net", "178.154.239.81"},
		{"forward501a.mail.yandex.net", "2a02:6b8:c0e:500:1:45:d181:d501"},
		{"smtp52.i.mail.ru", "95.163.41.90"},
		{"out203-205-221-190.mail.qq.com", "203.205.221.190"},
		{"m16-18.mail.163.com", "220.181.16.18"},
		{"out30-130.freemail.mail.aliyun.com", "115.124.30.130"},
		{"cvsmtppost10.nm.naver.com", "114.111.35.10"},
		{"resqmta-c2p-570592.sys.comcast.net", "96.102.19.43"},
		{"sa-prd-fep-045.btinternet.com", "213.120.69.45"},
		{"smtp-17.italiaonline.it", "213.209.10.17"},
		{"vger.kernel.org", "23.128.96.18"},
		{"lists.example.org", "2001:db8:124::21"},
		{"muffat.example.org", "198.51.100.196"},
		{"mx1.example.org", "198.51.100.1"},
		{"mx1.example.org", "2001:db8::1"},
		{"mail.example.org", "2001:db8:1:2::25"},
		{"mta-70-30-1-2.sender.example", "198.70.30.1"},
		{"mail-198-51-100-7.sender.example", "198.51.100.7"},
		{"smtp-2001-db8--77.sender.example", "2001:db8::77"},
		{"server.company.example", "198.51.100.7"},
		{"exchange01.company.example", "198.51.100.7"},
		{"web0123.hoster.example", "198.51.100.123"},
		{"cloud-7.company.example", "198.51.100.7"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dynamic(rows[i][0], rows[i][1]))
			fail_msg("%s of %s looks dynamic", rows[i][0], rows[i][1]);
}

/* The registered domain begins at `host`; nothing behind it is looked at. */
static void where_the_domain_begins(void **state)
{
	(void)state;
	assert_true(shape_made("cm-1-2", 6));
	assert_false(shape_made("cm-1-2.example", 0));
	assert_true(shape_made("ip-1-2-3.example", 0));
	assert_false(shape_made("www.x.ip-1-2-3", 4));
	assert_false(shape_made("", 0));
	assert_false(shape_made("ip-1-2-", 7));
	assert_true(shape_owned("a.hstgr.cloud"));
	assert_false(shape_owned("hstgr.cloud"));
	assert_false(shape_owned("ahstgr.cloud"));
	assert_false(shape_owned(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_by_a_rule),
		cmocka_unit_test(of_their_own_address),
		cmocka_unit_test(mail_servers),
		cmocka_unit_test(where_the_domain_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
