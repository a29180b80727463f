/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of another kdump service as ours: Debian's /etc/default/kdump-tools
 * (kdump-tools(5), 1.8 and 1.10), Fedora's /etc/kdump.conf (kdump.conf(5), kdump-utils 1.0.61) with
 * /etc/sysconfig/kdump. The shell files are read as lines KEY=VALUE and never run: a value that a
 * shell would work out is left out. What has no like here, or needs none, becomes a note.
 */
#include "crash/import-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEBIAN     "/etc/default/kdump-tools"
#define CONF       "/etc/kdump.conf"
#define SYSCONFIG  "/etc/sysconfig/kdump"
#define FSTAB      "/etc/fstab"
#define KEY        "/root/.ssh/kdump_id_rsa" /* of both services, where nothing is said */
#define MAX_FILE   65536
#define MAX_VALUES 256

struct value {
	const char *key, *value, *file;
	size_t line;
};

struct import {
	struct us_pool *pool;
	struct us_bytes fstab;
	struct value *values;
	size_t n;
	struct us_text text;
	const char **notes;
	size_t n_notes, cap_notes;
};

/* How a key of theirs is taken over; arg is of the table. */
typedef struct us_err *take_fn(struct import *im, const struct value *v, const char *arg);

struct rule {
	const char *key;
	take_fn *take;
	const char *arg;
};

/* ---- what comes out ---- */

static struct us_err *add_note(struct import *im, const char *text)
{
	if (!text)
		return us_err_nomem();
	if (im->n_notes + 1 >= im->cap_notes) {
		size_t cap = im->cap_notes ? im->cap_notes * 2 : 16;
		const char **more = us_pool_array(im->pool, cap, sizeof(*more));

		if (!more)
			return us_err_nomem();
		if (im->n_notes)
			memcpy(more, im->notes, im->n_notes * sizeof(*more));
		im->notes = more;
		im->cap_notes = cap;
	}
	im->notes[im->n_notes++] = text;
	return NULL;
}

static struct us_err *note(struct import *im, const struct value *v, const char *says)
{
	return add_note(im,
			us_pool_format(im->pool, "%s:%zu: %s: %s", v->file, v->line, v->key, says));
}

static struct us_err *note_word(struct import *im, const struct value *v, const char *word,
				const char *says)
{
	return add_note(im, us_pool_format(im->pool, "%s:%zu: %s: %s: %s", v->file, v->line, v->key,
					   word, says));
}

/* The line "key = value", if our configuration takes it behind what stands there already. value
 * NULL: there was no memory for it. */
static struct us_err *say(struct import *im, const struct value *v, const char *key,
			  const char *value)
{
	_us_crash_config_free_ struct us_crash_config *config = NULL;
	_us_err_free_ struct us_err *err = NULL;
	size_t before = im->text.n;
	const char *why;

	if (!value)
		return us_err_nomem();
	if (strstr(value, " #") || strstr(value, "\t#") || *value == '#')
		return note_word(im, v, value, "a comment would begin in it");
	us_text_add(&im->text, "%s = %s\n", key, value);
	if (im->text.failed)
		return us_err_nomem();
	err = us_crash_config_parse(us_bytes_of(im->text.s, im->text.n), "", &config);
	if (!err)
		return NULL;
	im->text.n = before;
	im->text.s[before] = '\0';
	if (err->code != US_ERR_BAD_DATA)
		return us_steal(&err);
	why = strstr(err->text, ": ");
	return note(im, v, why ? why + 2 : err->text);
}

/* ---- how a key is taken ---- */

static struct us_err *copy(struct import *im, const struct value *v, const char *arg)
{
	return say(im, v, arg, v->value);
}

static struct us_err *tell(struct import *im, const struct value *v, const char *arg)
{
	return note(im, v, arg);
}

/* Another key takes it along, or it changes nothing here. */
static struct us_err *quiet(struct import *im, const struct value *v, const char *arg)
{
	(void)im;
	(void)v;
	(void)arg;
	return NULL;
}

/* "0" says something, everything else is what happens anyway. */
static struct us_err *tell_zero(struct import *im, const struct value *v, const char *arg)
{
	return strcmp(v->value, "0") ? NULL : note(im, v, arg);
}

/* The next word of *at, in pool; NULL at the end (or without memory, which the pool reports next). */
static char *next_word(struct us_pool *pool, const char **at)
{
	const char *p = *at + strspn(*at, " \t");
	size_t n = strcspn(p, " \t");

	*at = p + n;
	return n ? us_pool_strndup(pool, p, n) : NULL;
}

