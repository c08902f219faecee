#!/bin/bash
# Builds a small cloud guest image ("cirros-like") from Debian packages only.
#
#   build-guest-image.sh [out.qcow2]
#
# The image: a DOS-partitioned disk that boots by BIOS (syslinux) and by UEFI
# (OVMF; a unified kernel image), with an ext4 root file system that grows to
# the disk it finds itself on.  The guest does DHCP (and SLAAC), reads OpenStack
# or EC2 metadata (or a config drive labelled config-2), sets its host name and
# its SSH keys, runs user data that starts with "#!", runs dropbear, answers
# ping and logs to the serial console (and the VGA console).
#
# Needs no root (uses fakeroot when not root) and no loop device; the packages
# it works with are checked first and named when they are missing.  The image
# appears under its name only when it is complete.
#
# Settings (environment): GUEST_USER=cirros GUEST_PASSWORD=gocubsgo
#   DISK_MB=96 (virtual size as built) UEFI=1 WORK=<scratch dir, kept> DEBS=<dir of .deb files>
#   KERNEL_PKG=<linux-image-...> (default: what linux-image-cloud-amd64 depends on)
set -euo pipefail
step=''
fail() { step=''; echo "build-guest-image: $*" >&2; exit 1; }

export PATH=$PATH:/sbin:/usr/sbin LC_ALL=C
[ "$(uname -m)" = x86_64 ] || fail "it builds x86_64 guests only, and this machine is $(uname -m)."
[ -x "$(command -v apt-get)" ] && [ -x "$(command -v dpkg-deb)" ] || fail "it takes the guest's files from Debian's packages and needs apt; build the image on a Debian or Ubuntu machine."
missing=''
need() { command -v "$1" >/dev/null || [ -e "$1" ] || case " $missing " in *" $2 "*) ;; *) missing="$missing $2";; esac; }
need qemu-img qemu-utils; need mcopy mtools; need mkfs.fat dosfstools; need mke2fs e2fsprogs
need syslinux syslinux; need /usr/lib/syslinux/mbr/mbr.bin syslinux-common; need modprobe kmod; need cpio cpio
need sfdisk fdisk; need objcopy binutils; need busybox busybox-static
[ "${UEFI:-1}" != 1 ] || need /usr/lib/systemd/boot/efi/linuxx64.efi.stub systemd-boot-efi
[ "$(id -u)" = 0 ] || need fakeroot fakeroot
[ -z "$missing" ] || fail "these packages are missing: apt-get install --no-install-recommends$missing"

OUT=$(realpath -m "${1:-tiny-guest.qcow2}"); mkdir -p "$(dirname "$OUT")"
GUEST_USER=${GUEST_USER:-cirros}; GUEST_PASSWORD=${GUEST_PASSWORD:-gocubsgo}
DISK_MB=${DISK_MB:-96}; UEFI=${UEFI:-1}
if [ "$(id -u)" != 0 ]; then exec fakeroot -- bash "$(realpath "$0")" "$OUT"; fi

