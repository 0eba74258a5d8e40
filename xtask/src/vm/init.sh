#!/bin/busybox sh
# The first process of a guest of `cargo xtask vm`: mounts what tests need, loads the modules, runs every
# line of /checks and ends the guest. What it says to the second serial port is read by xtask, which
# takes a guest that leaves out a line for one that failed.
export PATH=/programs:/bin HOME=/ NO_COLOR=1 FIREWALL_GUEST=1 FIREWALL_REQUIRE=bpf,netns,tools,cgroup,interpreter,vlan
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec < /dev/null > /dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mount -t tracefs trace /sys/kernel/tracing
# Namespaces begin with loopback alone, whatever tunnels this kernel knows.
echo 1 > /proc/sys/net/core/fb_tunnels_only_for_init_net
for module in /modules/*; do
  insmod "$module" || echo "GUEST cannot load $module"
done
ip link set lo up
echo "GUEST began $(uname -r)"
while read -r program arguments; do
  echo "GUEST runs $program"
  # Words of arguments are words here too.
  /tests/$program $arguments < /dev/null
  echo "GUEST ran $program, which ended with $?"
done < /checks
echo "GUEST ended"
poweroff -f
