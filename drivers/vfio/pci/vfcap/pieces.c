// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of which one part is emulated, and another is core's
 */
#include <linux/types.h>

#include "vfcap.h"

/**
 * vfcap_access_pieces - do an access piece by piece
 * @vf: the VF
 * @buf: the bytes
 * @count: how many
 * @ppos: VFIO region offset, advanced by what was done
 * @write: whether it is a write
 * @access: Cut *@count down to the first piece at @pos, and do that. Return how many
 *	bytes of it were done, or -errno.
 *
 * Context: Process context, and what @access demands.
 * Return: bytes done, up to the first piece that was done in part only; or the
 * -errno of a piece, with those before it done.
 */
ssize_t vfcap_access_pieces(struct vfcap_device *vf, char __user *buf,
			    size_t count, loff_t *ppos, bool write,
			    ssize_t (*access)(struct vfcap_device *vf,
					      char __user *buf, size_t *count,
					      loff_t pos, bool write))
{
	size_t done = 0;

	while (done < count) {
		size_t piece = count - done;
		ssize_t ret = access(vf, buf + done, &piece, *ppos + done,
				     write);

		if (ret < 0)
			return ret;
		done += ret;
		if (ret < piece)
			break;
	}

	*ppos += done;
	return done;
}