step='setting up'
scratch=''
finish() {
  status=$?
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
  rm -f "$OUT.part" "${OUT%.qcow2}".{vmlinuz,initrd}.part
  [ $status = 0 ] || [ -z "$step" ] || echo "build-guest-image: it failed while $step." >&2
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
if [ -z "${WORK:-}" ]; then WORK=$(mktemp -d); scratch=$WORK; fi
mkdir -p "$WORK"; DEBS=${DEBS:-$WORK/debs}; mkdir -p "$DEBS"
cd "$WORK"; rm -rf pkg root ird boot; mkdir pkg root ird boot

# --- packages -----------------------------------------------------------------
step="looking up Debian's packages"
kernel_pkg() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/{print $2; exit}' || true; }
KERNEL_PKG=${KERNEL_PKG:-$(kernel_pkg)}
if [ -z "$KERNEL_PKG" ] && [ -z "${FAKEROOTKEY:-}" ]; then apt-get -qq update || true; KERNEL_PKG=$(kernel_pkg); fi
[ -n "$KERNEL_PKG" ] || fail "apt knows no linux-image-cloud-amd64: run apt-get update as root, with Debian's archive among apt's sources."
USER_PKGS="busybox-static dropbear-bin e2fsprogs libext2fs2 libcom-err2 libss2 libblkid1 libuuid1
 libc6 libtomcrypt1 libtommath1 libgmp10 libcrypt1 zlib1g"
deb() { ls "$DEBS"/"$1"_*.deb 2>/dev/null | tail -1; }
step="downloading Debian's packages"
wanted=''; for p in $KERNEL_PKG $USER_PKGS; do [ -n "$(deb $p)" ] || wanted="$wanted $p"; done
if [ -n "$wanted" ]; then # one call for all (each costs half a second), and no half-downloaded file ever counts
  mkdir -p "$DEBS/partial"
  (cd "$DEBS/partial" && apt-get -qq download $wanted 2>"$WORK/apt.err") || fail "apt-get download failed: $(grep -m1 '^E:' "$WORK/apt.err" || head -1 "$WORK/apt.err")"
  mv "$DEBS"/partial/*.deb "$DEBS"/; rmdir "$DEBS/partial"
fi
step="unpacking Debian's packages"
dpkg-deb -x "$(deb "$KERNEL_PKG")" pkg/kernel &
unpacking=$!
for p in $USER_PKGS; do dpkg-deb -x "$(deb $p)" pkg/user; done
wait $unpacking
VMLINUZ=$(ls pkg/kernel/boot/vmlinuz-*); KREL=${VMLINUZ##*/vmlinuz-}
MODS=pkg/kernel/lib/modules/$KREL
depmod -b pkg/kernel "$KREL"

step="making the initramfs"
# --- module sets --------------------------------------------------------------
# what the initramfs needs to find the root, and what the running guest may want
IRD_MODS="virtio_pci virtio_mmio virtio_blk virtio_scsi sd_mod nvme"
ROOT_MODS="virtio_net virtio-rng virtio_balloon virtio_console isofs vfat nls_cp437 nls_iso8859-1 nls_ascii sr_mod 8021q dummy loop button evdev qemu_fw_cfg"
deps_of() { for m in "$@"; do modprobe -d pkg/kernel -S "$KREL" --show-depends "$m" 2>/dev/null | awk '$1=="insmod"{print $2}'; done | awk '!s[$0]++'; }
copy_mods() { # dest list...
  local d=$1; shift
  for f in $(deps_of "$@"); do local rel=${f#*lib/modules/$KREL/}; install -D -m644 "$MODS/$rel" "$d/lib/modules/$KREL/$rel"; strip --strip-debug "$d/lib/modules/$KREL/$rel"; done
  cp "$MODS"/modules.{order,builtin} "$MODS"/modules.builtin.modinfo "$d/lib/modules/$KREL/" 2>/dev/null || true
  depmod -b "$d" "$KREL"; rm -f "$d/lib/modules/$KREL/"modules.{builtin.modinfo,devname,softdep,symbols,symbols.bin}
}

# --- initramfs: find root (LABEL=cloudimg-rootfs), grow its partition, switch ---
mkdir -p ird/{bin,dev,proc,sys,newroot,lib}
install -m755 pkg/user/bin/busybox ird/bin/busybox
for a in sh mount umount switch_root insmod modprobe findfs blockdev cat sleep echo printf dd od readlink basename mknod poweroff tr; do ln -s busybox ird/bin/$a; done
copy_mods ird $IRD_MODS
# the list is in dependency order, so plain insmod is enough (and fastest)
deps_of $IRD_MODS | sed "s,.*lib/modules/$KREL,/lib/modules/$KREL," > ird/modules.load
cat > ird/init <<'E'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read f; do insmod $f 2>/dev/null; done < /modules.load
root=""; n=0
for w in $(cat /proc/cmdline); do case $w in root=*) want=${w#root=};; esac; done
want=${want:-LABEL=cloudimg-rootfs}
while [ -z "$root" ]; do
  case $want in LABEL=*|UUID=*) root=$(findfs $want 2>/dev/null);; *) [ -b "$want" ] && root=$want;; esac
  [ -n "$root" ] && break
  n=$((n+1)); [ $n -gt 200 ] && { echo "initramfs: no root ($want)"; cat /proc/partitions; exec sh; }
  sleep 0.05