static struct us_err *keep_some(struct import *im, const struct value *v, const char *arg)
{
	uint64_t n;

	(void)arg;
	if (!us_text_u64(v->value, 10, &n))
		return note(im, v, "it is no number");
	if (!n)
		return NULL;
	US_TRY(say(im, v, "prune", "yes"));
	return say(im, v, "max-crashes", v->value);
}

/* The links are kept to the kernel that runs. */
static struct us_err *kernel_path(struct import *im, const struct value *v, const char *arg)
{
	return strcmp(v->value, arg) ? say(im, v, "kernel", v->value) : NULL;
}

static const struct {
	const char *option;
	bool value;
	const char *key, *is; /* our key, and its value unless the option has one */
	const char *says;     /* note */
} makedumpfile_options[] = {
	{ "-d", true, "level", NULL, NULL },
	{ "-c", false, "codec", "zlib", NULL },
	{ "-l", false, "codec", "lzo", NULL },
	{ "-p", false, "codec", "snappy", NULL },
	{ "-z", false, "codec", "zstd", NULL },
	{ "--num-threads", true, "jobs", NULL, NULL },
	{ "-F", false, NULL, NULL, NULL },
	{ "-f", false, NULL, NULL, NULL },
	{ "-D", false, NULL, NULL, NULL },
	{ "--message-level", true, NULL, NULL, NULL },
	{ "--cyclic-buffer", true, NULL, NULL, NULL },
	{ "-E", false, NULL, NULL,
	  "dumps are kdump-compressed; understudy convert makes ELF of one" },
	{ "-x", true, NULL, NULL, "no debug information is needed to filter" },
	{ "--dump-dmesg", false, NULL, NULL, "the kernel log is always saved first" },
};

static struct us_err *makedumpfile_option(struct import *im, const struct value *v, char *word,
					  const char **at)
{
	char *value = !strncmp(word, "--", 2) ? strchr(word, '=') : NULL;

	if (value)
		*value++ = '\0';
	else if (word[1] == 'd' && word[2]) { /* -d31 */
		value = us_pool_strdup(im->pool, word + 2);
		word[2] = '\0';
	}
	for (size_t i = 0; i < us_array_size(makedumpfile_options); i++) {
		if (strcmp(makedumpfile_options[i].option, word))
			continue;
		if (makedumpfile_options[i].value && !value)
			value = next_word(im->pool, at);
		if (makedumpfile_options[i].says)
			return note_word(im, v, word, makedumpfile_options[i].says);
		if (!makedumpfile_options[i].key)
			return NULL;
		if (!makedumpfile_options[i].value)
			return say(im, v, makedumpfile_options[i].key, makedumpfile_options[i].is);
		if (!value)
			return note_word(im, v, word, "its value is missing");
		value[strcspn(value, ",")] =
			'\0'; /* levels for another try: ours rises by itself */
		return say(im, v, makedumpfile_options[i].key, value);
	}
	return note_word(im, v, word, "this option of makedumpfile has no like here");
}

static struct us_err *makedumpfile_words(struct import *im, const struct value *v, const char *at)
{
	char *word;

	while ((word = next_word(im->pool, &at))) {
		if (word[0] == '-' && word[1])
			US_TRY(makedumpfile_option(im, v, word, &at));
		else
			US_TRY(note_word(im, v, word, "it is no option of makedumpfile"));
	}
	return NULL;
}

static struct us_err *makedumpfile_args(struct import *im, const struct value *v, const char *arg)
{
	(void)arg;
	return makedumpfile_words(im, v, v->value);
}

static struct us_err *collector(struct import *im, const struct value *v, const char *arg)
{
	const char *at = v->value;
	char *program = next_word(im->pool, &at);
	const char *name = program ? strrchr(program, '/') : NULL;

	(void)arg;
	if (program && !strcmp(name ? name + 1 : program, "makedumpfile"))
		return makedumpfile_words(im, v, at);
	return note(im, v, "only makedumpfile has a like here: the dump is filtered and packed");
}

static struct us_err *kexec_args(struct import *im, const struct value *v, const char *arg)
{
	static const struct {
		const char *option, *call;
	} calls[] = { { "-s", "file" }, { "--kexec-file-syscall", "file" },
		      { "-c", "load" }, { "--kexec-syscall", "load" },
		      { "-a", "auto" }, { "--kexec-syscall-auto", "auto" } };
	const char *at = v->value;
	char *word;

