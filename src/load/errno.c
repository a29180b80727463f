/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a refusal of kexec_load(2) or kexec_file_load(2) means on this machine. One errno has
 * several causes; the first entry whose facts hold is the answer. Order of the kernel's checks:
 * Linux 6.12 kernel/kexec.c, kernel/kexec_file.c, crypto/asymmetric_keys/verify_pefile.c.
 */
#include "load/load-int.h"

#include <errno.h>
#include <string.h>

#ifndef ENOTSUPP
#define ENOTSUPP 524 /* the kernel's own number, which it lets slip out */
#endif

struct facts {
	const struct us_plan *plan; /* NULL when unloading */
	const struct us_host *host;
};

static bool no_capability(const struct facts *f)
{
	return f->host->cap_sys_boot.v == US_NO || f->host->init_user_ns.v == US_NO;
}

static bool disabled(const struct facts *f)
{
	return us_known(f->host->load_disabled.o) && f->host->load_disabled.v;
}

static bool limit_reached(const struct facts *f)
{
	bool crash = f->plan && f->plan->purpose == US_CRASH;
	const struct us_fact_i64 *limit = crash ? &f->host->limit_panic : &f->host->limit_reboot;

	return us_known(limit->o) && limit->v == 0;
}

static bool locked_down(const struct facts *f)
{
	return us_known(f->host->lockdown.o) && *f->host->lockdown.v &&
	       strcmp(f->host->lockdown.v, "none") != 0;
}

static bool secure_boot(const struct facts *f)
{
	return f->host->secure_boot.v == US_YES;
}

static bool is_crash(const struct facts *f)
{
	return f->plan && f->plan->purpose == US_CRASH;
}

static bool no_5level(const struct facts *f)
{
	const struct us_image *image = f->plan ? f->plan->image : NULL;

	return image && image->kind == US_IMAGE_BZIMAGE &&
	       !(image->setup.xloadflags & US_XLF_5LEVEL) && f->host->paging_levels.v == 5;
}

static bool cmdline_long(const struct facts *f)
{
	const struct us_image *image = f->plan ? f->plan->image : NULL;

	return image && image->cmdline_max &&
	       strlen(f->plan->cmdline) + 1 + 30 > image->cmdline_max;
}

static bool optional_flags(const struct facts *f)
{
	return f->plan && f->plan->flags & (US_KEXEC_FILE_NO_CMA | US_KEXEC_FILE_FORCE_DTB);
}

static bool hotplug_flag(const struct facts *f)
{
	return f->plan && f->plan->flags & US_KEXEC_UPDATE_ELFCOREHDR;
}