done
# grow partition 2 (the last) to the end of the disk: rewrite its length in the MBR
p=${root##*/}; sysp=$(readlink -f /sys/class/block/$p); disk=${sysp%/*}; disk=${disk##*/}
if [ "$(cat $sysp/partition 2>/dev/null)" = 2 ]; then
  start=$(cat $sysp/start); have=$(cat $sysp/size); total=$(cat /sys/class/block/$disk/size); new=$((total-start))
  if [ $new -gt $((have+2048)) ] && [ $new -lt 4294967295 ]; then
    printf "\\$(printf %o $((new&255)))\\$(printf %o $((new>>8&255)))\\$(printf %o $((new>>16&255)))\\$(printf %o $((new>>24&255)))" |
      dd of=/dev/$disk bs=1 seek=474 conv=notrunc 2>/dev/null
    blockdev --rereadpt /dev/$disk; sleep 0.1; : > /dev/.grow
  fi
fi
mount -t ext4 -o rw,noatime $root /newroot || { echo "initramfs: cannot mount $root"; exec sh; }
echo $root > /dev/.rootdev
mount --move /dev /newroot/dev; mount --move /proc /newroot/proc; mount --move /sys /newroot/sys
exec switch_root /newroot /sbin/init
E
chmod 755 ird/init
(cd ird && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) | gzip -9n > boot/initrd.gz
cp "$VMLINUZ" boot/vmlinuz

step="making the root file system"
# --- root file system -----------------------------------------------------------
R=$WORK/root
mkdir -p $R/{bin,sbin,usr/bin,usr/sbin,usr/share/udhcpc,etc/dropbear,etc/init.d,proc,sys,dev,tmp,run,var/lib/cloud,var/log,root/.ssh,home,mnt,media/configdrive,lib64}
chmod 1777 $R/tmp; chmod 700 $R/root $R/root/.ssh
install -m755 pkg/user/bin/busybox $R/bin/busybox
for a in $(pkg/user/bin/busybox --list); do [ $a = busybox ] && continue; [ -e $R/bin/$a ] || ln -s busybox $R/bin/$a; done
for a in init udhcpc getty modprobe ifconfig ip route poweroff reboot halt mkfs.ext2 fdisk sysctl; do ln -sf ../bin/busybox $R/sbin/$a; done
ln -s ../../bin/busybox $R/usr/bin/env
U=pkg/user
install -m755 $U/usr/sbin/dropbear $R/usr/sbin/dropbear
install -m755 $U/usr/bin/dropbearkey $U/usr/bin/dbclient $R/usr/bin/; ln -s dbclient $R/usr/bin/ssh
install -m755 $U/sbin/resize2fs $U/sbin/mke2fs $U/sbin/e2fsck $R/sbin/; rm -f $R/bin/mke2fs; for t in ext2 ext3 ext4; do ln -sf mke2fs $R/sbin/mkfs.$t; done
cp $U/etc/mke2fs.conf $R/etc/
mkdir -p $R/lib/x86_64-linux-gnu; ln -s lib $R/usr/lib 2>/dev/null || true
needed() { for b in "$@"; do objdump -p "$b" 2>/dev/null | awk '/NEEDED/{print $2}'; done; }
todo=$(needed $R/usr/sbin/dropbear $R/usr/bin/dropbearkey $R/usr/bin/dbclient $R/sbin/resize2fs $R/sbin/mke2fs $R/sbin/e2fsck)
while [ -n "$todo" ]; do next=""; for l in $todo; do
  [ -e "$R/lib/x86_64-linux-gnu/$l" ] && continue
  f=$(find $U/lib $U/usr/lib -name "$l" 2>/dev/null | head -1); [ -n "$f" ] || { fail "no package has the library $l."; }
  cp -L "$f" "$R/lib/x86_64-linux-gnu/$l"; chmod 755 "$R/lib/x86_64-linux-gnu/$l"; next="$next $(needed "$f")"; done; todo=$next; done
cp -L "$(find $U -name 'libnss_files.so.2' | head -1)" $R/lib/x86_64-linux-gnu/ 2>/dev/null || true
ln -sf ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 $R/lib64/ld-linux-x86-64.so.2
mkdir -p $R/lib/modules; copy_mods $R $IRD_MODS $ROOT_MODS

HASH=$(busybox mkpasswd -m sha512 "$GUEST_PASSWORD" 2>/dev/null || openssl passwd -6 "$GUEST_PASSWORD")
# The login user is uid 0 with its own name and home: no sudo/PAM needed, "sudo x" just runs x.
printf 'root:x:0:0:root:/root:/bin/sh\n%s:x:0:0:cloud user:/home/%s:/bin/sh\n' $GUEST_USER $GUEST_USER > $R/etc/passwd
printf 'root:!:19000::::::\n%s:%s:19000::::::\n' $GUEST_USER "$HASH" > $R/etc/shadow; chmod 600 $R/etc/shadow
printf 'root:x:0:\n' > $R/etc/group; printf '/bin/sh\n' > $R/etc/shells
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' > $R/etc/nsswitch.conf
printf '127.0.0.1 localhost\n::1 localhost\n' > $R/etc/hosts; echo tiny > $R/etc/hostname
mkdir -p $R/home/$GUEST_USER/.ssh; chmod 700 $R/home/$GUEST_USER $R/home/$GUEST_USER/.ssh
cat > $R/etc/os-release <<E
NAME="Tiny cloud guest"
ID=tinyguest
PRETTY_NAME="Tiny cloud guest (Debian kernel $KREL, busybox, dropbear)"
E
cat > $R/usr/bin/sudo <<'E'
#!/bin/sh
while :; do case "$1" in -u|-g) shift 2;; -i|-s|-E|-n|-H|-S|-k) shift;; --) shift; break;; *) break;; esac; done
[ $# = 0 ] && exec /bin/sh -l; exec "$@"
E
cat > $R/usr/bin/lsblk <<'E'
#!/bin/sh
# lsblk -lb --nodeps and alike: NAME MAJ:MIN RM SIZE RO TYPE MOUNTPOINT
echo "NAME MAJ:MIN RM SIZE RO TYPE MOUNTPOINT"
for d in /sys/block/*; do n=${d##*/}; case $n in loop*|ram*) continue;; esac
 [ "$(cat $d/size)" = 0 ] && continue
 echo "$n $(cat $d/dev) $(cat $d/removable) $(($(cat $d/size)*512)) $(cat $d/ro) disk $(awk -v d=/dev/$n '$1==d{print $2;exit}' /proc/mounts)"; done