	(void)arg;
	while ((word = next_word(im->pool, &at))) {
		size_t i = 0;

		while (i < us_array_size(calls) && strcmp(calls[i].option, word))
			i++;
		if (i < us_array_size(calls))
			US_TRY(say(im, v, "call", calls[i].call));
		else
			US_TRY(note_word(im, v, word, "this option of kexec has no like here"));
	}
	return NULL;
}

/* Words of these names are put on the capture kernel's command line where facts ask for them, or
 * are for programs that are not in the capture image. A dot at the end: all that begin so. */
static const char *const own_words[] = {
	"reset_devices",
	"irqpoll",
	"usbcore.nousb",
	"cgroup_disable",
	"mce",
	"numa",
	"panic",
	"acpi_no_memhotplug",
	"transparent_hugepage",
	"nokaslr",
	"hest_disable",
	"novmcoredd",
	"cma",
	"hugetlb_cma",
	"pcie_ports",
	"disable_cpu_apicid",
	"initramfs_options",
	"rootflags",
	"swiotlb",
	"kfence.sample_interval",
	"cryptomgr.notests",
	"ata_piix.prefer_ms_hyperv",
	"root",
	"ro",
	"rw",
	"quiet",
	"splash",
	"crashkernel",
	"elfcorehdr",
	"init",
	"systemd.",
	"rd.",
	"udev.",
};

static bool is_own_word(const char *word)
{
	size_t n = strcspn(word, "=");

	for (size_t i = 0; i < us_array_size(own_words); i++) {
		size_t len = strlen(own_words[i]);
		bool begins = own_words[i][len - 1] == '.';

		if (begins ? !strncmp(word, own_words[i], len)
			   : n == len && !strncmp(word, own_words[i], n))
			return true;
	}
	return false;
}

static struct us_err *kernel_words(struct import *im, const struct value *v, const char *arg)
{
	_us_text_deinit_ struct us_text left = { 0 }, taken = { 0 };
	const char *at = v->value;
	char *word;

	while ((word = next_word(im->pool, &at))) {
		if (!strncmp(word, "nr_cpus=", 8) || !strncmp(word, "maxcpus=", 8))
			US_TRY(say(im, v, "cpus", word + 8));
		else
			us_text_add(is_own_word(word) ? &left : &taken, " %s", word);
	}
	if (left.failed || taken.failed)
		return us_err_nomem();
	if (taken.n)
		US_TRY(say(im, v, arg, taken.s + 1));
	return left.n ? note_word(im, v, left.s + 1,
				  "the command line is built up from facts, with a reason for each "
				  "word")
		      : NULL;
}

static struct us_err *fence_args(struct import *im, const struct value *v, const char *arg)
{
	const char *at = v->value;
	char *word;

	while ((word = next_word(im->pool, &at)))
		if (!strcmp(word, "-p") && (word = next_word(im->pool, &at)))
			US_TRY(say(im, v, arg, word));
	return NULL;
}

static struct us_err *failure_action(struct import *im, const struct value *v, const char *arg)
{
	if (!strcmp(v->value, "reboot") || !strcmp(v->value, "dump_to_rootfs"))
		return NULL; /* the latter is one more target */
	return note(im, v, arg);
}

/* ---- the tables ---- */

#define BUILT  "the capture image is built by understudy and compared by content"
#define SCRIPT "the capture kernel prints a line for each stage; there are no levels"

