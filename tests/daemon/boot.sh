#!/bin/sh
# Boots a systemd in namespaces of its own, on an overlay of this system's files, and has it run /out/tried as
# a user with a user manager. Called as: unshare -m -p -f -C -u -i -n boot.sh OVERLAY OUT
# (-n matters: without it the services that are booted see the host's network.) Only OUT is changed outside.
set -e
overlay=$1 out=$2

mount --make-rprivate /
mount -t tmpfs -o size=2g overlay "$overlay"
mkdir -p "$overlay/upper" "$overlay/work" "$overlay/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$overlay/upper,workdir=$overlay/work" "$overlay/root"
root=$overlay/root
mkdir -p "$root/out"
mount --bind "$out" "$root/out"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys" || mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup" 2>/dev/null || true
mkdir -p "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
hostname imgret-test || true
echo imgret-test > /etc/hostname
: > /etc/fstab
echo uninitialized > /etc/machine-id
for unit in systemd-networkd.service systemd-networkd.socket systemd-timesyncd.service systemd-sysctl.service \
  systemd-udevd.service systemd-modules-load.service systemd-resolved.service systemd-udev-trigger.service; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
ip link set lo up 2>/dev/null || true
# A Python below the superuser's home is one that this user may run too.
chmod o+x /root
id imgret >/dev/null 2>&1 || useradd -m -u 1500 imgret
mkdir -p /var/lib/systemd/linger /etc/systemd/system/multi-user.target.wants
touch /var/lib/systemd/linger/imgret
cat > /etc/systemd/system/tried.service <<'UNIT'
[Unit]
After=user@1500.service
Wants=user@1500.service
[Service]
Type=oneshot
User=imgret
WorkingDirectory=/home/imgret
Environment=XDG_RUNTIME_DIR=/run/user/1500 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1500/bus
ExecStart=/bin/sh -c '/bin/sh /out/tried; echo $$? > /out/code'
StandardOutput=append:/out/said
StandardError=append:/out/said
UNIT
ln -sf ../tried.service /etc/systemd/system/multi-user.target.wants/tried.service
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
  /lib/systemd/systemd --system --unit=multi-user.target --log-target=null --show-status=0
