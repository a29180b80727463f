/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the rules about privileges, system calls, lockdown, IMA and signatures: see test-rules.h
 * for the form. */
#include "check/test-rules.h"

static void test_privileges(void **state)
{
	struct bench *b = *state;

	FAILS("privilege.cap-sys-boot", "an ordinary user", { host->cap_sys_boot.v = US_NO; });
	FAILS("privilege.cap-sys-boot", "root of a user namespace",
	      { host->init_user_ns.v = US_NO; });
	PASSES("privilege.cap-sys-boot", "root", {});
	FAILS("privilege.pid-namespace", "a container", { host->init_pid_ns.v = US_NO; });
	PASSES("privilege.pid-namespace", "the initial one", {});
}

static void test_calls(void **state)
{
	struct bench *b = *state;

	FAILS("syscall.no-kexec-file-load", "not built", { host->has_kexec_file_load.v = US_NO; });
	PASSES("syscall.no-kexec-file-load", "built", {});
	SILENT("syscall.no-kexec-file-load", "the other call is used", {
		by_load(b);
		host->has_kexec_file_load.v = US_NO;
	});
	FAILS("syscall.no-kexec-load", "not built", {
		by_load(b);
		host->has_kexec_load.v = US_NO;
	});
	PASSES("syscall.no-kexec-load", "built", { by_load(b); });
	FAILS("syscall.no-kexec-file-load", "nor the other one",
	      { host->has_kexec_file_load.v = host->has_kexec_load.v = US_NO; });
	SILENT("sysctl.kexec-load-disabled", "no call that it could concern", {
		host->has_kexec_file_load.v = host->has_kexec_load.v = US_NO;
		host->load_disabled.o = HIDDEN;
	});
	SILENT("sysctl.limit-reached", "no call that it could concern", {
		host->has_kexec_file_load.v = host->has_kexec_load.v = US_NO;
		host->limit_reboot.o = HIDDEN;
	});
	UNKNOWN("syscall.no-kexec-load", "not known", {
		by_load(b);
		host->has_kexec_load = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	});
}

static void test_sysctls(void **state)
{
	struct bench *b = *state;

	FAILS("sysctl.kexec-load-disabled", "1", { host->load_disabled.v = 1; });
	PASSES("sysctl.kexec-load-disabled", "0", {});
	FAILS("sysctl.limit-reached", "reboot", { host->limit_reboot.v = 0; });
	PASSES("sysctl.limit-reached", "the other limit", { host->limit_panic.v = 0; });
	FAILS("sysctl.limit-reached", "panic", {
		on_crash(b);
		host->limit_panic.v = 0;
	});
	SILENT("sysctl.limit-reached", "before 6.3 there is none", {
		host->release.v = "6.1.0";
		host->limit_reboot.o = HIDDEN;
	});
	UNKNOWN("sysctl.limit-reached", "not readable", { host->limit_reboot.o = HIDDEN; });
	FAILS("sysctl.limit-last", "one is left", { host->limit_reboot.v = 1; });
	PASSES("sysctl.limit-last", "unlimited", {});
}

static void test_lockdown_and_ima(void **state)
{
	struct bench *b = *state;

	FAILS("lockdown.kexec-load", "integrity", {
		by_load(b);
		host->lockdown.v = "integrity";
	});
	PASSES("lockdown.kexec-load", "none", { by_load(b); });
	SILENT("lockdown.kexec-load", "kexec_file_load", { host->lockdown.v = "integrity"; });
	FAILS("ima.kexec-load", "appraised", {
		by_load(b);
		host->ima_refuses_kexec_load.v = US_YES;
	});
	PASSES("ima.kexec-load", "not appraised", { by_load(b); });
	FAILS("ima.peeled-image", "a UKI under IMA", {
		image->n_nest = 2;
		host->ima_appraises_kexec.v = US_YES;
	});
	PASSES("ima.peeled-image", "a UKI where only kexec_load is refused", {
		image->n_nest = 2;
		host->ima_refuses_kexec_load.v = US_YES;
	});
	PASSES("ima.peeled-image", "a plain file under IMA",
	       { host->ima_appraises_kexec.v = US_YES; });
}

/* Secure Boot: the kernel insists. */
static void enforced(struct bench *b)
{
	b->host.sig_enforced.v = US_YES;
}

static void test_signatures_that_are_bad(void **state)
{
	struct bench *b = *state;

	FAILS("signature.not-pe", "a vmlinux", {
		enforced(b);
		image->signature.present = US_UNKNOWN;
	});
	PASSES("signature.not-pe", "a PE file", { enforced(b); });
	FAILS("signature.missing", "unsigned", {
		enforced(b);
		image->signature.present = US_NO;
	});
	FAILS("signature.missing", "unsigned under lockdown", {
		host->lockdown.v = "integrity";
		image->signature.present = US_NO;
	});
	FAILS("signature.missing", "the kernel inside a signed UKI", {
		enforced(b);
		image->n_nest = 2;
		image->inner_signature.present = US_NO;
	});
	SILENT("signature.missing", "nobody insists", { image->signature.present = US_NO; });
	UNKNOWN("signature.missing", "whether anybody insists is not known", {
		host->sig_enforced = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
		image->signature.present = US_NO;
	});
	PASSES("signature.missing", "signed", { enforced(b); });
	FAILS("signature.malformed", "wrapper of revision 1", {
		enforced(b);
		image->signature.problem = "certificate table: revision 0x100";
	});
	PASSES("signature.malformed", "as it should be", { enforced(b); });
	FAILS("signature.tampered", "a byte flipped", {
		enforced(b);
		image->signature.digest_ok = US_NO;
	});
	FAILS("signature.tampered", "another's signature", {
		enforced(b);
		image->signature.signature_ok = US_NO;
	});
	UNKNOWN("signature.tampered", "not verified", {
		enforced(b);
		image->signature.digest_ok = image->signature.signature_ok = US_UNKNOWN;
	});
	PASSES("signature.tampered", "verified", { enforced(b); });
}