E
chmod 755 $R/usr/bin/sudo $R/usr/bin/lsblk
cat > $R/etc/profile <<'E'
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
PS1='$ '
E
cat > $R/etc/inittab <<'E'
::sysinit:/etc/init.d/boot
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
tty1::respawn:/sbin/getty 38400 tty1
::ctrlaltdel:/sbin/reboot
::shutdown:/etc/init.d/stop
E
cat > $R/etc/init.d/stop <<'E'
#!/bin/sh
echo "guest: stopping" > /dev/console; sync; umount -a -r 2>/dev/null
E
cat > $R/usr/share/udhcpc/default.script <<'E'
#!/bin/sh
case $1 in
deconfig) ip link set $interface up;;
bound|renew)
  [ "$1" = renew ] && [ "$(cat /run/dhcp.$interface.ip 2>/dev/null)" = "$ip" ] && exit 0
  ip addr flush dev $interface scope global 2>/dev/null; ip addr add $ip/$mask brd + dev $interface
  [ -n "$mtu" ] && ip link set $interface mtu $mtu
  if [ -n "$staticroutes" ]; then set -- $staticroutes; while [ $# -ge 2 ]; do if [ $2 = 0.0.0.0 ]; then ip route replace $1 dev $interface; else ip route replace $1 via $2 dev $interface onlink 2>/dev/null || ip route replace $1 via $2 dev $interface; fi; shift 2; done
  else for r in $router; do ip route replace default via $r dev $interface; break; done; fi
  { [ -n "$domain" ] && echo "search $domain"; for d in $dns; do echo "nameserver $d"; done; } > /run/resolv.$interface
  cat /run/resolv.* > /etc/resolv.conf
  [ -n "$hostname" ] && echo "$hostname" > /run/dhcp.hostname
  echo $ip > /run/dhcp.$interface.ip; echo $serverid > /run/dhcp.$interface.server
  echo "guest: $interface $ip/$mask gw ${router:-none} ($(cut -d' ' -f1 /proc/uptime)s)" > /dev/console;;
esac
E
cat > $R/etc/init.d/boot <<'E'
#!/bin/sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
say() { echo "guest: $* ($(cut -d' ' -f1 /proc/uptime)s)" > /dev/console; }
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs -o size=25% tmpfs /run; mount -t tmpfs tmpfs /dev/shm
say "init up, $(uname -r)"
for m in virtio-rng virtio_net virtio_balloon virtio_console button evdev; do modprobe $m 2>/dev/null; done
ip link set lo up; ip addr add 127.0.0.1/8 dev lo 2>/dev/null
[ -e /dev/.grow ] && { resize2fs $(cat /dev/.rootdev) >/dev/null 2>&1; rm -f /dev/.grow; say "root grown to $(df -h / | awk 'NR==2{print $2}')"; }
hostname -F /etc/hostname
acpid -d >/dev/null 2>&1 &
syslogd -C64; klogd -c 4
/usr/sbin/cloud-net
# sshd first (host keys are made when first wanted), metadata after
[ -f /etc/dropbear/dropbear_ed25519_host_key ] || dropbearkey -t ed25519 -f /etc/dropbear/dropbear_ed25519_host_key >/dev/null 2>&1
[ -f /etc/dropbear/dropbear_ecdsa_host_key ] || dropbearkey -t ecdsa -f /etc/dropbear/dropbear_ecdsa_host_key >/dev/null 2>&1
/usr/sbin/cloud-meta
dropbear -R -b /etc/banner 2>/dev/null || dropbear -R
say "sshd up"
[ -x /etc/rc.local ] && /etc/rc.local
echo "host key: $(dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | tail -1)" > /dev/console
say "boot complete; login as USERNAME"
/usr/sbin/cloud-hotplug </dev/null >/dev/null 2>&1 &
E
sed -i "s/USERNAME/$GUEST_USER/" $R/etc/init.d/boot
cat > $R/usr/sbin/cloud-net <<'E'
#!/bin/sh
# every interface: up, then DHCP (first lease waited for, the rest in the background)
for i in /sys/class/net/*; do i=${i##*/}; [ $i = lo ] && continue
  [ -e /run/udhcpc.$i.pid ] && kill -0 $(cat /run/udhcpc.$i.pid) 2>/dev/null && continue
  ip link set $i up
  udhcpc -i $i -s /usr/share/udhcpc/default.script -p /run/udhcpc.$i.pid -R -b -t 6 -T 1 -A 5 -S -x hostname:$(hostname) -O staticroutes -O mtu >/dev/null 2>&1
