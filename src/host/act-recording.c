/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The action that only writes down: one JSON object a line with the call's name and what was handed
 * to it. Segments are told by place and size, not by contents.
 */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <json-c/json.h>
#include <string.h>

static int answer(void *data, const char *call, struct json_object *args)
{
	struct us_act_recording *recording = data;
	struct json_object *line = json_object_new_object();

	json_object_object_add(line, "call", json_object_new_string(call));
	json_object_object_foreach(args, key, value)
		json_object_object_add(line, key, json_object_get(value));
	fprintf(recording->out, "%s\n",
		json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	fflush(recording->out);
	json_object_put(line);
	json_object_put(args);
	return recording->fail_call && strcmp(recording->fail_call, call) == 0
		       ? recording->fail_errno
		       : 0;
}

static void add_number(struct json_object *object, const char *name, uint64_t v)
{
	json_object_object_add(object, name, json_object_new_uint64(v));
}

static int note_kexec_load(void *data, uint64_t entry, size_t n,
			   const struct us_kexec_segment *segments, uint64_t flags)
{
	struct json_object *args = json_object_new_object(), *list = json_object_new_array();

	add_number(args, "entry", entry);
	add_number(args, "flags", flags);
	for (size_t i = 0; i < n; i++) {
		struct json_object *segment = json_object_new_object();

		add_number(segment, "bufsz", segments[i].bufsz);
		add_number(segment, "mem", segments[i].mem);
		add_number(segment, "memsz", segments[i].memsz);
		json_object_array_add(list, segment);
	}
	json_object_object_add(args, "segments", list);
	return answer(data, "kexec_load", args);
}

static int note_kexec_file_load(void *data, int kernel_fd, int initrd_fd, size_t cmdline_len,
				const char *cmdline, uint64_t flags)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "kernel", json_object_new_boolean(kernel_fd >= 0));
	json_object_object_add(args, "initrd", json_object_new_boolean(initrd_fd >= 0));
	add_number(args, "cmdline_len", cmdline_len);
	json_object_object_add(args, "cmdline", json_object_new_string(cmdline ? cmdline : ""));
	add_number(args, "flags", flags);
	return answer(data, "kexec_file_load", args);
}

static int note_sync(void *data)
{
	return answer(data, "sync_disks", json_object_new_object());
}

static int note_reboot(void *data)
{
	return answer(data, "reboot_kexec", json_object_new_object());
}

static int note_run(void *data, const char *const *argv, int *ret_status)
{
	struct json_object *args = json_object_new_object(), *list = json_object_new_array();

	for (; *argv; argv++)
		json_object_array_add(list, json_object_new_string(*argv));
	json_object_object_add(args, "argv", list);
	*ret_status = 0;
	return answer(data, "run", args);
}

static int note_write_file(void *data, const char *path, struct us_bytes bytes)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "path", json_object_new_string(path));
	json_object_object_add(args, "bytes",
			       json_object_new_string_len((const char *)bytes.p, (int)bytes.n));
	return answer(data, "write_file", args);
}

struct us_act us_act_recording(struct us_act_recording *recording)
{
	return (struct us_act){
		.kexec_load = note_kexec_load,
		.kexec_file_load = note_kexec_file_load,
		.sync_disks = note_sync,
		.reboot_kexec = note_reboot,
		.run = note_run,
		.write_file = note_write_file,
		.data = recording,
		.recording = true,
	};
}