static const struct rule debian_rules[] = {
	{ "USE_KDUMP", tell_zero, "it is switched off there; understudy arm arms in any case" },
	{ "KDUMP_KERNEL", kernel_path, "/var/lib/kdump/vmlinuz" },
	{ "KDUMP_INITRD", quiet, NULL },
	{ "KDUMP_COREDIR", quiet, NULL },
	{ "KDUMP_FAIL_CMD", tell, "a failure falls to the next target and then to less; see final" },
	{ "KDUMP_DUMP_DMESG", tell_zero, "the kernel log is always saved first" },
	{ "KDUMP_NUM_DUMPS", keep_some, NULL },
	{ "KDUMP_COMPRESSION", tell, "pages are packed one by one, so that a dump stays readable" },
	{ "MAKEDUMP_ARGS", makedumpfile_args, NULL },
	{ "KDUMP_KEXEC_ARGS", kexec_args, NULL },
	{ "KDUMP_CMDLINE", tell, "the capture kernel's command line is never made of another one" },
	{ "KDUMP_CMDLINE_APPEND", kernel_words, "append" },
	{ "HOSTTAG", tell,
	  "crashes are named by time and release: give each machine a directory of its own" },
	{ "NFS", quiet, NULL },
	{ "NFS_TIMEO", quiet, NULL },
	{ "NFS_RETRANS", quiet, NULL },
	{ "NFS_MOUNT_RETRY", tell, "tries go on until the target's budget=" },
	{ "FTP", tell, "there is no FTP target: SSH, HTTP and S3 are the likes" },
	{ "FTP_USER", quiet, NULL },
	{ "FTP_PASSWORD", quiet, NULL },
	{ "FTP_PORT", quiet, NULL },
	{ "SSH", quiet, NULL },
	{ "SSH_KEY", quiet, NULL },
	{ "SSH_KDUMP_RETRY", tell, "tries go on until the target's budget=" },
	{ "SSH_KDUMP_RETRY_INTERVAL", tell, "tries go on until the target's budget=" },
};

#define GONE "kdump.conf(5) has no such key any more"

static const struct rule conf_rules[] = {
	{ "path", quiet, NULL },
	{ "raw", quiet, NULL },
	{ "nfs", quiet, NULL },
	{ "ssh", quiet, NULL },
	{ "sshkey", quiet, NULL },
	{ "ext2", quiet, NULL },
	{ "ext3", quiet, NULL },
	{ "ext4", quiet, NULL },
	{ "xfs", quiet, NULL },
	{ "btrfs", quiet, NULL },
	{ "minix", quiet, NULL },
	{ "virtiofs", tell, "there is no virtiofs target" },
	{ "core_collector", collector, NULL },
	{ "kdump_pre", copy, "pre" },
	{ "kdump_post", copy, "post" },
	{ "kdump_emergency", tell, "there is no hook for a failure; post is run in any case" },
	{ "extra_bins", copy, "extra-programs" },
	{ "extra_modules", copy, "extra-modules" },
	{ "failure_action", failure_action,
	  "a failure falls to the next target and then to less; see final" },
	{ "default", failure_action,
	  "a failure falls to the next target and then to less; see final" },
	{ "final_action", copy, "final" },
	{ "auto_reset_crashkernel", tell,
	  "understudy size says what to reserve and changes no boot "
	  "loader" },
	{ "force_rebuild", tell, BUILT },
	{ "force_no_rebuild", tell, BUILT },
	{ "dracut_args", tell, BUILT },
	{ "fence_kdump_args", fence_args, "fence-port" },
	{ "fence_kdump_nodes", copy, "fence-nodes" },
	{ "net", tell, GONE },
	{ "options", tell, GONE },
	{ "link_delay", tell, GONE },
	{ "disk_timeout", tell, GONE },
	{ "debug_mem_level", tell, GONE },
	{ "blacklist", tell, GONE },
};

static const struct rule sysconfig_rules[] = {
	{ "KDUMP_KERNELVER", quiet, NULL },
	{ "KDUMP_BOOTDIR", quiet, NULL },
	{ "KDUMP_IMG", quiet, NULL },
	{ "KDUMP_IMG_EXT", quiet, NULL },
	{ "KDUMP_COMMANDLINE", tell,
	  "the capture kernel's command line is never made of another one" },
	{ "KDUMP_COMMANDLINE_REMOVE", quiet,
	  NULL }, /* nothing is inherited that could be removed */
	{ "KDUMP_COMMANDLINE_APPEND", kernel_words, "append" },
	{ "FADUMP_COMMANDLINE_APPEND", quiet, NULL },
	{ "KEXEC_ARGS", kexec_args, NULL },
	{ "VMCORE_CREATION_NOTIFICATION", tell, "see webhook" },
	{ "KDUMP_STDLOGLVL", tell, SCRIPT },
	{ "KDUMP_SYSLOGLVL", tell, SCRIPT },
	{ "KDUMP_KMSGLOGLVL", tell, SCRIPT },
};

/* ---- reading ---- */

static struct us_err *add_value(struct import *im, const char *file, size_t line, const char *key,
				const char *value)
{
	if (!key || !value)
		return us_err_nomem();
	if (im->n == MAX_VALUES)
		return us_err_new(US_ERR_BAD_DATA, "%s:%zu: there are more than %d values", file,
				  line, MAX_VALUES);
	im->values[im->n++] = (struct value){ key, value, file, line };
	return NULL;
}