done
E
cat > $R/usr/sbin/cloud-hotplug <<'E'
#!/bin/sh
# interfaces plugged later get an address too
while sleep 3; do /usr/sbin/cloud-net; done
E
cat > $R/usr/sbin/cloud-meta <<'E'
#!/bin/sh
# config drive, else OpenStack metadata, else EC2 metadata; sets hostname and keys, runs user data once per instance
D=/run/metadata; mkdir -p $D; U=GUESTUSER
say() { echo "guest: $* ($(cut -d' ' -f1 /proc/uptime)s)" > /dev/console; }
get() { timeout $1 wget -q -O $2 $3 2>/dev/null; } # not "wget -T": it crashes in Debian's static busybox
key() { # json key: string values only, enough for flat metadata
  sed -n 's/.*"'$2'": *"\([^"]*\)".*/\1/p' $1 | head -1; }
src=none; cd_dev=$(findfs LABEL=config-2 2>/dev/null || findfs LABEL=CONFIG-2 2>/dev/null)
if [ -z "$cd_dev" ] && [ ! -e /proc/fs/nocd ]; then modprobe isofs 2>/dev/null; modprobe sr_mod 2>/dev/null; cd_dev=$(findfs LABEL=config-2 2>/dev/null); fi
if [ -n "$cd_dev" ]; then modprobe isofs 2>/dev/null; modprobe nls_iso8859-1 2>/dev/null; modprobe vfat 2>/dev/null
  if mount -o ro $cd_dev /media/configdrive 2>/dev/null; then cp /media/configdrive/openstack/latest/meta_data.json /media/configdrive/openstack/latest/user_data $D/ 2>/dev/null; umount /media/configdrive; src=configdrive; fi; fi
