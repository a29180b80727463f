/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of sigv4.c with the examples that Amazon publishes: the "get-vanilla" cases of the
 * Signature Version 4 test suite, and the S3 API Reference's "Examples: Signature Calculations";
 * and of xml.c with the answers of object stores.
 */
#include "base/cleanup.h"
#include "target/http-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct us_sigv4_key suite = { "AKIDEXAMPLE",
					   "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1",
					   "service" };
static const struct us_sigv4_key s3 = { "AKIAIOSFODNN7EXAMPLE",
					"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1",
					"s3" };

static void check(const struct us_sigv4_key *key, const struct us_sigv4_request *r,
		  const char *names, const char *signature)
{
	_us_free_ char *got = NULL, *wanted = NULL;

	assert_null(us_sigv4_sign(key, r, &got));
	assert_null(us_text_format(&wanted,
				   "AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request,"
				   "SignedHeaders=%s,Signature=%s",
				   key->access, r->amz_date, key->service, names, signature));
	assert_string_equal(got, wanted);
}

static void test_the_suites_plain_requests(void **state)
{
	static const struct us_sigv4_header headers[] = { { "host", "example.amazonaws.com" },
							  { "x-amz-date", "20150830T123600Z" } };
	struct us_sigv4_request r = { "GET", "/", "", headers, 2, EMPTY, "20150830T123600Z" };

	(void)state;
	check(&suite, &r, "host;x-amz-date",
	      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	r.method = "POST";
	check(&suite, &r, "host;x-amz-date",
	      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
	r.method = "GET";
	r.query = "Param1=value1&Param2=value2";
	check(&suite, &r, "host;x-amz-date",
	      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

static void test_the_examples_of_s3(void **state)
{
	static const struct us_sigv4_header get[] = { { "host", "examplebucket.s3.amazonaws.com" },
						      { "range", "bytes=0-9" },
						      { "x-amz-content-sha256", EMPTY },
						      { "x-amz-date", "20130524T000000Z" } };
	static const struct us_sigv4_header list[] = { { "host", "examplebucket.s3.amazonaws.com" },
						       { "x-amz-content-sha256", EMPTY },
						       { "x-amz-date", "20130524T000000Z" } };
	static const char welcome[] = "Welcome to Amazon S3.";
	struct us_sigv4_request r = { "GET", "/test.txt", "", get, 4, EMPTY, "20130524T000000Z" };
	char hash[US_SHA256_HEX];
	struct us_sigv4_header put[] = { { "date", "Fri, 24 May 2013 00:00:00 GMT" },
					 { "host", "examplebucket.s3.amazonaws.com" },
					 { "x-amz-content-sha256", hash },
					 { "x-amz-date", "20130524T000000Z" },
					 { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };

	(void)state;
	check(&s3, &r, "host;range;x-amz-content-sha256;x-amz-date",
	      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	us_sha256_hex(us_bytes_of(welcome, strlen(welcome)), hash);
	r = (struct us_sigv4_request){ "PUT", "/test%24file.text", "", put, 5,
				       hash,  "20130524T000000Z" };
	check(&s3, &r, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	r =
		(struct us_sigv4_request){ "GET", "/",   "lifecycle=",      list,
					   3,     EMPTY, "20130524T000000Z" };
	check(&s3, &r, "host;x-amz-content-sha256;x-amz-date",
	      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	r.query = "max-keys=2&prefix=J";
	check(&s3, &r, "host;x-amz-content-sha256;x-amz-date",
	      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_encoding(void **state)
{
	_us_text_deinit_ struct us_text text = { 0 };

	(void)state;
	us_sigv4_encode(&text, "a/b c+d~e_\xc3\xa9$", true);
	assert_string_equal(text.s, "a/b%20c%2Bd~e_%C3%A9%24");
	us_text_deinit(&text);
	us_sigv4_encode(&text, "a/b", false);
	assert_string_equal(text.s, "a%2Fb");
}

static void next_is(struct us_xml *xml, const char *name, const char *text)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *got_name, *got_text;

	assert_null(us_xml_next(xml, &pool, &got_name, &got_text));
	assert_true(!got_name == !name && !got_text == !text);
	if (name)
		assert_string_equal(got_name, name);
	if (text)
		assert_string_equal(got_text, text);
}

static struct us_xml xml_of(const char *s)
{
	return (struct us_xml){ .bytes = us_bytes_of(s, strlen(s)) };
}

static void test_xml_tells_the_ends_of_elements(void **state)
{
	struct us_xml xml = xml_of("<?xml version=\"1.0\"?>\n<!-- <x> -->"
				   "<L xmlns=\"http://x/\"><Contents><Key>a&amp;b&#x20;&#233;</Key>"
				   "<Size>12</Size><s:Owner/></Contents><Token></Token></L>\n");

	(void)state;
	next_is(&xml, "Key", "a&b \xc3\xa9");
	next_is(&xml, "Size", "12");
	next_is(&xml, "Owner", "");
	next_is(&xml, "Contents", NULL);
	next_is(&xml, "Token", "");
	next_is(&xml, "L", NULL);
	next_is(&xml, NULL, NULL);
}

static void test_broken_xml_is_told(void **state)
{
	static const char *const cases[] = {
		"<a",          "<a>b", "<a></b>", "<a>&x;</a>", "<!-- a",
		"<a>&#0;</a>", "</",   "<>",      "<![CDATA[",  "<a>&#x110000;</a>"
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_xml xml = xml_of(cases[i]);
		const char *name, *text;
		_us_err_free_ struct us_err *err = us_xml_next(&xml, &pool, &name, &text);

		if (!err || err->code != US_ERR_BAD_DATA)
			fail_msg("%s", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_suites_plain_requests),
		cmocka_unit_test(test_the_examples_of_s3),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_xml_tells_the_ends_of_elements),
		cmocka_unit_test(test_broken_xml_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