/*
 * What a shell would make of the word at s, in place, without running anything. NULL: all well, and
 * *ret_end is behind it.
 */
static const char *unquote(char *s, const char **ret_end)
{
	char quote = '\0', *out = s;

	for (; *s && (quote || !strchr(" \t;&|<>()", *s)); s++) {
		if (quote == '\'' ? *s == quote : *s == '"' || (!quote && *s == '\'')) {
			quote = quote ? '\0' : *s;
			continue;
		}
		if (quote != '\'') {
			if (*s == '$' || *s == '`')
				return "a shell would work this out, and nothing is run here";
			if (*s == '\\' && s[1] && (!quote || strchr("\"\\$`", s[1])))
				s++;
		}
		*out++ = *s;
	}
	if (quote)
		return "its quotation mark is not closed on this line";
	*ret_end = s + strspn(s, " \t;");
	if (**ret_end && **ret_end != '#')
		return "a shell would run what stands behind it";
	*out = '\0';
	return NULL;
}

static struct us_err *shell_line(struct import *im, const char *file, size_t number, char *line)
{
	char *key = line, *value;
	const char *why, *end = NULL;
	size_t n;

	if (!strncmp(key, "export ", 7))
		key = us_text_strip(key + 7);
	n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
	if (!n || key[n] != '=')
		return add_note(im, us_pool_format(im->pool,
						   "%s:%zu: \"%.64s\" is no KEY=VALUE and "
						   "is not run",
						   file, number, line));
	key[n] = '\0';
	value = key + n + 1;
	why = unquote(value, &end);
	if (why)
		return add_note(im,
				us_pool_format(im->pool, "%s:%zu: %s: %s", file, number, key, why));
	return add_value(im, file, number, us_pool_strdup(im->pool, key),
			 us_pool_strdup(im->pool, us_text_strip(value)));
}

static struct us_err *conf_line(struct import *im, const char *file, size_t number, char *line)
{
	size_t n = strcspn(line, " \t");
	char *value = line + n;

	if (*value)
		*value++ = '\0';
	for (char *c = value; (c = strchr(c, '#')); c++)
		if (c == value || c[-1] == ' ' || c[-1] == '\t') {
			*c = '\0';
			break;
		}
	return add_value(im, file, number, us_pool_strdup(im->pool, line),
			 us_pool_strdup(im->pool, us_text_strip(value)));
}

static struct us_err *read_lines(struct import *im, const char *file, struct us_bytes text,
				 struct us_err *(*take)(struct import *, const char *, size_t,
							char *))
{
	char *line, *end;

	if (!text.p)
		return NULL;
	if (memchr(text.p, 0, text.n))
		return us_err_new(US_ERR_BAD_DATA, "%s: a zero byte: it is no text", file);
	line = us_pool_strndup(im->pool, (const char *)text.p, text.n);
	if (!line)
		return us_err_nomem();
	for (size_t number = 1; line; number++, line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		line = us_text_strip(line);
		for (char *c = line; *c; c++)
			if (iscntrl((unsigned char)*c) && *c != '\t')
				return us_err_new(US_ERR_BAD_DATA, "%s:%zu: a control character",
						  file, number);
		if (*line && *line != '#')
			US_TRY(take(im, file, number, line));
	}
	return NULL;
}

/* The last of a key counts, as for the service; NULL: not there or empty. */
static const struct value *get(const struct import *im, const char *key)
{
	for (size_t i = im->n; i--;)
		if (!strcmp(im->values[i].key, key))
			return *im->values[i].value ? &im->values[i] : NULL;
	return NULL;
}

static const char *text_of(const struct import *im, const char *key, const char *fallback)
{
	const struct value *v = get(im, key);

	return v ? v->value : fallback;
}

/* All values of file, each by its rule. */
static struct us_err *apply(struct import *im, const char *file, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < im->n; i++) {
		const struct value *v = &im->values[i];
		size_t at = 0;

		if (strcmp(v->file, file) || get(im, v->key) != v)
			continue;
		while (at < n && strcmp(rules[at].key, v->key))
			at++;
		if (at < n)
			US_TRY(rules[at].take(im, v, rules[at].arg));
		else
			US_TRY(note(im, v, "it is no key of this file that is known here"));
	}
	return NULL;
}