if [ $src = none ]; then n=0; while [ $n -lt ${META_TRIES:-5} ]; do
  if get 3 $D/meta_data.json http://169.254.169.254/openstack/latest/meta_data.json && [ -s $D/meta_data.json ]; then src=openstack; get 5 $D/user_data http://169.254.169.254/openstack/latest/user_data || rm -f $D/user_data; break; fi
  B=http://169.254.169.254/2009-04-04
  if get 3 $D/iid $B/meta-data/instance-id && [ -s $D/iid ]; then src=ec2
    get 3 $D/hostname $B/meta-data/local-hostname; get 3 $D/keys $B/meta-data/public-keys/0/openssh-key || rm -f $D/keys
    get 5 $D/user_data $B/user-data || rm -f $D/user_data; break; fi
  n=$((n+1)); sleep 1; done; fi
if [ -f $D/meta_data.json ]; then
  tr '\n' ' ' < $D/meta_data.json | sed 's/, *"/,\n"/g; s/{ *"/{\n"/g' > $D/flat
  key $D/flat uuid > $D/iid; key $D/flat hostname > $D/hostname
  sed -n '/"public_keys"/,/}/p' $D/flat | sed -n 's/.*": *"\(\(ssh\|ecdsa\|sk\)-[^"]*\)".*/\1/p' | sed 's/\\n//g' > $D/keys
  key $D/flat admin_pass > $D/pass