static void test_signers(void **state)
{
	struct bench *b = *state;

	FAILS("signature.unknown-signer", "no key at all", {
		enforced(b);
		host->n_keys = 0;
	});
	FAILS("signature.unknown-signer", "another key", {
		enforced(b);
		b->key.key_id = "ffffffff7e4c6c0d1f6149f3dd27dfcc5cbb419e";
	});
	PASSES("signature.unknown-signer", "the issuer's key", { enforced(b); });
	PASSES("signature.unknown-signer", "the tail of the signer's key id", {
		enforced(b);
		b->key.key_id = "05810584b25f";
	});
	PASSES("signature.unknown-signer", "the issuer by name", {
		enforced(b);
		b->key.key_id = "";
	});
	FAILS("signature.unknown-signer", "lockdown without a trusted key", {
		host->lockdown.v = "integrity";
		host->n_keys = 0;
	});
	UNKNOWN("signature.unknown-signer", "keys hidden", {
		enforced(b);
		host->keys_from = HIDDEN;
	});
	UNKNOWN("signature.unknown-signer", "a keyring that could not be listed", {
		enforced(b);
		host->n_keys = 0;
		host->unlisted = ".platform";
		host->keyrings_from = HIDDEN;
	});
	UNKNOWN("signature.unknown-signer", "the issuer's key, in no keyring that could be listed", {
		enforced(b);
		b->key.keyring = "";
		host->unlisted = ".platform";
		host->keyrings_from = HIDDEN;
	});
	FAILS("signature.unknown-signer", "the issuer's key, in somebody's own keyring", {
		enforced(b);
		b->key.keyring = "";
	});
	UNKNOWN("signature.revoked", "the revocation list could not be listed", {
		enforced(b);
		host->unlisted = ".blacklist";
		host->keyrings_from = HIDDEN;
	});
	FAILS("signature.revoked", "on the revocation list", {
		enforced(b);
		b->key.keyring = ".blacklist";
	});
	FAILS("signature.revoked", "by the hash of the certificate", {
		enforced(b);
		b->key.hash = true;
		b->key.keyring = ".blacklist";
		b->key.description =
			"tbs:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	});
	PASSES("signature.revoked", "another's hash", {
		enforced(b);
		b->key.hash = true;
		b->key.keyring = ".blacklist";
		b->key.description = "tbs:ff";
	});
	PASSES("signature.revoked", "not on it", { enforced(b); });
	FAILS("signature.unknown-signer", "a keyring that does not count", {
		enforced(b);
		b->key.keyring = ".ima";
	});
	FAILS("signature.unknown-signer", "a machine keyring that is not linked", {
		enforced(b);
		b->key.keyring = ".machine";
		host->machine_linked = US_NO;
	});
	PASSES("signature.unknown-signer", "a machine keyring that is", {
		enforced(b);
		b->key.keyring = ".machine";
		host->machine_linked = US_YES;
	});
	FAILS("signature.no-verifier", "not built", {
		enforced(b);
		host->kconfig = b->other_config;
	});
	PASSES("signature.no-verifier", "nobody insists", {});
}

static void test_when_a_signature_is_worth_its_hash(void **state)
{
	struct bench *b = *state;

	bench_reset(b);
	assert_false(us_check_needs_signature(&b->host));
	b->host.lockdown.v = "integrity";
	assert_true(us_check_needs_signature(&b->host));
	b->host.lockdown = (struct us_fact_str){ HIDDEN, "" };
	assert_false(us_check_needs_signature(&b->host));
	b->host.sig_enforced = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	assert_true(us_check_needs_signature(&b->host));
}

static void test_what_is_not_covered(void **state)
{
	struct bench *b = *state;

	FAILS("signature.not-checked", "unsigned and nobody insists",
	      { image->signature.present = US_NO; });
	PASSES("signature.not-checked", "signed", {});
	SILENT("signature.not-checked", "unsigned and refused", {
		enforced(b);
		image->signature.present = US_NO;
	});
	FAILS("signature.initrd-not-covered", "Secure Boot", { enforced(b); });
	PASSES("signature.initrd-not-covered", "nobody insists", {});
}

static void test_every_rule_is_covered(void **state)
{
	bench_done(*state, &us_rules_security);
	bench_done(*state, &us_rules_signature);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_lockdown_and_ima),
		cmocka_unit_test(test_signatures_that_are_bad),
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_when_a_signature_is_worth_its_hash),
		cmocka_unit_test(test_what_is_not_covered),
		cmocka_unit_test(test_every_rule_is_covered),
	};

	return cmocka_run_group_tests(tests, bench_open, bench_close);
}