/* ---- targets ---- */

/* "host:/export" to nfs://host/export, with dir ("" = none) below it. */
static struct us_err *nfs_target(struct import *im, const struct value *v, const char *dir,
				 const char *options)
{
	const char *colon = strstr(v->value, ":/");

	if (!colon)
		return note(im, v, "it is not HOST:/EXPORT");
	return say(im, v, "target",
		   us_pool_format(im->pool, "nfs://%.*s%s%s%s%s", (int)(colon - v->value), v->value,
				  colon + 1, *dir ? "/" : "", dir, options));
}

static struct us_err *ssh_target(struct import *im, const struct value *v, const char *dir,
				 const char *key)
{
	return say(im, v, "target",
		   us_pool_format(im->pool, "ssh://%s%s identity=%s", v->value, dir, key));
}

static struct us_err *debian_targets(struct import *im)
{
	const struct value *ssh = get(im, "SSH"), *nfs = get(im, "NFS"),
			   *dir = get(im, "KDUMP_COREDIR");
	const char *path = dir ? dir->value : "/var/crash";

	if (nfs)
		US_TRY(nfs_target(im, nfs, "",
				  us_pool_format(im->pool, " options=timeo=%s,retrans=%s",
						 text_of(im, "NFS_TIMEO", "600"),
						 text_of(im, "NFS_RETRANS", "3"))));
	if (ssh)
		US_TRY(ssh_target(im, ssh, path, text_of(im, "SSH_KEY", KEY)));
	if (ssh || nfs || !dir)
		return NULL;
	return say(im, dir, "target", path);
}

/* The directory that /etc/fstab mounts device on, or NULL. */
static const char *mount_point(struct import *im, const char *device)
{
	const char *at = im->fstab.p
				 ? us_pool_strndup(im->pool, (const char *)im->fstab.p, im->fstab.n)
				 : NULL;

	while (at && *at) {
		const char *line_end = at + strcspn(at, "\n");
		char *line = us_pool_strndup(im->pool, at, (size_t)(line_end - at));
		const char *words = line;
		const char *first = line ? next_word(im->pool, &words) : NULL;
		const char *second = first ? next_word(im->pool, &words) : NULL;

		if (second && !strcmp(first, device) && *second == '/')
			return second;
		at = line_end + (*line_end == '\n');
	}
	return NULL;
}

static struct us_err *device_target(struct import *im, const struct value *v, const char *path)
{
	_us_text_deinit_ struct us_text device = { 0 };
	const char *mount;

	for (const char *c = v->value; *c; c++) /* LABEL="x" is written without quotes in fstab */
		if (*c != '"')
			us_text_put(&device, c, 1);
	us_text_put(&device, "", 0);
	if (device.failed)
		return us_err_nomem();
	mount = mount_point(im, device.s);
	if (!mount)
		return note(
			im, v,
			"no line of /etc/fstab mounts it: mount it, and say target = /DIRECTORY");
	return say(im, v, "target",
		   us_pool_format(im->pool, "%s%s", strcmp(mount, "/") ? mount : "", path));
}

static struct us_err *conf_targets(struct import *im)
{
	static const char *const systems[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", "minix" };
	const struct value *nfs = get(im, "nfs"), *ssh = get(im, "ssh"), *raw = get(im, "raw");
	const struct value *failure = get(im, "failure_action"), *dir = get(im, "path");
	const char *path = dir ? dir->value : "/var/crash";
	size_t before = im->text.n;

	if (*path != '/')
		path = us_pool_format(im->pool, "/%s", path);
	if (!path)
		return us_err_nomem();
	if (nfs)
		US_TRY(nfs_target(im, nfs, path, ""));
	if (ssh)
		US_TRY(ssh_target(im, ssh, path, text_of(im, "sshkey", KEY)));
	if (raw) {
		US_TRY(say(im, raw, "target", us_pool_format(im->pool, "raw:%s", raw->value)));
		US_TRY(note(im, raw, "understudy arm puts a mark at the partition's end"));
	}
	for (size_t i = 0; i < us_array_size(systems); i++)
		if (get(im, systems[i]))
			US_TRY(device_target(im, get(im, systems[i]), path));
	if (!failure)
		failure = get(im, "default");
	if (failure && !strcmp(failure->value, "dump_to_rootfs") && im->text.n != before)
		return say(im, failure, "target", path);
	return dir && im->text.n == before ? say(im, dir, "target", path) : NULL;
}

static struct us_err *sysconfig_kernel(struct import *im)
{
	const struct value *v = get(im, "KDUMP_KERNELVER");

