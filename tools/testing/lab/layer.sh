# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What a script that makes a layer sources, inside a copy of the lab's root that is thrown
# away: what is installed between the two calls is kept, to lie over the root later.

layer_begin()
{
	touch /tmp/start
}

layer_keep()
{
	test -z "$(dpkg --audit)"
	echo "keeping what is new"
	mkdir /mnt/layer
	find / -xdev \( -path /mnt -o -path /var/cache -o -path /var/lib/apt \
			-o -path /var/log -o -path /usr/share/doc -o -path /usr/share/man \
			-o -path '/usr/lib/modules/*/dtb' \) -prune \
		-o ! -type d -cnewer /tmp/start -print0 |
		tar -c --null --no-recursion -T - 2> /dev/null | tar -x -C /mnt/layer
}
