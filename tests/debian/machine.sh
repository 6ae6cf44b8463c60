#!/bin/sh
# A machine to install packages on: `unshare` gives it namespaces of its own, this script a copy of the system that is
# forgotten with them, and systemd as its first process, which runs one command and nothing else.
#
# usage: machine.sh FOLDER PROJECT COMMAND…    FOLDER is /machine in there, PROJECT is where it is
set -eu
folder=$1 project=$2
shift 2
case $project in
  /?*) ;; # anything else would cover the copy, and be written to instead
  *)
    echo "machine.sh: PROJECT must be an absolute path, not '$project'" >&2
    exit 1
    ;;
esac

# A write to any file goes to memory.
mkdir "$folder/layers" "$folder/out"
mount -t tmpfs layers "$folder/layers"
root=$folder/layers/root
mkdir "$folder/layers/changed" "$folder/layers/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layers/changed,workdir=$folder/layers/work" "$root"

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for each in run tmp; do mount -t tmpfs "$each" "$root/$each"; done
mount -t tmpfs -o mode=755 dev "$root/dev"
for each in null zero full random urandom tty; do
  touch "$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/machine" "$root/$project"
mount --bind "$folder/out" "$root/machine"
mount --bind "$project" "$root/$project"

# Whatever the system starts elsewhere is not started here; nor is it kept from starting what is installed here.
units=$root/etc/systemd/system
mkdir -p "$units"
for each in sysinit basic network-online; do
  rm -rf "$units/$each.target"
  printf '[Unit]\nDefaultDependencies=no\n' >"$units/$each.target"
done
cat >"$units/machine.target" <<'END'
[Unit]
DefaultDependencies=no
Wants=machine.service systemd-journald.service
END
cat >"$units/machine.service" <<END
[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
WorkingDirectory=$project
Environment=PATH=$PATH
StandardOutput=append:/machine/output
StandardError=inherit
ExecStart=$*
ExecStopPost=systemctl --no-block exit
END
rm -f "$root/usr/sbin/policy-rc.d"

ip link set lo up
cd "$root"
mkdir -p before
pivot_root . before
umount -l /before
export container=lxc # systemd then leaves alone what is not a container's
exec /lib/systemd/systemd --system --unit=machine.target