	return v ? say(im, v, "kernel",
		       us_pool_format(im->pool, "%s/%s-%s%s", text_of(im, "KDUMP_BOOTDIR", "/boot"),
				      text_of(im, "KDUMP_IMG", "vmlinuz"), v->value,
				      text_of(im, "KDUMP_IMG_EXT", "")))
		 : NULL;
}

/* ---- the whole ---- */

static struct us_err *import_debian(struct import *im, const struct us_import_files *files)
{
	us_text_add(&im->text, "# From " DEBIAN "\n");
	US_TRY(read_lines(im, DEBIAN, files->debian, shell_line));
	US_TRY(debian_targets(im));
	US_TRY(apply(im, DEBIAN, debian_rules, us_array_size(debian_rules)));
	return add_note(
		im, "kdump-tools would load its own kernel again, at each start and by its udev "
		    "rule when CPUs or memory come: apt-get remove kdump-tools");
}

static struct us_err *import_fedora(struct import *im, const struct us_import_files *files)
{
	us_text_add(&im->text, "# From %s\n",
		    !files->sysconfig.p ? CONF
		    : files->conf.p     ? CONF " and " SYSCONFIG
					: SYSCONFIG);
	US_TRY(read_lines(im, CONF, files->conf, conf_line));
	US_TRY(read_lines(im, SYSCONFIG, files->sysconfig, shell_line));
	US_TRY(conf_targets(im));
	US_TRY(sysconfig_kernel(im));
	US_TRY(apply(im, CONF, conf_rules, us_array_size(conf_rules)));
	US_TRY(apply(im, SYSCONFIG, sysconfig_rules, us_array_size(sysconfig_rules)));
	return add_note(im, "kdump.service would arm its own kernel again: systemctl disable kdump");
}

static struct us_err *finish(struct import *im, const char **ret_text, const char *const **ret_notes)
{
	const char *text;

	us_text_add(&im->text, "\n");
	for (size_t i = 0; i < im->n_notes; i++)
		us_text_add(&im->text, "# %s\n", im->notes[i]);
	if (im->text.failed)
		return us_err_nomem();
	text = us_pool_strdup(im->pool, im->text.s);
	if (!text)
		return us_err_nomem();
	im->notes[im->n_notes] = NULL; /* add_note() leaves room */
	*ret_text = text;
	*ret_notes = im->notes;
	return NULL;
}

struct us_err *us_import_texts(const struct us_import_files *files, struct us_pool *pool,
			       const char **ret_text, const char *const **ret_notes)
{
	struct import im = { .pool = pool, .fstab = files->fstab };
	struct us_err *err;

	if (!files->debian.p && !files->conf.p && !files->sysconfig.p)
		return us_err_new(US_ERR_NOT_FOUND, "there is nothing to import: neither " DEBIAN
						    " nor " CONF " nor " SYSCONFIG);
	im.values = us_pool_array(pool, MAX_VALUES, sizeof(*im.values));
	if (!im.values)
		return us_err_nomem();
	err = files->debian.p ? import_debian(&im, files) : import_fedora(&im, files);
	if (!err)
		err = finish(&im, ret_text, ret_notes);
	us_text_deinit(&im.text);
	return err;
}

/* Missing: *ret stays empty. */
static struct us_err *read_if_there(int root_fd, const char *path, struct us_pool *pool,
				    struct us_bytes *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_err *err = us_file_read_at(root_fd, path, MAX_FILE, &blob);

	if (!err)
		return us_pool_adopt(pool, &blob, ret);
	if (err->code != US_ERR_NOT_FOUND)
		return err;
	us_err_free(err);
	return NULL;
}

struct us_err *us_crash_import(int root_fd, struct us_pool *pool, const char **ret_text,
			       const char *const **ret_notes)
{
	struct us_import_files files = { 0 };

	US_TRY(read_if_there(root_fd, DEBIAN, pool, &files.debian));
	US_TRY(read_if_there(root_fd, CONF, pool, &files.conf));
	US_TRY(read_if_there(root_fd, SYSCONFIG, pool, &files.sysconfig));
	US_TRY(read_if_there(root_fd, FSTAB, pool, &files.fstab));
	return us_import_texts(&files, pool, ret_text, ret_notes);
}