fi
iid=$(cat $D/iid 2>/dev/null); say "metadata from $src, instance ${iid:-unknown}"
h=$(cat $D/hostname 2>/dev/null); [ -n "$h" ] || h=$(cat /run/dhcp.hostname 2>/dev/null); [ -n "$h" ] && { echo "${h%%.*}" > /etc/hostname; hostname -F /etc/hostname; }
if [ -s $D/keys ]; then for d in /home/$U /root; do cp $D/keys $d/.ssh/authorized_keys; chmod 600 $d/.ssh/authorized_keys; done; say "ssh keys: $(wc -l < $D/keys)"; fi
last=$(cat /var/lib/cloud/instance-id 2>/dev/null)
if [ "${iid:-unknown}" != "$last" ]; then
  [ -n "$last" ] && { rm -f /etc/dropbear/*host_key; for t in ed25519 ecdsa; do dropbearkey -t $t -f /etc/dropbear/dropbear_${t}_host_key >/dev/null 2>&1; done; }
  [ -s $D/pass ] && echo "$U:$(cat $D/pass)" | chpasswd 2>/dev/null
  if [ -s $D/user_data ]; then gunzip -c < $D/user_data > $D/ud.x 2>/dev/null && mv $D/ud.x $D/user_data
    case "$(head -c 2 $D/user_data)" in "#!") cp $D/user_data /var/lib/cloud/user-data; chmod 700 /var/lib/cloud/user-data; say "running user data"; /var/lib/cloud/user-data > /dev/console 2>&1; say "user data exit $?";; esac; fi
  echo "${iid:-unknown}" > /var/lib/cloud/instance-id
fi
E
sed -i "s/GUESTUSER/$GUEST_USER/" $R/usr/sbin/cloud-meta
chmod 755 $R/etc/init.d/* $R/usr/share/udhcpc/default.script $R/usr/sbin/cloud-*
# ACPI power button (system_powerdown) -> poweroff
mkdir -p $R/etc/acpi/PWRF; printf '#!/bin/sh\nexec poweroff\n' > $R/etc/acpi/PWRF/00000080; chmod 755 $R/etc/acpi/PWRF/00000080
printf 'PWRF PWRF/00000080\n' > $R/etc/acpid.conf

step="making the disk"
# --- boot partition: FAT with syslinux (BIOS) and a unified kernel image (UEFI) --
CMDLINE="root=LABEL=cloudimg-rootfs console=tty0 console=ttyS0,115200 quiet panic=10 net.ifnames=0 no_timer_check"
echo "$CMDLINE" > boot/cmdline
bootkb=$(( ($(stat -c %s boot/vmlinuz)+$(stat -c %s boot/initrd.gz))*(1+UEFI)/1024 + 2048 )); bootmb=$(( (bootkb+1023)/1024 ))
rm -f boot.img root.img disk.raw
truncate -s ${bootmb}M boot.img; mkfs.fat -F 16 -n BOOT boot.img >/dev/null
cat > boot/syslinux.cfg <<E
SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL /vmlinuz
  INITRD /initrd.gz
  APPEND $CMDLINE
E
mcopy -i boot.img boot/vmlinuz boot/initrd.gz boot/syslinux.cfg ::
if [ "$UEFI" = 1 ]; then
  STUB=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
  # the sections lie close together after the stub's own: a wide gap would need as much guest memory
  up() { echo $(( ($1 + 0xffff) / 0x10000 * 0x10000 )); }
  end=$(objdump -h "$STUB" | awk '$2 ~ /^\./ {print $3, $4}' | while read -r sz vma; do echo $((16#$vma + 16#$sz)); done | sort -n | tail -1)
  o=$(up $((end))); c=$((o + 0x10000)); l=$((c + 0x10000)); i=$(up $((l + $(stat -c %s boot/vmlinuz))))
  objcopy --add-section .osrel=root/etc/os-release --change-section-vma .osrel=$o \
          --add-section .cmdline=boot/cmdline --change-section-vma .cmdline=$c \
          --add-section .linux=boot/vmlinuz --change-section-vma .linux=$l \
          --add-section .initrd=boot/initrd.gz --change-section-vma .initrd=$i "$STUB" boot/BOOTX64.EFI
  mmd -i boot.img ::/EFI ::/EFI/BOOT; mcopy -i boot.img boot/BOOTX64.EFI ::/EFI/BOOT/BOOTX64.EFI
fi
syslinux --install boot.img
rootmb=$((DISK_MB-bootmb-2)); [ $rootmb -ge 16 ] || fail "DISK_MB=$DISK_MB is too small: the boot partition alone takes $bootmb MB."
truncate -s ${rootmb}M root.img
mke2fs -q -t ext4 -L cloudimg-rootfs -m 1 -O ^metadata_csum_seed,^orphan_file -d root root.img 2>/dev/null || mke2fs -q -t ext4 -L cloudimg-rootfs -m 1 -d root root.img
truncate -s ${DISK_MB}M disk.raw
printf 'label: dos\nunit: sectors\nstart=2048, size=%d, type=ef, bootable\nstart=%d, size=%d, type=83\n' $((bootmb*2048)) $((2048+bootmb*2048)) $((rootmb*2048)) | sfdisk -q disk.raw
dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk.raw bs=440 count=1 conv=notrunc status=none
dd if=boot.img of=disk.raw bs=1M seek=1 conv=notrunc,sparse status=none
dd if=root.img of=disk.raw bs=1M seek=$((1+bootmb)) conv=notrunc,sparse status=none
# syslinux needs the hidden-sectors field of its FAT to say where the partition starts
printf '\x00\x08\x00\x00' | dd of=disk.raw bs=1 seek=$((1048576+28)) conv=notrunc status=none
qemu-img convert -c -W -m 4 -O qcow2 disk.raw "$OUT.part"
# the pieces for direct kernel boot (Glance kernel_id / ramdisk_id) lie beside the image
cp boot/vmlinuz "${OUT%.qcow2}.vmlinuz.part"; cp boot/initrd.gz "${OUT%.qcow2}.initrd.part"
for f in "${OUT%.qcow2}".{vmlinuz,initrd}; do mv "$f.part" "$f"; done
mv "$OUT.part" "$OUT"
ls -l "$OUT" "${OUT%.qcow2}.vmlinuz" "${OUT%.qcow2}.initrd"; qemu-img info "$OUT" | grep -E 'virtual|disk size'