static const struct {
	enum us_call call; /* US_CALL_AUTO: both */
	int os_errno;
	bool (*holds)(const struct facts *f); /* NULL: always */
	const char *meaning;
} meanings[] = {
	{ US_CALL_AUTO, EPERM, no_capability,
	  "the capability CAP_SYS_BOOT in the initial user namespace is missing: run as root" },
	{ US_CALL_AUTO, EPERM, disabled,
	  "kernel.kexec_load_disabled is 1: nothing can be loaded until the next boot" },
	{ US_CALL_AUTO, EPERM, limit_reached,
	  "the number of loads that kernel.kexec_load_limit_reboot or _panic allows is used up" },
	{ US_CALL_LOAD, EPERM, locked_down,
	  "the running kernel is locked down and takes no kernel by kexec_load, which carries no "
	  "signature: use kexec_file_load" },
	{ US_CALL_FILE, EPERM, locked_down,
	  "the running kernel is locked down and found no signature on the image that it trusts" },
	{ US_CALL_AUTO, EPERM, NULL,
	  "not permitted: a capability, a kexec_load_ sysctl or lockdown; what could be read does "
	  "not say which" },
	{ US_CALL_LOAD, EACCES, secure_boot,
	  "under Secure Boot IMA wants to see the image's signature, which kexec_load does not "
	  "carry: use kexec_file_load" },
	{ US_CALL_LOAD, EACCES, NULL,
	  "a security module (IMA) refuses kexec_load: use kexec_file_load" },
	{ US_CALL_FILE, EACCES, NULL,
	  "a security module refuses this file: IMA appraises kernels and found no valid label "
	  "(security.ima) or signature on it" },
	{ US_CALL_AUTO, EBUSY, NULL,
	  "another load is under way, or CPUs are stuck in the kernel: try again" },
	{ US_CALL_FILE, ENOEXEC, no_5level,
	  "the running kernel uses 5-level paging and the image cannot be entered so (xloadflags "
	  "bit 5, XLF_5LEVEL, is 0)" },
	{ US_CALL_FILE, ENOEXEC, NULL,
	  "no loader of the running kernel takes this image: its format, architecture or boot "
	  "protocol" },
	{ US_CALL_FILE, EINVAL, cmdline_long,
	  "the command line is too long: kexec_file_load keeps 30 bytes of the image's limit for "
	  "itself" },
	{ US_CALL_FILE, EINVAL, optional_flags,
	  "the running kernel does not know one of the flags that were asked for" },
	{ US_CALL_FILE, EINVAL, NULL,
	  "the kernel refused the arguments: command line, flags, or segments that are larger than "
	  "half of the memory or than their place (a damaged init_size)" },
	{ US_CALL_LOAD, EINVAL, hotplug_flag,
	  "the running kernel does not know KEXEC_UPDATE_ELFCOREHDR (Linux 6.6, "
	  "CONFIG_CRASH_HOTPLUG): load without hotplug support" },
	{ US_CALL_LOAD, EINVAL, NULL,
	  "the kernel refused the segments: they overlap or take more than half of the memory, or "
	  "a flag is not known to it" },
	{ US_CALL_AUTO, EADDRNOTAVAIL, is_crash,
	  "the segments do not fit into the crash reservation, or nothing is reserved "
	  "(crashkernel=)" },
	{ US_CALL_AUTO, EADDRNOTAVAIL, NULL, "there is no hole in memory that holds a segment" },
	{ US_CALL_AUTO, ENOMEM, NULL,
	  "the running kernel has not enough free memory to keep the new one until the jump" },
	{ US_CALL_LOAD, ENOSYS, NULL, "the running kernel has no kexec_load (CONFIG_KEXEC=n)" },
	{ US_CALL_FILE, ENOSYS, NULL,
	  "the running kernel has no kexec_file_load (CONFIG_KEXEC_FILE=n)" },
	{ US_CALL_FILE, ENODATA, NULL, "signatures are enforced and the image carries none" },
	{ US_CALL_FILE, ENOKEY, NULL,
	  "signatures are enforced and no key in the kernel's keyrings (.builtin, .secondary, "
	  ".platform) belongs to the image's signer" },
	{ US_CALL_FILE, EKEYREJECTED, NULL,
	  "signatures are enforced and the image's does not hold: the file was changed after "
	  "signing, its key is revoked, or the kernel cannot verify this format" },
	{ US_CALL_FILE, ELIBBAD, NULL,
	  "signatures are enforced and the image's PE headers or certificate table are damaged" },
	{ US_CALL_FILE, ENOPKG, NULL,
	  "signatures are enforced and the kernel lacks the hash or key algorithm of the image's" },
	{ US_CALL_FILE, EBADMSG, NULL,
	  "signatures are enforced and the image's signature cannot be parsed" },
	{ US_CALL_FILE, EMSGSIZE, NULL,
	  "signatures are enforced and the image's signature has a wrong length" },
	{ US_CALL_FILE, ENOTSUPP, NULL,
	  "signatures are enforced and the image's signature wrapper is of a kind that the kernel "
	  "does not support (error 524)" },
	{ US_CALL_FILE, ETXTBSY, NULL, "a program has the image open for writing" },
	{ US_CALL_FILE, EFBIG, NULL, "the image or the initrd is too large (4 GiB at most)" },
	{ US_CALL_FILE, EIO, NULL, "the image or the initrd could not be read" },
};

const char *us_errno_meaning(const struct us_plan *plan, const struct us_host *host,
			     enum us_call call, int os_errno)
{
	const struct facts facts = { plan, host };

	for (size_t i = 0; i < us_array_size(meanings); i++)
		if (meanings[i].os_errno == os_errno &&
		    (meanings[i].call == call || meanings[i].call == US_CALL_AUTO) &&
		    (!meanings[i].holds || meanings[i].holds(&facts)))
			return meanings[i].meaning;
	return "no meaning of this error is known for this call; the kernel's log may say more";
}
